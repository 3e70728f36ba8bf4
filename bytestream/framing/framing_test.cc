// The C calls of prefix.h, suffix.h and term.h: each errno, and what becomes of handles.

#include <cerrno>
#include <cstring>
#include <string>
#include <tuple>
#include <utility>

#include "bytestream/framing/prefix.h"
#include "bytestream/framing/suffix.h"
#include "bytestream/framing/term.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/iolist.h"
#include "bytestream/msocket.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/sockets.h"
#include "bytestream/testing/every_number.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/stream_handle.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"

#define EXPECT_FAILS(error, call) \
  do {                            \
    errno = 0;                    \
    EXPECT_EQ((call), -1);        \
    EXPECT_EQ(errno, (error));    \
  } while (false)

namespace halfpipe {
namespace {

enum class Transport { kPair, kUnix, kTcp };

class FramingTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(HandleTable::Current().live_count(), 0u); }

  std::pair<int, int> Connect(Transport transport) {
    if (transport == Transport::kPair) {
      auto [a, b] = MakePair(&runtime_);
      return {StreamHandle::Make(std::move(a)), StreamHandle::Make(std::move(b))};
    }
    if (transport == Transport::kUnix) {
      int s[2];
      EXPECT_EQ(ipc_pair(s), 0);
      return {s[0], s[1]};
    }
    struct ipaddr addr;
    EXPECT_EQ(ipaddr_local(&addr, "127.0.0.1", 0, 0), 0);
    const int listener = tcp_listen(&addr, 10);
    const int client = tcp_connect(&addr, -1);
    const int server = tcp_accept(listener, nullptr, -1);
    EXPECT_EQ(hclose(listener), 0);
    return {client, server};
  }

  FdLeakCheck leaks_;
  Runtime runtime_;
};

void CancelSelf() { Runtime::Current().Cancel(Runtime::Current().current()); }

int Prefix(int s) { return prefix_attach(s, 3, PREFIX_LITTLE_ENDIAN); }
int Suffix(int s) { return suffix_attach(s, "\r\n", 2); }

std::string Receive(int s, int64_t deadline = -1) {
  char text[16];
  const ssize_t size = mrecv(s, text, sizeof(text), deadline);
  return size < 0 ? std::string("errno ") + std::to_string(errno) : std::string(text, size);
}

class FramingTransportTest : public FramingTest, public testing::WithParamInterface<Transport> {};

INSTANTIATE_TEST_SUITE_P(All, FramingTransportTest,
                         testing::Values(Transport::kPair, Transport::kUnix, Transport::kTcp));

// Messages, then bytes again.
TEST_P(FramingTransportTest, PrefixAndBack) {
  auto [a, b] = Connect(GetParam());
  struct prefix_storage memory;
  a = Prefix(a);
  b = prefix_attach_mem(b, 3, PREFIX_LITTLE_ENDIAN, &memory);
  ASSERT_GT(a, 0);
  ASSERT_GT(b, 0);
  EXPECT_EQ(msend(a, "First", 5, -1), 0);
  EXPECT_EQ(msend(a, "Second", 6, -1), 0);
  EXPECT_EQ(msend(a, "Third", 5, -1), 0);
  EXPECT_EQ(Receive(b), "First");
  EXPECT_EQ(mrecvl(b, nullptr, nullptr, -1), 6);
  EXPECT_EQ(Receive(b), "Third");
  EXPECT_EQ(msend(b, "Red", 3, -1), 0);
  b = prefix_detach(b);
  ASSERT_GT(b, 0);
  EXPECT_EQ(bsend(b, "bytes", 5, -1), 0);
  EXPECT_EQ(Receive(a), "Red");
  a = prefix_detach(a);
  ASSERT_GT(a, 0);
  char bytes[5];
  EXPECT_EQ(brecv(a, bytes, 5, -1), 0);
  EXPECT_EQ(std::string(bytes, 5), "bytes");
  EXPECT_EQ(hclose(a), 0);
  EXPECT_EQ(hclose(b), 0);
}

TEST_P(FramingTransportTest, SuffixAndBack) {
  auto [a, b] = Connect(GetParam());
  struct suffix_storage memory;
  a = suffix_attach(a, "1234567890", 10);
  b = suffix_attach_mem(b, "1234567890", 10, &memory);
  ASSERT_GT(a, 0);
  ASSERT_GT(b, 0);
  EXPECT_EQ(msend(a, "First", 5, -1), 0);
  EXPECT_EQ(msend(a, "Second", 6, -1), 0);
  EXPECT_EQ(msend(a, "Third", 5, -1), 0);
  EXPECT_EQ(Receive(b), "First");
  struct iolist everything = {nullptr, SIZE_MAX, nullptr, 0};
  EXPECT_EQ(mrecvl(b, &everything, &everything, -1), 6);
  EXPECT_EQ(Receive(b), "Third");
  EXPECT_EQ(msend(b, "Red", 3, -1), 0);
  b = suffix_detach(b, -1);
  ASSERT_GT(b, 0);
  EXPECT_EQ(bsend(b, "bytes", 5, -1), 0);
  EXPECT_EQ(Receive(a), "Red");
  a = suffix_detach(a, 0);
  ASSERT_GT(a, 0);
  char bytes[5];
  EXPECT_EQ(brecv(a, bytes, 5, -1), 0);
  EXPECT_EQ(std::string(bytes, 5), "bytes");
  EXPECT_EQ(hclose(a), 0);
  EXPECT_EQ(hclose(b), 0);
}

coroutine void Stop(int s) {
  s = term_attach(Suffix(s), "STOP", 4);
  ASSERT_GT(s, 0);
  EXPECT_EQ(msend(s, "ABC", 3, -1), 0);
  EXPECT_EQ(Receive(s), "DEF");
  s = term_detach(s, -1);
  ASSERT_GT(s, 0);
  EXPECT_EQ(msend(s, "more", 4, -1), 0);
  EXPECT_EQ(hclose(s), 0);
}

// A layer takes the number of what it is put on, so that none is missing where none is left.
TEST_P(FramingTransportTest, NeedsNoNumberOfItsOwn) {
  const auto ends = Connect(GetParam());
  int a = ends.first, b = ends.second;
  {
    const EveryNumber all;
    a = Prefix(a);
    b = Suffix(b);
    ASSERT_GT(a, 0);
    ASSERT_GT(b, 0);
    a = term_attach(a, "END", 3);
    ASSERT_GT(a, 0);
    EXPECT_EQ(hclose(a), 0);
    b = suffix_detach(b, -1);
    ASSERT_GT(b, 0);
    b = Prefix(b);
    ASSERT_GT(b, 0);
    b = prefix_detach(b);
    ASSERT_GT(b, 0);
  }
  EXPECT_EQ(hclose(b), 0);
}

// Each peer knows where it is after the handshake: the layers come off one by one.
TEST_P(FramingTransportTest, TermOverSuffix) {
  const auto ends = Connect(GetParam());
  const int a = ends.first, b = ends.second;
  const int peer = go(Stop(a));
  struct term_storage memory;
  int s = term_attach_mem(Suffix(b), "STOP", 4, &memory);
  ASSERT_GT(s, 0);
  EXPECT_EQ(Receive(s), "ABC");
  EXPECT_EQ(msend(s, "DEF", 3, -1), 0);
  EXPECT_FAILS(EPIPE, mrecv(s, nullptr, 0, -1));
  s = term_detach(s, -1);
  ASSERT_GT(s, 0);
  EXPECT_EQ(Receive(s), "more");
  EXPECT_FAILS(EPIPE, mrecv(s, nullptr, 0, -1));
  EXPECT_EQ(hclose(s), 0);
  EXPECT_EQ(hclose(peer), 0);
}

// ---- attach ------------------------------------------------------------------------------------

// Runs attach(s) on a connected socket, which must fail with `error`, and tells whether the socket
// was closed by it.
template <typename Attach>
bool ClosesOnFailure(int error, Attach attach) {
  int s[2];
  EXPECT_EQ(ipc_pair(s), 0);
  errno = 0;
  EXPECT_EQ(attach(s[0]), -1);
  EXPECT_EQ(errno, error);
  char byte;
  const bool closed = brecv(s[1], &byte, 1, 0) == -1 && errno == EPIPE;
  const int again = hclose(s[0]);
  EXPECT_EQ(again == -1, closed);
  EXPECT_EQ(hclose(s[1]), 0);
  return closed;
}

TEST_F(FramingTest, BadArgumentsCloseTheSocket) {
  struct prefix_storage* const no_prefix = nullptr;
  struct suffix_storage* const no_suffix = nullptr;
  const char longest[DILL_SUFFIX_MAXLEN + 1] = {};
  EXPECT_TRUE(ClosesOnFailure(EINVAL, [](int s) { return prefix_attach(s, 0, 0); }));
  EXPECT_TRUE(ClosesOnFailure(EINVAL, [](int s) { return prefix_attach(s, 9, 0); }));
  EXPECT_TRUE(ClosesOnFailure(EINVAL, [](int s) { return prefix_attach(s, 4, 2); }));
  EXPECT_TRUE(
      ClosesOnFailure(EINVAL, [=](int s) { return prefix_attach_mem(s, 4, 0, no_prefix); }));
  EXPECT_TRUE(ClosesOnFailure(EINVAL, [](int s) { return suffix_attach(s, "", 0); }));
  EXPECT_TRUE(ClosesOnFailure(EINVAL, [](int s) { return suffix_attach(s, nullptr, 1); }));
  EXPECT_TRUE(
      ClosesOnFailure(EINVAL, [&](int s) { return suffix_attach(s, longest, sizeof(longest)); }));
  EXPECT_TRUE(
      ClosesOnFailure(EINVAL, [=](int s) { return suffix_attach_mem(s, "x", 1, no_suffix); }));
}

TEST_F(FramingTest, BadArgumentsOfTermCloseTheSocket) {
  struct term_storage* const nothing = nullptr;
  const char longest[DILL_TERM_MAXLEN + 1] = {};
  EXPECT_TRUE(ClosesOnFailure(EINVAL, [](int s) { return term_attach(Prefix(s), nullptr, 1); }));
  EXPECT_TRUE(ClosesOnFailure(
      EINVAL, [&](int s) { return term_attach(Prefix(s), longest, sizeof(longest)); }));
  EXPECT_TRUE(
      ClosesOnFailure(EINVAL, [=](int s) { return term_attach_mem(Prefix(s), "x", 1, nothing); }));
}

TEST_F(FramingTest, LimitsOfTheArguments) {
  const char longest[32] = {};
  for (const size_t hdrlen : {1u, 8u}) {
    int s[2];
    ASSERT_EQ(ipc_pair(s), 0);
    const int a = prefix_attach(s[0], hdrlen, PREFIX_BIG_ENDIAN);
    const int b = suffix_attach(s[1], longest, hdrlen == 1 ? 1 : sizeof(longest));
    EXPECT_GT(a, 0);
    EXPECT_GT(b, 0);
    const int c = term_attach(a, longest, hdrlen == 1 ? 0 : sizeof(longest));
    EXPECT_GT(c, 0);
    const int d = term_attach(b, nullptr, 0);
    EXPECT_GT(d, 0);
    EXPECT_EQ(hclose(c), 0);
    EXPECT_EQ(hclose(d), 0);
  }
}

TEST_F(FramingTest, WhatIsNoSocketStaysAsItIs) {
  EXPECT_FAILS(EBADF, Prefix(-1));
  EXPECT_FAILS(EBADF, Suffix(12345));
  EXPECT_FAILS(EBADF, term_attach(0, "x", 1));
  const int group = bundle();
  EXPECT_FAILS(ENOTSUP, Prefix(group));
  EXPECT_FAILS(ENOTSUP, Suffix(group));
  EXPECT_FAILS(ENOTSUP, term_attach(group, "x", 1));
  EXPECT_FAILS(ENOTSUP, term_done(group, -1));
  EXPECT_FAILS(ENOTSUP, prefix_detach(group));
  EXPECT_FAILS(ENOTSUP, suffix_detach(group, -1));
  EXPECT_FAILS(ENOTSUP, term_detach(group, -1));
  EXPECT_EQ(hclose(group), 0);
  EXPECT_FAILS(EBADF, prefix_detach(group));
  EXPECT_FAILS(EBADF, suffix_detach(group, -1));
  EXPECT_FAILS(EBADF, term_detach(group, -1));
  EXPECT_FAILS(EBADF, term_done(group, -1));
  EXPECT_FALSE(ClosesOnFailure(ENOTSUP, [](int s) { return term_attach(s, "x", 1); }));
  EXPECT_FALSE(ClosesOnFailure(ENOTSUP, [](int s) { return prefix_detach(s); }));
  // A message socket is no bytestream, and one kind is not the other.
  int s[2];
  ASSERT_EQ(ipc_pair(s), 0);
  const int a = Prefix(s[0]);
  const int b = Suffix(s[1]);
  EXPECT_FAILS(ENOTSUP, Prefix(a));
  EXPECT_FAILS(ENOTSUP, bsend(a, "x", 1, -1));
  EXPECT_FAILS(ENOTSUP, suffix_detach(a, -1));
  EXPECT_FAILS(ENOTSUP, prefix_detach(b));
  EXPECT_FAILS(ENOTSUP, term_detach(b, -1));
  EXPECT_FAILS(EBADF, msend(s[0], "x", 1, -1));  // the number died
  EXPECT_EQ(hclose(a), 0);
  EXPECT_EQ(hclose(b), 0);
}

coroutine void AttachCancelled(int s, int layer, int* error) {
  if (layer == 2) s = Prefix(s);
  CancelSelf();
  errno = 0;
  const int result = layer == 0 ? Prefix(s) : layer == 1 ? Suffix(s) : term_attach(s, "x", 1);
  EXPECT_EQ(result, -1);
  *error = errno;
}

TEST_F(FramingTest, InACancelledCoroutineTheSocketIsClosed) {
  for (int layer = 0; layer < 3; ++layer) {
    int s[2];
    ASSERT_EQ(ipc_pair(s), 0);
    int error = 0;
    EXPECT_EQ(hclose(go(AttachCancelled(s[0], layer, &error))), 0);
    EXPECT_EQ(error, ECANCELED);
    EXPECT_FAILS(EPIPE, brecv(s[1], nullptr, 1, -1));
    EXPECT_EQ(hclose(s[1]), 0);
  }
}

coroutine void ReceiveFails(int s, int error) { EXPECT_FAILS(error, mrecv(s, nullptr, 9, -1)); }

// A socket somebody is in: nothing is done, and hclose() gets him out.
TEST_F(FramingTest, InUse) {
  int s[2];
  ASSERT_EQ(ipc_pair(s), 0);
  const int a = Prefix(s[0]);
  const int blocked = go(ReceiveFails(a, EBADF));
  EXPECT_FAILS(EBUSY, mrecv(a, nullptr, 9, -1));
  EXPECT_FAILS(EBUSY, term_attach(a, "x", 1));
  EXPECT_FAILS(EBUSY, prefix_detach(a));
  EXPECT_FAILS(EBUSY, hown(a));
  EXPECT_EQ(hclose(a), 0);
  EXPECT_EQ(bundle_wait(blocked, -1), 0);
  EXPECT_EQ(hclose(blocked), 0);
  EXPECT_EQ(hclose(s[1]), 0);
}

TEST_F(FramingTest, InUseBelowATerminalHandshake) {
  int s[2];
  ASSERT_EQ(ipc_pair(s), 0);
  const int a = term_attach(Suffix(s[0]), "x", 1);
  const int blocked = go(ReceiveFails(a, EBADF));
  EXPECT_FAILS(EBUSY, mrecv(a, nullptr, 9, -1));
  EXPECT_FAILS(EBUSY, term_detach(a, -1));
  EXPECT_EQ(hclose(a), 0);
  EXPECT_EQ(bundle_wait(blocked, -1), 0);
  EXPECT_EQ(hclose(blocked), 0);
  EXPECT_FAILS(EPIPE, brecv(s[1], nullptr, 1, -1));
  EXPECT_EQ(hclose(s[1]), 0);
}

// ---- Calls on the sockets ----------------------------------------------------------------------

TEST_F(FramingTest, Errors) {
  int s[2];
  ASSERT_EQ(ipc_pair(s), 0);
  const int a = prefix_attach(s[0], 1, 0);
  const int b = prefix_attach(s[1], 1, 0);
  char big[256] = {};
  EXPECT_FAILS(EMSGSIZE, msend(a, big, sizeof(big), -1));
  EXPECT_FAILS(EINVAL, msend(a, nullptr, 1, -1));
  EXPECT_FAILS(EINVAL, msendl(a, nullptr, nullptr, -1));
  struct iolist piece = {big, 1, nullptr, 0};
  EXPECT_FAILS(EINVAL, mrecvl(a, &piece, nullptr, -1));
  EXPECT_FAILS(ETIMEDOUT, mrecv(a, big, 1, now() + 5));
  EXPECT_FAILS(ETIMEDOUT, mrecv(a, big, 1, 0));
  EXPECT_EQ(msend(b, "abc", 3, -1), 0);
  EXPECT_FAILS(EMSGSIZE, mrecv(a, big, 2, -1));
  EXPECT_EQ(msend(b, "", 0, -1), 0);
  EXPECT_EQ(mrecv(a, big, 2, -1), 0);
  EXPECT_EQ(hclose(b), 0);
  EXPECT_FAILS(EPIPE, mrecv(a, big, 1, -1));
  EXPECT_FAILS(ECONNRESET, msend(a, "x", 1, -1));
  EXPECT_EQ(hclose(a), 0);
}

TEST_F(FramingTest, WhatThePeerMayNotSay) {
  int s[2];
  ASSERT_EQ(ipc_pair(s), 0);
  const int a = prefix_attach(s[0], 8, 0);
  EXPECT_EQ(bsend(s[1], "\x80\0\0\0\0\0\0\0", 8, -1), 0);
  EXPECT_FAILS(EPROTO, mrecvl(a, nullptr, nullptr, -1));
  EXPECT_FAILS(EPROTO, prefix_detach(a));
  EXPECT_FAILS(EBADF, hclose(a));
  EXPECT_EQ(hclose(s[1]), 0);
}

TEST_F(FramingTest, AMessageCutShort) {
  for (const bool prefix : {true, false}) {
    int s[2];
    ASSERT_EQ(ipc_pair(s), 0);
    const int a = prefix ? prefix_attach(s[0], 1, 0) : Suffix(s[0]);
    EXPECT_EQ(bsend(s[1],
                    "\x05"
                    "abc",
                    4, -1),
              0);
    EXPECT_EQ(hclose(s[1]), 0);
    EXPECT_FAILS(ECONNRESET, mrecv(a, nullptr, 9, -1));
    EXPECT_FAILS(ECONNRESET, prefix ? prefix_detach(a) : suffix_detach(a, -1));
    EXPECT_FAILS(EBADF, hclose(a));
  }
}

TEST_F(FramingTest, PrefixDetachDoesNotWait) {
  int s[2];
  ASSERT_EQ(ipc_pair(s), 0);
  const int a = prefix_attach(s[0], 1, 0);
  EXPECT_EQ(bsend(s[1],
                  "\x05"
                  "abc",
                  4, -1),
            0);
  EXPECT_FAILS(EMSGSIZE, mrecv(a, nullptr, 4, -1));
  EXPECT_FAILS(ECONNRESET, prefix_detach(a));
  EXPECT_FAILS(EBADF, hclose(a));
  EXPECT_EQ(hclose(s[1]), 0);
}

coroutine void DetachCancelled(int s, int* lower) {
  CancelSelf();
  *lower = prefix_detach(s);
}

TEST_F(FramingTest, PrefixDetachInACancelledCoroutine) {
  int s[2];
  ASSERT_EQ(ipc_pair(s), 0);
  int lower = -1;
  EXPECT_EQ(hclose(go(DetachCancelled(Prefix(s[0]), &lower))), 0);
  EXPECT_EQ(bsend(lower, "x", 1, -1), 0);
  EXPECT_EQ(hclose(lower), 0);
  EXPECT_EQ(hclose(s[1]), 0);
}

// suffix_detach() waits for the rest of a message that was too large, and fails like a receive.
TEST_F(FramingTest, EveryWaitOfSuffixDetach) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(error, [&](WaitFault& fault) {
      int s[2];
      ASSERT_EQ(ipc_pair(s), 0);
      const int a = Suffix(s[0]);
      EXPECT_EQ(bsend(s[1], "abc", 3, -1), 0);
      EXPECT_FAILS(EMSGSIZE, mrecv(a, nullptr, 2, -1));
      int lower = -1;
      int seen = 0;
      const int detach = go([&] {
        fault.set_only(Runtime::Current().current());
        lower = suffix_detach(a, -1);
        seen = errno;
      }());
      if (!fault.hit()) {
        EXPECT_EQ(bsend(s[1], "d\r\n!", 4, -1), 0);
      }
      EXPECT_EQ(bundle_wait(detach, -1), 0);
      EXPECT_EQ(hclose(detach), 0);
      if (fault.hit()) {
        EXPECT_EQ(lower, -1);
        EXPECT_EQ(seen, error);
        EXPECT_FAILS(EBADF, hclose(a));
      } else {
        char next;
        EXPECT_EQ(brecv(lower, &next, 1, -1), 0);
        EXPECT_EQ(next, '!');
        EXPECT_EQ(hclose(lower), 0);
      }
      EXPECT_EQ(hclose(s[1]), 0);
    });
    EXPECT_GE(waits, 1);
  }
}

coroutine void DetachFails(int s, int error) { EXPECT_FAILS(error, term_detach(s, -1)); }

TEST_F(FramingTest, TermDoneAndDetach) {
  int s[2];
  ASSERT_EQ(ipc_pair(s), 0);
  const int a = term_attach(Prefix(s[0]), "STOP", 4);
  const int b = Prefix(s[1]);
  EXPECT_FAILS(EINVAL, msend(a, "STOP", 4, -1));
  EXPECT_EQ(term_done(a, -1), 0);
  EXPECT_FAILS(EPIPE, term_done(a, -1));
  EXPECT_FAILS(EPIPE, msend(a, "x", 1, -1));
  EXPECT_EQ(Receive(b), "STOP");
  EXPECT_EQ(msend(b, "late", 4, -1), 0);
  EXPECT_EQ(Receive(a), "late");
  // hclose() cuts the wait for the peer short.
  const int waiting = go(DetachFails(a, EBADF));
  EXPECT_FAILS(EBUSY, term_done(a, -1));
  EXPECT_EQ(hclose(a), 0);
  EXPECT_EQ(bundle_wait(waiting, -1), 0);
  EXPECT_EQ(hclose(waiting), 0);
  EXPECT_EQ(hclose(b), 0);
}

TEST_F(FramingTest, TermDetachFails) {
  for (const int error : {ETIMEDOUT, ECONNRESET}) {
    int s[2];
    ASSERT_EQ(ipc_pair(s), 0);
    const int a = term_attach(Prefix(s[0]), "STOP", 4);
    if (error == ECONNRESET) {
      EXPECT_EQ(tcp_done(s[1], -1), -1);
      EXPECT_EQ(ipc_done(s[1], -1), 0);
    }
    EXPECT_FAILS(error, term_detach(a, error == ETIMEDOUT ? now() + 5 : -1));
    EXPECT_FAILS(EBADF, hclose(a));
    EXPECT_EQ(hclose(s[1]), 0);
  }
  // Cancelled.
  int s[2];
  ASSERT_EQ(ipc_pair(s), 0);
  const int a = term_attach(Prefix(s[0]), "STOP", 4);
  const int waiting = go(DetachFails(a, ECANCELED));
  EXPECT_EQ(hclose(waiting), 0);
  EXPECT_FAILS(EBADF, hclose(a));
  EXPECT_EQ(hclose(s[1]), 0);
  // What was said below before.
  ASSERT_EQ(ipc_pair(s), 0);
  EXPECT_EQ(ipc_done(s[0], -1), 0);
  const int done = term_attach(Prefix(s[0]), "STOP", 4);
  EXPECT_FAILS(EPIPE, term_done(done, -1));
  EXPECT_FAILS(EPIPE, term_detach(done, -1));
  EXPECT_EQ(hclose(s[1]), 0);
}

// Everything stacks: the terminal message of one handshake is an ordinary one of another.
TEST_F(FramingTest, TermOverTerm) {
  int s[2];
  ASSERT_EQ(ipc_pair(s), 0);
  const int inner = term_attach(Prefix(s[0]), "INNER", 5);
  const int a = term_attach(inner, "OUTER", 5);
  const int b = Prefix(s[1]);
  EXPECT_EQ(msend(b, "x", 1, -1), 0);
  EXPECT_EQ(msend(b, "OUTER", 5, -1), 0);
  EXPECT_EQ(msend(b, "y", 1, -1), 0);
  EXPECT_EQ(msend(b, "INNER", 5, -1), 0);
  EXPECT_EQ(Receive(a), "x");
  const int first = term_detach(a, -1);
  ASSERT_GT(first, 0);
  EXPECT_EQ(Receive(first), "y");
  const int second = term_detach(first, -1);
  ASSERT_GT(second, 0);
  EXPECT_EQ(Receive(b), "OUTER");
  EXPECT_EQ(Receive(b), "INNER");
  EXPECT_EQ(hclose(second), 0);
  EXPECT_EQ(hclose(b), 0);
}

}  // namespace
}  // namespace halfpipe
