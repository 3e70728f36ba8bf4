// The calls of the ws_done(3) family, sentence by sentence of their manual page, where ws_test.cc and
// the tests of errors do not have it: shapes, order, deadlines of every kind, and misuse.

#include <sys/types.h>

#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>

#include "bytestream/handle/handle_table.h"
#include "bytestream/iolist.h"
#include "bytestream/msocket.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "gtest/gtest.h"
#include "websocket/testing/handles.h"
#include "websocket/ws.h"

// clang-format off: its macros are for what follows.
#include "bytestream/sockets.h"
// clang-format on

#define EXPECT_FAILS(error, call) \
  do {                            \
    errno = 0;                    \
    EXPECT_EQ((call), -1);        \
    EXPECT_EQ(errno, (error));    \
  } while (false)

namespace halfpipe::websocket {
namespace {

// ---- Shapes ------------------------------------------------------------------------------------

// The linkage names: of the raw ones some are overloaded in C++.
static_assert(std::is_same_v<decltype(dill_ws_attach_client),
                             int(int, int, const char*, const char*, int64_t)>);
static_assert(std::is_same_v<decltype(dill_ws_attach_client_mem),
                             int(int, int, const char*, const char*, dill_ws_storage*, int64_t)>);
static_assert(std::is_same_v<decltype(dill_ws_attach_server),
                             int(int, int, char*, size_t, char*, size_t, int64_t)>);
static_assert(
    std::is_same_v<decltype(dill_ws_attach_server_mem),
                   int(int, int, char*, size_t, char*, size_t, dill_ws_storage*, int64_t)>);
static_assert(std::is_same_v<decltype(dill_ws_send), int(int, int, const void*, size_t, int64_t)>);
static_assert(std::is_same_v<decltype(dill_ws_recv), ssize_t(int, int*, void*, size_t, int64_t)>);
static_assert(
    std::is_same_v<decltype(dill_ws_sendl), int(int, int, dill_iolist*, dill_iolist*, int64_t)>);
static_assert(std::is_same_v<decltype(dill_ws_recvl),
                             ssize_t(int, int*, dill_iolist*, dill_iolist*, int64_t)>);
static_assert(std::is_same_v<decltype(dill_ws_done), int(int, int, const void*, size_t, int64_t)>);
static_assert(
    std::is_same_v<decltype(dill_ws_detach), int(int, int, const void*, size_t, int64_t)>);
static_assert(std::is_same_v<decltype(dill_ws_status), ssize_t(int, int*, void*, size_t)>);
static_assert(std::is_same_v<decltype(dill_ws_request_key), int(char*)>);
static_assert(std::is_same_v<decltype(dill_ws_response_key), int(const char*, char*)>);
static_assert(std::is_same_v<decltype(dill_msend), int(int, const void*, size_t, int64_t)>);
static_assert(std::is_same_v<decltype(dill_mrecv), ssize_t(int, void*, size_t, int64_t)>);
static_assert(std::is_same_v<decltype(dill_msendl), int(int, dill_iolist*, dill_iolist*, int64_t)>);
static_assert(
    std::is_same_v<decltype(dill_mrecvl), ssize_t(int, dill_iolist*, dill_iolist*, int64_t)>);
static_assert(std::is_same_v<decltype(dill_now), int64_t()>);
static_assert(WS_BINARY == 0 && WS_TEXT == 1 && WS_NOHTTP == 2 && WS_KEY_SIZE == 32);

// ---- Behaviour ---------------------------------------------------------------------------------

coroutine void Make(const std::function<void()>* function) { (*function)(); }

class WsDoneTest : public testing::TestWithParam<Transport> {
 protected:
  void SetUp() override {
    // Before the leaks are counted: the engine keeps its descriptors.
    const auto [a, b] = ConnectedHandles(Transport::kUnix);
    EXPECT_FAILS(ETIMEDOUT, brecv(a, nullptr, 1, now() + 1));
    for (const int s : {a, b}) EXPECT_EQ(hclose(s), 0);
    leaks_.emplace();
    Connect();
  }
  void TearDown() override {
    Close();
    EXPECT_EQ(HandleTable::Current().live_count(), 0u);
  }

  void Connect() {
    const auto [a, b] = ConnectedHandles(GetParam());
    ours_ = ws_attach_client(a, WS_TEXT | WS_NOHTTP, nullptr, nullptr, -1);
    theirs_ = ws_attach_server(b, WS_TEXT | WS_NOHTTP, nullptr, 0, nullptr, 0, -1);
    ASSERT_GT(ours_, 0);
    ASSERT_GT(theirs_, 0);
  }
  void Close() {
    for (int* const s : {&ours_, &theirs_}) {
      if (*s >= 0) {
        EXPECT_EQ(hclose(*s), 0);
      }
      *s = -1;
    }
  }

  void ExpectText(int s, const std::string& text) {
    char got[64] = {};
    int flags = -1;
    ASSERT_EQ(ws_recv(s, &flags, got, sizeof(got), -1), static_cast<ssize_t>(text.size()));
    EXPECT_EQ(std::string(got, text.size()), text);
    EXPECT_EQ(flags, WS_TEXT);
  }

  // Until nothing goes out any more, with some patience for TCP, which finds room late.
  void FillUp() {
    const std::string filler(1000, 'f');
    for (int in_vain = 0; in_vain < 3;) {
      in_vain =
          ws_send(ours_, WS_TEXT, filler.data(), filler.size(), now() + 50) == 0 ? 0 : in_vain + 1;
    }
    EXPECT_EQ(errno, ETIMEDOUT);
  }

  std::optional<FdLeakCheck> leaks_;
  int ours_ = -1;
  int theirs_ = -1;
};

INSTANTIATE_TEST_SUITE_P(Transports, WsDoneTest,
                         testing::Values(Transport::kPair, Transport::kUnix, Transport::kTcp),
                         testing::PrintToStringParamName());

// "... cause the peer to get EPIPE error after it has received all the data."
TEST_P(WsDoneTest, PeerGetsAllTheDataAndThenEpipe) {
  for (const char* text : {"one", "two", ""}) {
    ASSERT_EQ(ws_send(ours_, WS_TEXT, text, std::string(text).size(), -1), 0);
  }
  ASSERT_EQ(ws_done(ours_, 1000, "bye", 3, -1), 0);
  for (const char* text : {"one", "two", ""}) ExpectText(theirs_, text);
  for (int again = 0; again < 2; ++again) {
    EXPECT_FAILS(EPIPE, ws_recv(theirs_, nullptr, nullptr, 0, -1));
    EXPECT_FAILS(EPIPE, ws_recvl(theirs_, nullptr, nullptr, nullptr, -1));
    EXPECT_FAILS(EPIPE, mrecv(theirs_, nullptr, 0, -1));
    EXPECT_FAILS(EPIPE, mrecvl(theirs_, nullptr, nullptr, -1));
  }
}

// "-1 means no deadline", "0 means immediate timeout, i.e., perform the operation if possible", and
// so does a point in the past; every negative number is none.
TEST_P(WsDoneTest, EveryKindOfDeadlineWhereNothingHasToBeWaitedFor) {
  for (const int64_t deadline : {int64_t{-1}, int64_t{-2}, INT64_MIN, int64_t{0}, int64_t{1},
                                 now() - 1000, now(), now() + 60'000, INT64_MAX}) {
    SCOPED_TRACE(deadline);
    const auto [a, b] = ConnectedHandles(GetParam());
    const int s = ws_attach_client(a, WS_TEXT | WS_NOHTTP, nullptr, nullptr, deadline);
    const int peer = ws_attach_server(b, WS_NOHTTP, nullptr, 0, nullptr, 0, deadline);
    ASSERT_GT(s, 0);
    ASSERT_GT(peer, 0);
    EXPECT_EQ(ws_send(s, WS_TEXT, "x", 1, deadline), 0);
    EXPECT_EQ(ws_done(s, 1000, nullptr, 0, deadline), 0);
    // The peer's has to arrive first.
    ExpectText(peer, "x");
    EXPECT_FAILS(EPIPE, ws_recv(peer, nullptr, nullptr, 0, -1));
    EXPECT_EQ(ws_done(peer, 0, nullptr, 0, deadline), 0);
    EXPECT_FAILS(EPIPE, ws_recv(s, nullptr, nullptr, 0, -1));
    const int below = ws_detach(s, 1000, nullptr, 0, deadline);
    EXPECT_GT(below, 0);
    EXPECT_EQ(hclose(below), 0);
    EXPECT_EQ(hclose(peer), 0);
  }
}

// "ETIMEDOUT: Deadline was reached": then nothing has been sent, and the call can be made again.
TEST_P(WsDoneTest, DeadlinesThatPass) {
  bool full = false;
  for (int i = 0; i < 100 && !full; ++i) {
    Close();
    Connect();
    FillUp();
    full = true;
    for (const int64_t deadline : {int64_t{0}, int64_t{1}, now() - 1000, now() + 20}) {
      // TCP may find room all the same; then it is no such connection.
      full = ws_done(ours_, 1000, "bye", 3, deadline) != 0;
      if (!full) break;
      EXPECT_EQ(errno, ETIMEDOUT);
    }
  }
  ASSERT_TRUE(full);
  const std::function<void()> done = [&] { EXPECT_EQ(ws_done(ours_, 4000, "now", 3, -1), 0); };
  const int h = go(Make(&done));
  char got[1000];
  ssize_t size = 0;
  while ((size = ws_recv(theirs_, nullptr, got, sizeof(got), -1)) == 1000) {
  }
  EXPECT_EQ(size, -1);
  EXPECT_EQ(errno, EPIPE);
  int status = 0;
  EXPECT_EQ(ws_status(theirs_, &status, got, sizeof(got)), 3);
  EXPECT_EQ(status, 4000);
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(hclose(h), 0);
}

// "EBADF: Invalid handle." Of no object, of one that is closed, or that an attach has taken over.
TEST_P(WsDoneTest, NoSuchHandle) {
  const auto [a, b] = ConnectedHandles(GetParam());
  const int closed = ws_attach_client(a, WS_NOHTTP, nullptr, nullptr, -1);
  ASSERT_GT(closed, 0);
  ASSERT_EQ(hclose(closed), 0);
  ASSERT_EQ(hclose(b), 0);
  dill_iolist list = {nullptr, 0, nullptr, 0};
  for (const int s : {0, -1, INT_MIN, INT_MAX, 1, a, closed}) {
    SCOPED_TRACE(s);
    EXPECT_FAILS(EBADF, ws_attach_client(s, WS_NOHTTP, nullptr, nullptr, -1));
    EXPECT_FAILS(EBADF, ws_attach_server(s, WS_NOHTTP, nullptr, 0, nullptr, 0, -1));
    EXPECT_FAILS(EBADF, ws_send(s, WS_TEXT, "x", 1, -1));
    EXPECT_FAILS(EBADF, ws_sendl(s, WS_TEXT, &list, &list, -1));
    EXPECT_FAILS(EBADF, ws_recv(s, nullptr, nullptr, 0, -1));
    EXPECT_FAILS(EBADF, ws_recvl(s, nullptr, nullptr, nullptr, -1));
    EXPECT_FAILS(EBADF, ws_done(s, 1000, nullptr, 0, -1));
    EXPECT_FAILS(EBADF, ws_detach(s, 1000, nullptr, 0, -1));
    EXPECT_FAILS(EBADF, ws_status(s, nullptr, nullptr, 0));
    EXPECT_FAILS(EBADF, msend(s, "x", 1, -1));
    EXPECT_FAILS(EBADF, mrecv(s, nullptr, 0, -1));
  }
}

// A length without memory, and lengths that were negative numbers, are the caller's mistake; nothing
// was sent. No length needs no memory.
TEST_P(WsDoneTest, BuffersAndLengths) {
  constexpr size_t kNegative = static_cast<size_t>(-1);
  EXPECT_FAILS(EINVAL, ws_send(ours_, WS_TEXT, nullptr, 1, -1));
  EXPECT_FAILS(EINVAL, ws_send(ours_, WS_TEXT, nullptr, kNegative, -1));
  EXPECT_FAILS(EINVAL, msend(ours_, nullptr, 1, -1));
  EXPECT_FAILS(EINVAL, ws_done(ours_, 1000, nullptr, kNegative, -1));
  EXPECT_FAILS(EMSGSIZE, ws_done(ours_, 1000, "x", kNegative, -1));
  EXPECT_FAILS(EMSGSIZE, ws_done(ours_, 1000, "x", SSIZE_MAX, -1));
  EXPECT_EQ(ws_send(ours_, WS_TEXT, nullptr, 0, -1), 0);
  ExpectText(theirs_, "");
  // Any message fits into no memory where its bytes are to be dropped.
  EXPECT_EQ(ws_send(ours_, WS_TEXT, "abc", 3, -1), 0);
  EXPECT_EQ(ws_recv(theirs_, nullptr, nullptr, kNegative, -1), 3);
  EXPECT_EQ(ws_send(ours_, WS_TEXT, "abc", 3, -1), 0);
  EXPECT_FAILS(EMSGSIZE, ws_recv(theirs_, nullptr, nullptr, 2, -1));
  EXPECT_EQ(ws_send(ours_, WS_TEXT, "abc", 3, -1), 0);
  char got[2];
  EXPECT_FAILS(EMSGSIZE, ws_recv(theirs_, nullptr, got, 0, -1));
  // A reason of no bytes is none, wherever it is.
  EXPECT_EQ(ws_done(ours_, 0, "x", 0, -1), 0);
  EXPECT_FAILS(EPIPE, ws_recv(theirs_, nullptr, got, 2, -1));
  int status = -1;
  EXPECT_EQ(ws_status(theirs_, &status, got, 2), 0);
  EXPECT_EQ(status, 0);
}

// "EPIPE: The connection was already half-closed." Receiving goes on.
TEST_P(WsDoneTest, Twice) {
  ASSERT_EQ(ws_done(ours_, 1000, "bye", 3, -1), 0);
  for (const int64_t deadline : {int64_t{-1}, int64_t{0}, now() + 1000}) {
    EXPECT_FAILS(EPIPE, ws_done(ours_, 1000, "bye", 3, deadline));
    EXPECT_FAILS(EPIPE, ws_done(ours_, 0, nullptr, 0, deadline));
    EXPECT_FAILS(EPIPE, ws_send(ours_, WS_TEXT, "x", 1, deadline));
    EXPECT_FAILS(EPIPE, msend(ours_, "x", 1, deadline));
  }
  ASSERT_EQ(ws_send(theirs_, WS_TEXT, "still here", 10, -1), 0);
  ExpectText(ours_, "still here");
  ASSERT_EQ(ws_done(theirs_, 4999, "me too", 6, -1), 0);
  EXPECT_FAILS(EPIPE, ws_done(theirs_, 1000, nullptr, 0, -1));
  EXPECT_FAILS(EPIPE, ws_recv(ours_, nullptr, nullptr, 0, -1));
  EXPECT_FAILS(EPIPE, ws_done(ours_, 1000, nullptr, 0, -1));
  int status = 0;
  char reason[6];
  EXPECT_EQ(ws_status(ours_, &status, reason, sizeof(reason)), 6);
  EXPECT_EQ(status, 4999);
}

// The other half is another coroutine's affair: one that receives is not disturbed.
TEST_P(WsDoneTest, WhileAnotherCoroutineReceives) {
  const std::function<void()> receive = [&] {
    ExpectText(ours_, "late");
    EXPECT_FAILS(EPIPE, ws_recv(ours_, nullptr, nullptr, 0, -1));
  };
  const int h = go(Make(&receive));
  ASSERT_EQ(ws_done(ours_, 1000, nullptr, 0, -1), 0);
  // A detach would receive.
  EXPECT_FAILS(EBUSY, ws_detach(ours_, 1000, nullptr, 0, -1));
  EXPECT_FAILS(EAGAIN, ws_status(ours_, nullptr, nullptr, 0));
  EXPECT_FAILS(EPIPE, ws_recv(theirs_, nullptr, nullptr, 0, -1));
  ASSERT_EQ(ws_send(theirs_, WS_TEXT, "late", 4, -1), 0);
  ASSERT_EQ(ws_done(theirs_, 1000, nullptr, 0, -1), 0);
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(hclose(h), 0);
}

// A detach that gives up closes everything, what is below too, and so does a second one; what the
// peer has sent until its Close is dropped by one that does not.
TEST_P(WsDoneTest, DetachAtOddTimes) {
  EXPECT_FAILS(ETIMEDOUT, ws_detach(ours_, 1000, nullptr, 0, 0));
  EXPECT_FAILS(EBADF, ws_detach(ours_, 1000, nullptr, 0, -1));
  EXPECT_FAILS(EBADF, hclose(ours_));
  ours_ = -1;
  EXPECT_FAILS(EPIPE, ws_recv(theirs_, nullptr, nullptr, 0, -1));
  EXPECT_EQ(hclose(theirs_), 0);

  const auto [a, b] = ConnectedHandles(GetParam());
  ours_ = ws_attach_client(a, WS_TEXT | WS_NOHTTP, nullptr, nullptr, -1);
  theirs_ = ws_attach_server(b, WS_TEXT | WS_NOHTTP, nullptr, 0, nullptr, 0, -1);
  ASSERT_EQ(ws_send(theirs_, WS_TEXT, "dropped", 7, -1), 0);
  ASSERT_EQ(ws_done(theirs_, 1000, nullptr, 0, -1), 0);
  const int below = ws_detach(ours_, 1000, nullptr, 0, -1);
  ASSERT_GT(below, 0);
  EXPECT_FAILS(EBADF, ws_detach(ours_, 1000, nullptr, 0, -1));
  EXPECT_FAILS(ENOTSUP, ws_detach(below, 1000, nullptr, 0, -1));
  EXPECT_FAILS(ENOTSUP, ws_done(below, 1000, nullptr, 0, -1));
  ours_ = below;
  // The other one does not wait any more: the Close has come.
  const int other = ws_detach(theirs_, 1000, nullptr, 0, -1);
  ASSERT_GT(other, 0);
  theirs_ = other;
  EXPECT_EQ(bsend(below, "raw", 3, -1), 0);
  char got[3];
  EXPECT_EQ(brecv(other, got, 3, -1), 0);
  EXPECT_EQ(std::string(got, 3), "raw");
}

// "ECANCELED": all of them, whatever their deadline, also where nothing would have to be waited for.
TEST_P(WsDoneTest, Cancelled) {
  const std::function<void()> cancelled = [&] {
    Runtime::Current().Cancel(Runtime::Current().current());
    for (const int64_t deadline : {int64_t{-1}, int64_t{0}, now() + 1000}) {
      EXPECT_FAILS(ECANCELED, ws_done(ours_, 1000, nullptr, 0, deadline));
      EXPECT_FAILS(ECANCELED, ws_send(ours_, WS_TEXT, "x", 1, deadline));
      EXPECT_FAILS(ECANCELED, ws_recv(ours_, nullptr, nullptr, 0, deadline));
    }
    // It never waits.
    EXPECT_FAILS(EAGAIN, ws_status(ours_, nullptr, nullptr, 0));
  };
  const int h = go(Make(&cancelled));
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(hclose(h), 0);
  ASSERT_EQ(ws_send(ours_, WS_TEXT, "fine", 4, -1), 0);
  ExpectText(theirs_, "fine");
}

}  // namespace
}  // namespace halfpipe::websocket
