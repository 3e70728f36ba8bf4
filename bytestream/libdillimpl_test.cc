// Objects of the user's behind handles: hmake(), hquery(), and sockets of theirs and of ours as each
// other's.

#include "bytestream/libdillimpl.h"

#include <cerrno>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>

#include "bytestream/handle/handle_table.h"
#include "bytestream/iolist.h"
#include "bytestream/msocket.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/sockets.h"
#include "bytestream/sockets_test_support.h"
#include "bytestream/testing/every_number.h"
#include "bytestream/testing/stream_handle.h"
#include "bytestream/testing/user_protocol.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

class LibdillimplTest : public CCallTest {};

// ---- Handles -----------------------------------------------------------------------------------

struct Plain {
  struct hvfs vfs;
  int queries = 0;
  int closes = 0;
  const void* asked = nullptr;
};

void* PlainQuery(struct hvfs* vfs, const void* type) {
  Plain* const self = reinterpret_cast<Plain*>(vfs);
  ++self->queries;
  self->asked = type;
  return type == self ? &self->queries : nullptr;
}

void PlainClose(struct hvfs* vfs) { ++reinterpret_cast<Plain*>(vfs)->closes; }

TEST_F(LibdillimplTest, NoNumberLeft) {
  Plain plain{{&PlainQuery, &PlainClose}};
  {
    const EveryNumber all;
    EXPECT_FAILS(EMFILE, hmake(&plain.vfs));
  }
  EXPECT_EQ(plain.closes, 0);
}

TEST_F(LibdillimplTest, QueryAndClose) {
  Plain plain{{&PlainQuery, &PlainClose}};
  int h = hmake(&plain.vfs);
  ASSERT_GT(h, 0);
  EXPECT_EQ(hquery(h, &plain), &plain.queries);
  EXPECT_EQ(plain.asked, &plain);
  errno = 0;
  EXPECT_EQ(hquery(h, nullptr), nullptr);
  EXPECT_EQ(errno, ENOTSUP);
  EXPECT_EQ(plain.asked, nullptr);
  errno = 0;
  EXPECT_EQ(hquery(h, bsock_type), nullptr);
  EXPECT_EQ(errno, ENOTSUP);
  EXPECT_EQ(plain.asked, dill_bsock_type);

  const int moved = hown(h);
  ASSERT_GT(moved, 0);
  EXPECT_EQ(plain.closes, 0);
  errno = 0;
  EXPECT_EQ(hquery(h, &plain), nullptr);
  EXPECT_EQ(errno, EBADF);
  EXPECT_EQ(hquery(moved, &plain), &plain.queries);
  EXPECT_EQ(hclose(moved), 0);
  EXPECT_EQ(plain.closes, 1);
  EXPECT_FAILS(EBADF, hclose(moved));
  EXPECT_EQ(plain.closes, 1);
}

// An object that is no socket: every call says so, and the question is not put with types of ours.
TEST_F(LibdillimplTest, NeitherBytesNorMessages) {
  Plain plain{{&PlainQuery, &PlainClose}};
  const int h = hmake(&plain.vfs);
  ASSERT_GT(h, 0);
  EXPECT_FAILS(ENOTSUP, bsend(h, "x", 1, -1));
  EXPECT_EQ(plain.asked, dill_bsock_type);
  EXPECT_FAILS(ENOTSUP, brecv(h, nullptr, 1, -1));
  EXPECT_FAILS(ENOTSUP, msend(h, "x", 1, -1));
  EXPECT_EQ(plain.asked, dill_msock_type);
  EXPECT_FAILS(ENOTSUP, mrecv(h, nullptr, 1, -1));
  const int queries = plain.queries;
  EXPECT_FAILS(ENOTSUP, tcp_close(h, -1));
  EXPECT_FAILS(ENOTSUP, bundle_wait(h, -1));
  EXPECT_EQ(plain.queries, queries);
  EXPECT_EQ(plain.closes, 0);
  EXPECT_EQ(hclose(h), 0);
}

TEST_F(LibdillimplTest, NoObjectNoHandle) {
  Plain plain{{&PlainQuery, nullptr}};
  EXPECT_FAILS(EINVAL, hmake(nullptr));
  EXPECT_FAILS(EINVAL, hmake(&plain.vfs));
  plain.vfs = {nullptr, &PlainClose};
  EXPECT_FAILS(EINVAL, hmake(&plain.vfs));
  errno = 0;
  EXPECT_EQ(hquery(-1, &plain), nullptr);
  EXPECT_EQ(errno, EBADF);
}

coroutine void MakeCancelled(Plain* plain, int existing) {
  CancelSelf();
  EXPECT_FAILS(ECANCELED, hmake(&plain->vfs));
  EXPECT_EQ(plain->closes, 0);
  EXPECT_EQ(hquery(existing, plain), &plain->queries);
  // hown() closes what it is given.
  EXPECT_FAILS(ECANCELED, hown(existing));
  EXPECT_EQ(plain->closes, 1);
}

TEST_F(LibdillimplTest, InACancelledCoroutine) {
  Plain plain{{&PlainQuery, &PlainClose}};
  const int h = hmake(&plain.vfs);
  EXPECT_EQ(hclose(go(MakeCancelled(&plain, h))), 0);
  EXPECT_FAILS(EBADF, hclose(h));
}

coroutine void Nothing() {}

struct Closing {
  struct hvfs vfs;
  int sockets[2];
  int bundle;
  int closes = 0;
};

void CloseInside(struct hvfs* vfs) {
  Closing* const self = reinterpret_cast<Closing*>(vfs);
  ++self->closes;
  Plain plain{{&PlainQuery, &PlainClose}};
  char byte;
  struct ipaddr addr;
  EXPECT_EQ(ipaddr_local(&addr, "127.0.0.1", 0, 0), 0);
  int s[2];
  EXPECT_FAILS(ECANCELED, go(Nothing()));
  EXPECT_FAILS(ECANCELED, bundle_go(self->bundle, Nothing()));
  EXPECT_FAILS(ECANCELED, bundle());
  EXPECT_FAILS(ECANCELED, hmake(&plain.vfs));
  EXPECT_FAILS(ECANCELED, ipc_pair(s));
  EXPECT_FAILS(ECANCELED, tcp_listen(&addr, 10));
  EXPECT_FAILS(ECANCELED, msleep(-1));
  EXPECT_FAILS(ECANCELED, yield());
  EXPECT_FAILS(ECANCELED, bundle_wait(self->bundle, -1));
  EXPECT_FAILS(ECANCELED, brecv(self->sockets[0], &byte, 1, -1));
  EXPECT_FAILS(ECANCELED, bsend(self->sockets[0], "x", 1, -1));
  EXPECT_EQ(hclose(self->sockets[0]), 0);
  EXPECT_FAILS(ECANCELED, hown(self->sockets[1]));  // closed by it
  EXPECT_EQ(hclose(self->bundle), 0);
}

coroutine void SleepForEver() { EXPECT_FAILS(ECANCELED, msleep(-1)); }

// Inside a close function nothing waits and nothing begins, but things can be ended.
TEST_F(LibdillimplTest, InsideAClose) {
  Closing closing{{&PlainQuery, &CloseInside}, {}, bundle()};
  ASSERT_EQ(ipc_pair(closing.sockets), 0);
  ASSERT_EQ(bundle_go(closing.bundle, SleepForEver()), 0);
  const int h = hmake(&closing.vfs);
  EXPECT_EQ(hclose(h), 0);
  EXPECT_EQ(closing.closes, 1);
  EXPECT_EQ(yield(), 0);  // only inside
}

// One object ends another in its close function, and so on.
struct Chain {
  struct hvfs vfs;
  int next;
  int* closes;
};

void CloseChain(struct hvfs* vfs) {
  Chain* const self = reinterpret_cast<Chain*>(vfs);
  if (self->next > 0) {
    EXPECT_EQ(hclose(self->next), 0);
  }
  EXPECT_FAILS(ECANCELED, yield());
  ++*self->closes;
}

TEST_F(LibdillimplTest, ClosesInsideCloses) {
  int closes = 0;
  Chain chain[5];
  int h = 0;
  for (Chain& link : chain) {
    link = {{&PlainQuery, &CloseChain}, h, &closes};
    h = hmake(&link.vfs);
  }
  EXPECT_EQ(hclose(h), 0);
  EXPECT_EQ(closes, 5);
  EXPECT_EQ(yield(), 0);
}

// A thread that ends with handles open runs no code of theirs.
TEST_F(LibdillimplTest, TheEndOfAThread) {
  static Plain plain{{&PlainQuery, &PlainClose}};
  static UserProtocolLog log;
  std::thread([] {
    EXPECT_GT(hmake(&plain.vfs), 0);
    int s[2];
    ASSERT_EQ(ipc_pair(s), 0);
    EXPECT_GT(FlipAttach(s[0], &log), 0);
  }).join();
  EXPECT_EQ(plain.closes, 0);
  EXPECT_EQ(log.closes, 0);
}

// ---- Ours as theirs ----------------------------------------------------------------------------

enum class Transport { kPair, kUnix, kTcp };

std::pair<int, int> Connect(Transport transport) {
  if (transport == Transport::kPair) {
    auto [a, b] = MakePair(&Runtime::Current());
    return {StreamHandle::Make(std::move(a)), StreamHandle::Make(std::move(b))};
  }
  int s[2];
  if (transport == Transport::kUnix) {
    EXPECT_EQ(ipc_pair(s), 0);
    return {s[0], s[1]};
  }
  struct ipaddr addr;
  EXPECT_EQ(ipaddr_local(&addr, "127.0.0.1", 0, 0), 0);
  const int listener = tcp_listen(&addr, 10);
  errno = 0;
  EXPECT_EQ(hquery(listener, bsock_type), nullptr);
  EXPECT_EQ(errno, ENOTSUP);
  s[0] = tcp_connect(&addr, -1);
  s[1] = tcp_accept(listener, nullptr, -1);
  EXPECT_EQ(hclose(listener), 0);
  return {s[0], s[1]};
}

class TransportTest : public LibdillimplTest, public testing::WithParamInterface<Transport> {};

INSTANTIATE_TEST_SUITE_P(All, TransportTest,
                         testing::Values(Transport::kPair, Transport::kUnix, Transport::kTcp));

coroutine void ReceiveFromVfs(struct bsock_vfs* vfs, int error) {
  char byte;
  struct iolist piece = {&byte, 1, nullptr, 0};
  EXPECT_FAILS(error, vfs->brecvl(vfs, &piece, &piece, -1));
}

TEST_P(TransportTest, ATableOfOurs) {
  auto [a, b] = Connect(GetParam());
  struct bsock_vfs* const vfs = static_cast<struct bsock_vfs*>(hquery(a, bsock_type));
  ASSERT_NE(vfs, nullptr);
  EXPECT_EQ(hquery(a, bsock_type), vfs);
  errno = 0;
  EXPECT_EQ(hquery(a, msock_type), nullptr);
  EXPECT_EQ(errno, ENOTSUP);
  EXPECT_EQ(hquery(a, &errno), nullptr);

  char hello[] = "hello";
  char world[] = " world";
  struct iolist tail = {world, 6, nullptr, 0};
  struct iolist head = {hello, 5, &tail, 0};
  EXPECT_EQ(vfs->bsendl(vfs, &head, &tail, -1), 0);
  char got[11];
  EXPECT_EQ(brecv(b, got, 11, -1), 0);
  EXPECT_EQ(std::string(got, 11), "hello world");
  EXPECT_FAILS(EINVAL, vfs->bsendl(vfs, &head, &head, -1));
  EXPECT_FAILS(EINVAL, vfs->brecvl(vfs, &head, nullptr, -1));
  EXPECT_FAILS(ETIMEDOUT, vfs->brecvl(vfs, &tail, &tail, 0));
  EXPECT_EQ(bsend(b, "abcdef", 6, -1), 0);
  EXPECT_EQ(vfs->brecvl(vfs, &tail, &tail, -1), 0);
  EXPECT_EQ(std::string(world), "abcdef");

  // The table goes on under another number, and pins its object like any call.
  a = hown(a);
  const int blocked = go(ReceiveFromVfs(vfs, EBADF));
  EXPECT_FAILS(EBUSY, vfs->brecvl(vfs, &tail, &tail, -1));
  EXPECT_FAILS(EBUSY, hown(a));
  EXPECT_EQ(hclose(a), 0);
  EXPECT_EQ(bundle_wait(blocked, -1), 0);
  EXPECT_EQ(hclose(blocked), 0);
  EXPECT_FAILS(EPIPE, brecvl(b, nullptr, nullptr, -1));
  EXPECT_EQ(hclose(b), 0);
}

TEST_P(TransportTest, ATableDropsToTheEnd) {
  auto [a, b] = Connect(GetParam());
  struct bsock_vfs* const vfs = static_cast<struct bsock_vfs*>(hquery(a, bsock_type));
  EXPECT_EQ(bsend(b, "abcdef", 6, -1), 0);
  EXPECT_EQ(hclose(b), 0);
  EXPECT_FAILS(EPIPE, vfs->brecvl(vfs, nullptr, nullptr, -1));
  EXPECT_EQ(hclose(a), 0);
}

// ---- Theirs as ours ----------------------------------------------------------------------------

coroutine void BytesFail(int s, int error) {
  char byte;
  EXPECT_FAILS(error, brecv(s, &byte, 1, -1));
}

TEST_P(TransportTest, AStreamOfTheirs) {
  const auto [lower, b] = Connect(GetParam());
  UserProtocolLog log;
  const int a = FlipAttach(lower, &log);
  ASSERT_GT(a, 0);
  EXPECT_EQ(bsend(a, "abc", 3, -1), 0);
  EXPECT_EQ(bsend(a, nullptr, 0, -1), 0);
  EXPECT_FAILS(EINVAL, bsend(a, nullptr, 1, -1));
  char wire[3];
  EXPECT_EQ(brecv(b, wire, 3, -1), 0);
  EXPECT_EQ(wire[0], static_cast<char>(~'a'));
  const char back[] = {static_cast<char>(~'x'), static_cast<char>(~'y'), static_cast<char>(~'z')};
  EXPECT_EQ(bsend(b, back, 3, -1), 0);
  char got[3] = {};
  struct iolist last = {got + 1, 1, nullptr, 0};
  struct iolist skip = {nullptr, 1, &last, 0};
  struct iolist first = {got, 1, &skip, 0};
  EXPECT_EQ(brecvl(a, &first, &last, -1), 0);
  EXPECT_EQ(std::string(got), "xz");
  EXPECT_FAILS(EINVAL, brecvl(a, &first, &skip, -1));
  EXPECT_FAILS(ETIMEDOUT, brecv(a, got, 1, now() + 3));
  EXPECT_FAILS(ETIMEDOUT, brecv(a, got, 1, 0));

  const int blocked = go(BytesFail(a, EBADF));
  EXPECT_FAILS(EBUSY, brecv(a, got, 1, -1));
  EXPECT_FAILS(EBUSY, hown(a));
  EXPECT_EQ(log.closes, 0);
  EXPECT_EQ(hclose(a), 0);
  EXPECT_EQ(log.closes, 1);
  EXPECT_EQ(bundle_wait(blocked, -1), 0);
  EXPECT_EQ(hclose(blocked), 0);
  EXPECT_FAILS(EPIPE, brecv(b, got, 1, -1));
  EXPECT_EQ(hclose(b), 0);
}

TEST_P(TransportTest, TheEndOfAStreamOfTheirs) {
  const auto [lower, b] = Connect(GetParam());
  const int a = FlipAttach(lower, nullptr);
  EXPECT_EQ(bsend(b, "abc", 3, -1), 0);
  EXPECT_EQ(hclose(b), 0);
  char got[4];
  EXPECT_FAILS(EPIPE, brecv(a, got, 4, -1));
  EXPECT_EQ(brecv(a, got, 2, -1), 0);
  EXPECT_FAILS(EPIPE, brecvl(a, nullptr, nullptr, -1));
  EXPECT_FAILS(EPIPE, brecv(a, got, 1, -1));
  EXPECT_EQ(hclose(a), 0);
}

TEST_F(LibdillimplTest, SkippingToTheEndOfAStreamOfTheirs) {
  int s[2];
  ASSERT_EQ(ipc_pair(s), 0);
  const int a = FlipAttach(s[0], nullptr);
  EXPECT_EQ(bsend(s[1], "abc", 3, -1), 0);
  EXPECT_EQ(ipc_done(s[1], -1), 0);
  struct iolist everything = {nullptr, SIZE_MAX, nullptr, 0};
  EXPECT_FAILS(EPIPE, brecvl(a, &everything, &everything, -1));
  EXPECT_EQ(hclose(a), 0);
  EXPECT_EQ(hclose(s[1]), 0);
}

TEST_F(LibdillimplTest, DetachOfAStreamOfTheirs) {
  int s[2];
  ASSERT_EQ(ipc_pair(s), 0);
  UserProtocolLog log;
  const int a = FlipAttach(s[0], &log);
  EXPECT_FAILS(ENOTSUP, FlipDetach(s[1]));
  const int lower = FlipDetach(a);
  ASSERT_GT(lower, 0);
  EXPECT_FAILS(EBADF, hclose(a));
  EXPECT_EQ(bsend(s[1], "plain", 5, -1), 0);
  char got[5];
  EXPECT_EQ(brecv(lower, got, 5, -1), 0);
  EXPECT_EQ(std::string(got, 5), "plain");
  EXPECT_EQ(hclose(lower), 0);
  EXPECT_EQ(hclose(s[1]), 0);
}

// Every wait in a call through two protocols of theirs: nothing is lost, whatever ends it.
TEST_F(LibdillimplTest, EveryWaitInAStreamOfTheirs) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(error, [&](WaitFault& fault) {
      int s[2];
      ASSERT_EQ(ipc_pair(s), 0);
      const int a = FlipAttach(FlipAttach(s[0], nullptr), nullptr);
      std::string got(3, '?');
      int failures = 0;
      const auto receive = [&] {
        fault.set_only(Runtime::Current().current());
        if (brecv(a, &got[0], 3, -1) != 0) {
          EXPECT_EQ(errno, error);
          ++failures;
        }
      };
      const int first = go(receive());
      EXPECT_EQ(bsend(s[1], "ab", 2, -1), 0);
      EXPECT_EQ(yield(), 0);
      EXPECT_EQ(bsend(s[1], "c", 1, -1), 0);
      EXPECT_EQ(bundle_wait(first, -1), 0);
      EXPECT_EQ(hclose(first), 0);
      EXPECT_EQ(failures, fault.hit() ? 1 : 0);
      if (fault.hit()) {
        EXPECT_EQ(brecv(a, &got[0], 3, -1), 0);
      }
      EXPECT_EQ(got, "abc");
      EXPECT_EQ(hclose(a), 0);
      EXPECT_EQ(hclose(s[1]), 0);
    });
    EXPECT_GE(waits, 1);
  }
}

// ---- Messages of theirs ------------------------------------------------------------------------

// A message protocol with nothing below it: what it returns is up to the test.
struct Script {
  struct hvfs hvfs;
  struct msock_vfs mvfs;
  int error = 0;
  ssize_t size = 0;
  bool waits = false;
  bool list_was_null = false;
  int64_t deadline = 0;
  int closes = 0;
};

Script* FromMsock(struct msock_vfs* vfs) {
  return reinterpret_cast<Script*>(reinterpret_cast<char*>(vfs) - offsetof(Script, mvfs));
}
void* ScriptQuery(struct hvfs* vfs, const void* type) {
  return type == msock_type ? &reinterpret_cast<Script*>(vfs)->mvfs : nullptr;
}
void ScriptClose(struct hvfs* vfs) { ++reinterpret_cast<Script*>(vfs)->closes; }
ssize_t ScriptCall(Script* self, struct iolist* first, int64_t deadline) {
  self->list_was_null = first == nullptr;
  self->deadline = deadline;
  if (self->waits && msleep(-1) != 0) return -1;
  errno = self->error;
  return self->error != 0 ? -1 : self->size;
}
int ScriptSend(struct msock_vfs* vfs, struct iolist* first, struct iolist*, int64_t deadline) {
  return static_cast<int>(ScriptCall(FromMsock(vfs), first, deadline));
}
ssize_t ScriptReceive(struct msock_vfs* vfs, struct iolist* first, struct iolist*,
                      int64_t deadline) {
  return ScriptCall(FromMsock(vfs), first, deadline);
}

coroutine void SendFails(int s, int error) { EXPECT_FAILS(error, msend(s, "x", 1, -1)); }
coroutine void ReceiveFails(int s, int error) { EXPECT_FAILS(error, mrecv(s, nullptr, 1, -1)); }

TEST_F(LibdillimplTest, MessagesOfTheirs) {
  Script script{{&ScriptQuery, &ScriptClose}, {&ScriptSend, &ScriptReceive}};
  const int h = hmake(&script.hvfs);
  ASSERT_GT(h, 0);
  EXPECT_EQ(hquery(h, msock_type), &script.mvfs);
  char buffer[8];
  EXPECT_EQ(msend(h, "abc", 3, 1234), 0);
  EXPECT_EQ(script.deadline, 1234);
  EXPECT_EQ(msend(h, "", 0, -1), 0);
  EXPECT_EQ(script.deadline, -1);
  script.size = 5;
  EXPECT_EQ(mrecv(h, buffer, sizeof(buffer), 0), 5);
  EXPECT_EQ(script.deadline, 0);
  EXPECT_FALSE(script.list_was_null);
  EXPECT_EQ(mrecvl(h, nullptr, nullptr, -1), 5);
  EXPECT_TRUE(script.list_was_null);
  for (const int error : {ETIMEDOUT, EMSGSIZE, EPIPE, EPROTO, ECONNRESET, ENOMEM, EINVAL}) {
    script.error = error;
    EXPECT_FAILS(error, mrecv(h, buffer, sizeof(buffer), -1));
    EXPECT_FAILS(error, msend(h, "x", 1, -1));
  }
  script.error = 0;
  EXPECT_FAILS(ENOTSUP, bsend(h, "x", 1, -1));
  // One coroutine in each direction; hclose() does not get them out of a msleep() of theirs.
  script.waits = true;
  const int sender = go(SendFails(h, EBADF));
  const int receiver = go(ReceiveFails(h, EBADF));
  EXPECT_FAILS(EBUSY, msend(h, "x", 1, -1));
  EXPECT_FAILS(EBUSY, mrecv(h, buffer, 1, -1));
  EXPECT_EQ(hclose(h), 0);
  EXPECT_EQ(script.closes, 1);
  EXPECT_EQ(hclose(sender), 0);
  EXPECT_EQ(hclose(receiver), 0);
}

TEST_F(LibdillimplTest, ErrorsThatAreNone) {
  Script script{{&ScriptQuery, &ScriptClose}, {&ScriptSend, &ScriptReceive}};
  const int h = hmake(&script.hvfs);
  script.size = -1;  // with errno 0
  EXPECT_FAILS(ECONNRESET, msend(h, "x", 1, -1));
  EXPECT_FAILS(ECONNRESET, mrecv(h, nullptr, 1, -1));
  EXPECT_EQ(hclose(h), 0);
}

}  // namespace
}  // namespace halfpipe
