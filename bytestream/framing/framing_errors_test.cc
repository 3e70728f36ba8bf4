// The errnos of prefix.h, suffix.h and term.h that framing_test.cc leaves out: those of the forms on
// storage of the caller and on lists, and those that want of memory gives. And that storage of the
// caller is all that those forms use.

#include <sys/types.h>

#include <cerrno>
#include <cstdint>
#include <functional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bytestream/framing/prefix.h"
#include "bytestream/framing/suffix.h"
#include "bytestream/framing/term.h"
#include "bytestream/iolist.h"
#include "bytestream/msocket.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/sockets_test_support.h"
#include "bytestream/testing/allocation_faults.h"
#include "bytestream/testing/full_table.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

coroutine void Make(const std::function<void()>* function) { (*function)(); }

// Runs `function` in a coroutine that is being closed.
void WhenCancelled(const std::function<void()>& function) {
  const std::function<void()> cancelled = [&] {
    CancelSelf();
    function();
  };
  const int h = go(Make(&cancelled));
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(hclose(h), 0);
}

int Prefix(int s) { return prefix_attach(s, 2, 0); }

// An attach, what makes what it goes on top of of a Unix connection, and its detach.
struct Layer {
  const char* name;
  bool in_callers_storage;
  bool over_messages;
  std::function<int(int s)> attach;
  std::function<int(int s)> detach;
};

class FramingErrorsTest : public CCallTest {
 protected:
  FramingErrorsTest() {
    const auto detach_suffix = [](int s) { return suffix_detach(s, -1); };
    // The peers below have nothing to say, so this is about failing alone.
    const auto detach_term = [](int s) { return term_detach(s, 0); };
    layers_ = {
        {"prefix_attach", false, false, Prefix, prefix_detach},
        {"prefix_attach_mem", true, false,
         [this](int s) { return prefix_attach_mem(s, 2, 0, &prefix_storage_); }, prefix_detach},
        {"suffix_attach", false, false, [](int s) { return suffix_attach(s, "\r\n", 2); },
         detach_suffix},
        {"suffix_attach_mem", true, false,
         [this](int s) { return suffix_attach_mem(s, "\r\n", 2, &suffix_storage_); },
         detach_suffix},
        {"term_attach", false, true, [](int s) { return term_attach(s, "end", 3); }, detach_term},
        {"term_attach_mem", true, true,
         [this](int s) { return term_attach_mem(s, "end", 3, &term_storage_); }, detach_term}};
  }

  // Two ends of a connection, the first one as the layer takes it.
  std::pair<int, int> Connect(const Layer& layer) {
    int s[2];
    EXPECT_EQ(ipc_pair(s), 0);
    return {layer.over_messages ? Prefix(s[0]) : s[0], s[1]};
  }

  // What another coroutine does while `during` runs; it is cancelled then.
  void WhileBusy(const std::function<int64_t()>& blocked, const std::function<void()>& during) {
    const std::function<void()> main = [&] { EXPECT_FAILS(ECANCELED, blocked()); };
    const int h = go(Make(&main));
    during();
    EXPECT_EQ(hclose(h), 0);
  }

  prefix_storage prefix_storage_;
  suffix_storage suffix_storage_;
  term_storage term_storage_;
  std::vector<Layer> layers_;
  char text_[8] = "text";
  dill_iolist list_ = {text_, 4, nullptr, 0};
};

// ---- Attach and detach -------------------------------------------------------------------------

TEST_F(FramingErrorsTest, HandlesThatCannotBeTaken) {
  const int b = bundle();
  for (const Layer& layer : layers_) {
    SCOPED_TRACE(layer.name);
    EXPECT_FAILS(EBADF, layer.attach(-1));
    EXPECT_FAILS(ENOTSUP, layer.attach(b));
    auto [s, peer] = Connect(layer);
    // A bytestream is no message socket, and the other way round.
    const int other = layer.over_messages ? peer : prefix_attach(peer, 2, 0);
    EXPECT_FAILS(ENOTSUP, layer.attach(other));
    peer = layer.over_messages ? other : prefix_detach(other);
    WhileBusy(
        [&, s = s]() -> int64_t {
          return layer.over_messages ? mrecv(s, text_, 4, -1) : brecv(s, text_, 4, -1);
        },
        [&, s = s] { EXPECT_FAILS(EBUSY, layer.attach(s)); });
    // Nothing was done.
    s = layer.attach(s);
    ASSERT_GT(s, 0);
    EXPECT_EQ(hclose(s), 0);
    EXPECT_EQ(hclose(peer), 0);
    std::tie(s, peer) = Connect(layer);
    WhenCancelled([&, s = s] { EXPECT_FAILS(ECANCELED, layer.attach(s)); });
    EXPECT_FAILS(EBADF, hclose(s));
    EXPECT_EQ(hclose(peer), 0);
  }
  EXPECT_EQ(hclose(b), 0);
}

// Also an object that needs no memory needs a number, and the table of them may have to grow. All is
// closed then.
TEST_F(FramingErrorsTest, NoMemoryForANumber) {
  struct Case {
    const Layer* layer;
    bool detach;
    int s;
    int peer;
  };
  std::vector<Case> cases;
  for (const Layer& layer : layers_) {
    auto [s, peer] = Connect(layer);
    cases.push_back({&layer, false, s, peer});
    // The storage of the caller is for one at a time.
    if (layer.in_callers_storage) continue;
    std::tie(s, peer) = Connect(layer);
    // The peer's end is there.
    EXPECT_EQ(bsend(peer, "\0\3end", 5, -1), 0);
    cases.push_back({&layer, true, layer.attach(s), peer});
  }
  const FullTable full;
  for (const Case& c : cases) {
    SCOPED_TRACE(c.layer->name);
    // Of an attach that allocates the object, the number's is the second request.
    AllocationFault fault(c.detach || c.layer->in_callers_storage ? 0 : 1);
    EXPECT_FAILS(ENOMEM, c.detach ? c.layer->detach(c.s) : c.layer->attach(c.s));
    EXPECT_TRUE(fault.hit());
    EXPECT_FAILS(EBADF, hclose(c.s));
    EXPECT_EQ(hclose(c.peer), 0);
  }
}

// What the storage of the caller is for.
TEST_F(FramingErrorsTest, StorageOfTheCallerIsAllThatIsUsed) {
  for (const Layer& layer : layers_) {
    if (!layer.in_callers_storage) continue;
    SCOPED_TRACE(layer.name);
    auto [s, peer] = Connect(layer);
    prefix_storage below;
    // The peer has the same layer, but on the heap.
    const Layer& twin = *(&layer - 1);
    if (layer.over_messages) peer = prefix_attach_mem(peer, 2, 0, &below);
    peer = twin.attach(peer);
    ASSERT_GT(peer, 0);
    {
      AllocationFault fault(0);
      fault.FailOn();
      s = layer.attach(s);
      ASSERT_GT(s, 0);
      for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(msend(s, "hello", 5, -1), 0);
        EXPECT_EQ(mrecv(peer, text_, sizeof(text_), -1), 5);
        EXPECT_EQ(msendl(peer, &list_, &list_, -1), 0);
        EXPECT_EQ(mrecvl(s, &list_, &list_, -1), 4);
        EXPECT_FAILS(ETIMEDOUT, mrecv(s, text_, 4, 0));
        EXPECT_EQ(msend(peer, "hello", 5, -1), 0);
        EXPECT_FAILS(EMSGSIZE, mrecv(s, text_, 4, -1));
        EXPECT_EQ(msend(peer, "", 0, -1), 0);
        EXPECT_EQ(mrecv(s, text_, 4, -1), 0);
      }
      if (layer.over_messages) {
        EXPECT_EQ(term_done(s, -1), 0);
        EXPECT_EQ(term_done(peer, -1), 0);
      }
      s = layer.detach(s);
      EXPECT_FALSE(fault.hit());
    }
    ASSERT_GT(s, 0);
    EXPECT_EQ(hclose(s), 0);
    EXPECT_EQ(hclose(peer), 0);
  }
}

// An interrupted receive that could not keep what had come says so once more at detach.
TEST_F(FramingErrorsTest, DetachAfterAReceiveWithoutMemory) {
  const std::string much(30'000, 'x');
  for (const Layer& layer : layers_) {
    if (layer.over_messages) continue;
    SCOPED_TRACE(layer.name);
    auto [s, peer] = Connect(layer);
    s = layer.attach(s);
    // More than a block, and not all of the message.
    if (std::string(layer.name).find("prefix") == 0) {
      EXPECT_EQ(bsend(peer, "\xff\xff", 2, -1), 0);
    }
    EXPECT_EQ(bsend(peer, much.data(), much.size(), -1), 0);
    std::string got(65'535, '\0');
    dill_iolist rest = {nullptr, SIZE_MAX, nullptr, 0};
    dill_iolist first = {got.data(), got.size(), &rest, 0};
    {
      AllocationFault fault(0);
      fault.FailOn();
      EXPECT_FAILS(ENOMEM, mrecvl(s, &first, &rest, 0));
      EXPECT_TRUE(fault.hit());
    }
    EXPECT_FAILS(ENOMEM, mrecv(s, got.data(), got.size(), -1));
    EXPECT_FAILS(ENOMEM, layer.detach(s));
    EXPECT_FAILS(EBADF, hclose(s));
    EXPECT_EQ(hclose(peer), 0);
  }
}

TEST_F(FramingErrorsTest, DetachInUse) {
  for (const Layer& layer : layers_) {
    SCOPED_TRACE(layer.name);
    auto [s, peer] = Connect(layer);
    s = layer.attach(s);
    WhileBusy([&, s = s]() -> int64_t { return mrecv(s, text_, 4, -1); },
              [&, s = s] { EXPECT_FAILS(EBUSY, layer.detach(s)); });
    EXPECT_EQ(hclose(s), 0);
    EXPECT_EQ(hclose(peer), 0);
  }
}

// ---- The terminal handshake --------------------------------------------------------------------

TEST_F(FramingErrorsTest, TermDoneCancelled) {
  auto [s, peer] = Connect(layers_[4]);
  s = layers_[4].attach(s);
  WhenCancelled([&, s = s] { EXPECT_FAILS(ECANCELED, term_done(s, -1)); });
  // Nothing was sent.
  EXPECT_FAILS(ETIMEDOUT, brecv(peer, nullptr, 1, 0));
  EXPECT_EQ(term_done(s, -1), 0);
  EXPECT_EQ(brecv(peer, nullptr, 5, -1), 0);
  EXPECT_EQ(hclose(s), 0);
  EXPECT_EQ(hclose(peer), 0);
}

TEST_F(FramingErrorsTest, TermDetachAfterABreachBelow) {
  int s[2];
  ASSERT_EQ(ipc_pair(s), 0);
  EXPECT_EQ(bsend(s[1], "\xff\xff\xff\xff\xff\xff\xff\xff", 8, -1), 0);
  const int h = term_attach(prefix_attach(s[0], 8, 0), "end", 3);
  ASSERT_GT(h, 0);
  EXPECT_FAILS(EPROTO, term_detach(h, -1));
  EXPECT_FAILS(EBADF, hclose(h));
  EXPECT_EQ(hclose(s[1]), 0);
}

// ---- Lists -------------------------------------------------------------------------------------

TEST_F(FramingErrorsTest, MsendlFailsAsMsendDoes) {
  int s[2];
  ASSERT_EQ(ipc_pair(s), 0);
  EXPECT_FAILS(ENOTSUP, msendl(s[0], &list_, &list_, -1));
  EXPECT_FAILS(ENOTSUP, mrecvl(s[0], &list_, &list_, -1));
  std::string much(65'536, 'x');
  dill_iolist large = {much.data(), much.size(), nullptr, 0};
  const int h = term_attach(prefix_attach(s[0], 2, 0), "end", 3);
  EXPECT_FAILS(EMSGSIZE, msendl(h, &large, &large, -1));
  large.iol_len = 65'535;
  WhenCancelled([&] { EXPECT_FAILS(ECANCELED, msendl(h, &large, &large, -1)); });
  while (msendl(h, &large, &large, 0) == 0) {
  }
  EXPECT_EQ(errno, ETIMEDOUT);
  WhileBusy([&]() -> int64_t { return msendl(h, &large, &large, -1); },
            [&] { EXPECT_FAILS(EBUSY, msendl(h, &list_, &list_, -1)); });
  WhileBusy([&]() -> int64_t { return mrecvl(h, &list_, &list_, -1); },
            [&] { EXPECT_FAILS(EBUSY, mrecvl(h, &list_, &list_, -1)); });
  EXPECT_EQ(bsend(s[1], "\0\5hello", 7, -1), 0);
  EXPECT_FAILS(EMSGSIZE, mrecvl(h, &list_, &list_, -1));
  EXPECT_EQ(bsend(s[1], "\0\3end", 5, -1), 0);
  EXPECT_FAILS(EPIPE, mrecvl(h, &list_, &list_, -1));
  EXPECT_EQ(hclose(h), 0);
  EXPECT_EQ(hclose(s[1]), 0);

  ASSERT_EQ(ipc_pair(s), 0);
  const int done = term_attach(prefix_attach(s[0], 2, 0), "end", 3);
  EXPECT_EQ(term_done(done, -1), 0);
  EXPECT_FAILS(EPIPE, msendl(done, &list_, &list_, -1));
  EXPECT_EQ(ipc_done(s[1], -1), 0);
  // The end of what is below, without the terminal message.
  EXPECT_FAILS(ECONNRESET, mrecvl(done, &list_, &list_, -1));
  EXPECT_EQ(hclose(done), 0);
  EXPECT_EQ(hclose(s[1]), 0);
}

}  // namespace
}  // namespace halfpipe
