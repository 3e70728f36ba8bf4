#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "bytestream/bytestream.h"
#include "bytestream/bytestream_handle.h"
#include "bytestream/handle/handle_type.h"
#include "bytestream/net/net_test_support.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/sockets_test_support.h"
#include "bytestream/stream_info.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

enum class Kind { kTcp, kIpc };

// Two connected handles.
class SocketsTest : public CCallTest, public testing::WithParamInterface<Kind> {
 protected:
  void SetUp() override {
    if (GetParam() == Kind::kIpc) {
      ASSERT_EQ(ipc_pair(s_), 0);
      return;
    }
    dill_ipaddr addr;
    ASSERT_EQ(ipaddr_local(&addr, "127.0.0.1", 0, 0), 0);
    const int listener = tcp_listen(&addr, 1);
    ASSERT_GT(listener, 0);
    s_[0] = tcp_connect(&addr, -1);
    ASSERT_GT(s_[0], 0);
    s_[1] = tcp_accept(listener, nullptr, -1);
    ASSERT_GT(s_[1], 0);
    EXPECT_EQ(hclose(listener), 0);
  }

  void TearDown() override {
    for (const int s : s_) hclose(s);
    CCallTest::TearDown();
  }

  bool tcp() const { return GetParam() == Kind::kTcp; }
  int Done(int s, int64_t deadline) {
    return tcp() ? tcp_done(s, deadline) : ipc_done(s, deadline);
  }
  int Close(int s, int64_t deadline) {
    return tcp() ? tcp_close(s, deadline) : ipc_close(s, deadline);
  }
  int OtherDone(int s) { return tcp() ? ipc_done(s, -1) : tcp_done(s, -1); }
  int OtherClose(int s) { return tcp() ? ipc_close(s, -1) : tcp_close(s, -1); }

  // Sends until nothing more goes without waiting and there is a tail; how many bytes that took.
  size_t Fill(int s) {
    // More than the system takes even when the peer's end has taken all that it does without being
    // read, which may be after this.
    const std::string block(499'999, 'f');
    const int small = 4096;
    if (tcp()) {
      EXPECT_EQ(setsockopt(stream_fd(s), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    }
    size_t sent = 0;
    while (bsend(s, block.data(), block.size(), 0) == 0) {
      sent += block.size();
      // What went beyond the system's buffers is a tail; behind it nothing is taken.
    }
    EXPECT_EQ(errno, ETIMEDOUT);
    return sent;
  }

  int s_[2] = {-1, -1};
};

INSTANTIATE_TEST_SUITE_P(Transports, SocketsTest, testing::Values(Kind::kTcp, Kind::kIpc),
                         [](const testing::TestParamInfo<Kind>& info) {
                           return info.param == Kind::kTcp ? "Tcp" : "Ipc";
                         });

TEST_P(SocketsTest, SendAndReceive) {
  EXPECT_EQ(bsend(s_[0], "hello", 5, -1), 0);
  char buffer[5];
  EXPECT_EQ(brecv(s_[1], buffer, 2, -1), 0);
  EXPECT_EQ(brecv(s_[1], buffer + 2, 3, -1), 0);
  EXPECT_EQ(std::string(buffer, 5), "hello");
  EXPECT_EQ(bsend(s_[1], "back", 4, -1), 0);
  EXPECT_EQ(brecv(s_[0], buffer, 4, -1), 0);
  EXPECT_EQ(std::string(buffer, 4), "back");
}

TEST_P(SocketsTest, NothingIsDoneAtOnce) {
  EXPECT_EQ(bsend(s_[0], nullptr, 0, 0), 0);
  EXPECT_EQ(brecv(s_[1], nullptr, 0, 0), 0);
  char byte;
  EXPECT_FAILS(ETIMEDOUT, brecv(s_[1], &byte, 1, 0));
}

TEST_P(SocketsTest, NullReceiveSkips) {
  EXPECT_EQ(bsend(s_[0], "0123456789", 10, -1), 0);
  char byte;
  EXPECT_EQ(brecv(s_[1], nullptr, 3, -1), 0);
  EXPECT_EQ(brecv(s_[1], &byte, 1, -1), 0);
  EXPECT_EQ(byte, '3');
}

TEST_P(SocketsTest, NullSendIsInvalid) {
  EXPECT_FAILS(EINVAL, bsend(s_[0], nullptr, 1, -1));
  dill_iolist piece = {nullptr, 1, nullptr, 0};
  EXPECT_FAILS(EINVAL, bsendl(s_[0], &piece, &piece, -1));
}

TEST_P(SocketsTest, Lists) {
  char a[] = "one";
  char b[] = "three";
  dill_iolist third = {b, 5, nullptr, 0};
  dill_iolist second = {nullptr, 0, &third, 0};
  dill_iolist first = {a, 3, &second, 0};
  EXPECT_EQ(bsendl(s_[0], &first, &third, -1), 0);
  char in[4];
  char last;
  dill_iolist end = {&last, 1, nullptr, 0};
  dill_iolist skip = {nullptr, 3, &end, 0};
  dill_iolist begin = {in, 4, &skip, 0};
  EXPECT_EQ(brecvl(s_[1], &begin, &end, -1), 0);
  EXPECT_EQ(std::string(in, 4), "onet");
  EXPECT_EQ(last, 'e');
  EXPECT_EQ(first.iol_rsvd + second.iol_rsvd + third.iol_rsvd, 0);
}

TEST_P(SocketsTest, LongLists) {
  std::vector<dill_iolist> out(100);
  std::string text(100, ' ');
  for (size_t i = 0; i < 100; ++i) {
    text[i] = static_cast<char>('0' + i % 10);
    out[i] = {&text[i], 1, i < 99 ? &out[i + 1] : nullptr, 0};
  }
  EXPECT_EQ(bsendl(s_[0], &out.front(), &out.back(), -1), 0);
  std::string received(100, ' ');
  std::vector<dill_iolist> in = out;
  for (size_t i = 0; i < 100; ++i) {
    in[i] = {&received[i], 1, i < 99 ? &in[i + 1] : nullptr, 0};
  }
  EXPECT_EQ(brecvl(s_[1], &in.front(), &in.back(), -1), 0);
  EXPECT_EQ(received, text);
}

TEST_P(SocketsTest, BadListsDoNothing) {
  char text[] = "ab";
  dill_iolist second = {text + 1, 1, nullptr, 0};
  dill_iolist first = {text, 1, &second, 0};
  EXPECT_FAILS(EINVAL, bsendl(s_[0], nullptr, nullptr, -1));
  EXPECT_FAILS(EINVAL, bsendl(s_[0], &first, nullptr, -1));
  EXPECT_FAILS(EINVAL, bsendl(s_[0], nullptr, &second, -1));
  EXPECT_FAILS(EINVAL, bsendl(s_[0], &first, &first, -1));
  EXPECT_FAILS(EINVAL, brecvl(s_[1], &first, &first, -1));
  EXPECT_FAILS(EINVAL, brecvl(s_[1], &first, nullptr, -1));
  EXPECT_FAILS(EINVAL, brecvl(s_[1], nullptr, &second, -1));
  second.iol_next = &first;
  EXPECT_FAILS(EINVAL, bsendl(s_[0], &first, &second, -1));
  EXPECT_FAILS(EINVAL, brecvl(s_[1], &first, &second, -1));
  EXPECT_EQ(first.iol_rsvd + second.iol_rsvd, 0);
  EXPECT_FAILS(ETIMEDOUT, brecv(s_[1], text, 1, 0));
}

TEST_P(SocketsTest, EndOfStream) {
  EXPECT_EQ(bsend(s_[0], "abc", 3, -1), 0);
  EXPECT_EQ(Done(s_[0], -1), 0);
  EXPECT_FAILS(EPIPE, Done(s_[0], -1));
  EXPECT_FAILS(EPIPE, bsend(s_[0], "d", 1, -1));
  char buffer[4];
  EXPECT_FAILS(EPIPE, brecv(s_[1], buffer, 4, -1));
  // What came before the end is there for a shorter call.
  EXPECT_EQ(brecv(s_[1], buffer, 3, -1), 0);
  EXPECT_EQ(std::string(buffer, 3), "abc");
  EXPECT_FAILS(EPIPE, brecv(s_[1], buffer, 1, -1));
  // The other direction goes on.
  EXPECT_EQ(bsend(s_[1], "xyz", 3, -1), 0);
  EXPECT_EQ(brecv(s_[0], buffer, 3, -1), 0);
  EXPECT_EQ(std::string(buffer, 3), "xyz");
}

TEST_P(SocketsTest, ReceiveListWithoutListDropsEverything) {
  const std::string text(100000, 'x');
  const int sender = go([](int s, const std::string& bytes) {
    EXPECT_EQ(bsend(s, bytes.data(), bytes.size(), -1), 0);
    EXPECT_TRUE(tcp_done(s, -1) == 0 || ipc_done(s, -1) == 0);
  }(s_[0], text));
  EXPECT_FAILS(EPIPE, brecvl(s_[1], nullptr, nullptr, -1));
  EXPECT_EQ(hclose(sender), 0);
}

TEST_P(SocketsTest, ReceiveListWithoutListTimesOut) {
  EXPECT_EQ(bsend(s_[0], "abc", 3, -1), 0);
  EXPECT_FAILS(ETIMEDOUT, brecvl(s_[1], nullptr, nullptr, 0));
}

TEST_P(SocketsTest, BrokenConnection) {
  // Unread input at the time of the close makes it a reset.
  EXPECT_EQ(bsend(s_[0], "unread", 6, -1), 0);
  EXPECT_EQ(fdclean(-1), 0);
  EXPECT_TRUE(AwaitEvents(stream_fd(s_[1]), POLLIN));
  EXPECT_EQ(hclose(s_[1]), 0);
  char byte;
  EXPECT_FAILS(ECONNRESET, brecv(s_[0], &byte, 1, -1));
  int result = 0;
  for (int i = 0; i < 100 && result == 0; ++i) result = bsend(s_[0], "x", 1, -1);
  EXPECT_EQ(errno, ECONNRESET);
  EXPECT_FAILS(ECONNRESET, bsend(s_[0], "x", 1, -1));
  EXPECT_FAILS(ECONNRESET, Close(s_[0], -1));
  EXPECT_FAILS(EBADF, Close(s_[0], -1));
}

coroutine void Receive(int s, size_t size, int* error) {
  std::vector<char> buffer(size);
  *error = brecv(s, buffer.data(), size, -1) == 0 ? 0 : errno;
}

coroutine void ReceiveAll(int s, int* error) {
  *error = brecvl(s, nullptr, nullptr, -1) == 0 ? 0 : errno;
}

coroutine void Send(int s, const std::string* bytes, int* error) {
  *error = bsend(s, bytes->data(), bytes->size(), -1) == 0 ? 0 : errno;
}

coroutine void End(bool tcp, bool done, int s, int* error) {
  const int result = done ? (tcp ? tcp_done(s, -1) : ipc_done(s, -1))
                          : (tcp ? tcp_close(s, -1) : ipc_close(s, -1));
  *error = result == 0 ? 0 : errno;
}

TEST_P(SocketsTest, OneReceiverAndOneSenderAtATime) {
  int received = -1;
  int sent = -1;
  const std::string bytes(100, 'x');
  size_t filled = Fill(s_[0]);
  const int receiver = go(Receive(s_[0], 1, &received));
  const int sender = go(Send(s_[0], &bytes, &sent));
  char byte;
  EXPECT_FAILS(EBUSY, brecv(s_[0], &byte, 1, -1));
  EXPECT_FAILS(EBUSY, brecvl(s_[0], nullptr, nullptr, -1));
  EXPECT_FAILS(EBUSY, bsend(s_[0], "y", 1, -1));
  EXPECT_FAILS(EBUSY, Done(s_[0], -1));
  EXPECT_FAILS(EBUSY, Close(s_[0], -1));
  EXPECT_FAILS(EBUSY, hown(s_[0]));
  HandleObject* object = nullptr;
  Bytestream* stream = nullptr;
  EXPECT_EQ(TakeBytestream(s_[0], &object, &stream), EBUSY);
  // Nothing of that disturbed them.
  EXPECT_EQ(brecv(s_[1], nullptr, filled + 100, -1), 0);
  EXPECT_EQ(bsend(s_[1], "z", 1, -1), 0);
  EXPECT_EQ(bundle_wait(receiver, -1), 0);
  EXPECT_EQ(bundle_wait(sender, -1), 0);
  EXPECT_EQ(received, 0);
  EXPECT_EQ(sent, 0);
  EXPECT_EQ(hclose(receiver), 0);
  EXPECT_EQ(hclose(sender), 0);
}

// Each call that can block, closed from outside while it does.
TEST_P(SocketsTest, ClosingUnderACallerIsEbadf) {
  for (int call = 0; call < 5; ++call) {
    SCOPED_TRACE(call);
    if (call > 0) {
      for (const int s : s_) hclose(s);
      SetUp();
    }
    int error = -1;
    const std::string bytes(100, 'x');
    int h = -1;
    if (call == 0) h = go(Receive(s_[0], 1, &error));
    if (call == 1) h = go(ReceiveAll(s_[0], &error));
    if (call >= 2) Fill(s_[0]);
    if (call == 2) h = go(Send(s_[0], &bytes, &error));
    if (call == 3) h = go(End(tcp(), /*done=*/true, s_[0], &error));
    if (call == 4) h = go(End(tcp(), /*done=*/false, s_[0], &error));
    EXPECT_EQ(error, -1);
    EXPECT_EQ(hclose(s_[0]), 0);
    EXPECT_EQ(bundle_wait(h, -1), 0);
    EXPECT_EQ(error, EBADF);
    EXPECT_EQ(hclose(h), 0);
    EXPECT_FAILS(EBADF, bsend(s_[0], "x", 1, 0));
  }
}

// An orderly end that waits for the peer's end.
TEST_P(SocketsTest, ClosingUnderAnOrderlyCloseIsEbadf) {
  int error = -1;
  const int h = go(End(tcp(), /*done=*/false, s_[0], &error));
  EXPECT_EQ(error, -1);
  EXPECT_FAILS(EPIPE, brecv(s_[1], nullptr, 1, -1));
  EXPECT_EQ(hclose(s_[0]), 0);
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(error, EBADF);
  EXPECT_EQ(hclose(h), 0);
}

TEST_P(SocketsTest, OrderlyCloseFromBothSides) {
  EXPECT_EQ(bsend(s_[1], "to be dropped", 13, -1), 0);
  int error = -1;
  const int h = go(End(tcp(), /*done=*/false, s_[0], &error));
  EXPECT_EQ(Close(s_[1], -1), 0);
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(error, 0);
  EXPECT_EQ(hclose(h), 0);
  EXPECT_FAILS(EBADF, Close(s_[0], -1));
  EXPECT_FAILS(EBADF, hclose(s_[1]));
}

TEST_P(SocketsTest, OrderlyCloseAfterDone) {
  EXPECT_EQ(Done(s_[0], -1), 0);
  EXPECT_EQ(Done(s_[1], -1), 0);
  EXPECT_EQ(Close(s_[0], -1), 0);
  EXPECT_EQ(Close(s_[1], -1), 0);
}

TEST_P(SocketsTest, OrderlyCloseThatTimesOutIsClosed) {
  EXPECT_FAILS(ETIMEDOUT, Close(s_[0], 0));
  EXPECT_FAILS(EBADF, hclose(s_[0]));
}

// What hclose() leaves unsent is a reset, never a clean end.
TEST_P(SocketsTest, HcloseWithATailIsNotACleanEnd) {
  size_t filled = Fill(s_[0]);
  EXPECT_EQ(hclose(s_[0]), 0);
  EXPECT_GT(filled, 0u);
  if (tcp()) {
    EXPECT_FAILS(ECONNRESET, brecvl(s_[1], nullptr, nullptr, -1));
  }
}

TEST_P(SocketsTest, HcloseIsACleanEndOtherwise) {
  EXPECT_EQ(bsend(s_[0], "ab", 2, -1), 0);
  EXPECT_EQ(hclose(s_[0]), 0);
  char buffer[2];
  EXPECT_EQ(brecv(s_[1], buffer, 2, -1), 0);
  EXPECT_FAILS(EPIPE, brecv(s_[1], buffer, 1, -1));
}

coroutine void EverythingCancelled(bool tcp, int s, int* checked) {
  CancelSelf();
  char byte = 0;
  dill_iolist piece = {&byte, 1, nullptr, 0};
  EXPECT_FAILS(ECANCELED, bsend(s, &byte, 1, 0));
  EXPECT_FAILS(ECANCELED, bsendl(s, &piece, &piece, 0));
  EXPECT_FAILS(ECANCELED, brecv(s, &byte, 1, 0));
  EXPECT_FAILS(ECANCELED, brecvl(s, &piece, &piece, 0));
  EXPECT_FAILS(ECANCELED, brecvl(s, nullptr, nullptr, 0));
  EXPECT_FAILS(ECANCELED, tcp ? tcp_done(s, 0) : ipc_done(s, 0));
  int pair[2];
  dill_ipc_pair_storage pair_storage;
  EXPECT_FAILS(ECANCELED, ipc_pair(pair));
  EXPECT_FAILS(ECANCELED, ipc_pair_mem(&pair_storage, pair));
  // Closing works, and cannot wait.
  EXPECT_FAILS(ECANCELED, tcp ? tcp_close(s, -1) : ipc_close(s, -1));
  EXPECT_FAILS(EBADF, hclose(s));
  *checked = 1;
}

TEST_P(SocketsTest, CancelledCoroutine) {
  int checked = 0;
  EXPECT_EQ(bsend(s_[1], "data", 4, -1), 0);
  const int h = go(EverythingCancelled(tcp(), s_[0], &checked));
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(checked, 1);
  EXPECT_EQ(hclose(h), 0);
}

TEST_P(SocketsTest, NotAHandle) {
  char byte = 0;
  dill_iolist piece = {&byte, 1, nullptr, 0};
  const int closed = s_[0];
  EXPECT_EQ(hclose(closed), 0);
  for (const int s : {closed, 0, -1, 1, INT32_MAX}) {
    EXPECT_FAILS(EBADF, bsend(s, &byte, 1, -1));
    EXPECT_FAILS(EBADF, bsend(s, nullptr, 1, -1));
    EXPECT_FAILS(EBADF, bsendl(s, &piece, &piece, -1));
    EXPECT_FAILS(EBADF, brecv(s, &byte, 1, -1));
    EXPECT_FAILS(EBADF, brecvl(s, &piece, &piece, -1));
    EXPECT_FAILS(EBADF, brecvl(s, nullptr, nullptr, -1));
    EXPECT_FAILS(EBADF, Done(s, -1));
    EXPECT_FAILS(EBADF, Close(s, -1));
    EXPECT_FAILS(EBADF, hclose(s));
    EXPECT_FAILS(EBADF, hown(s));
  }
}

TEST_P(SocketsTest, AnotherKindOfHandle) {
  const int b = bundle();
  char byte = 0;
  dill_iolist piece = {&byte, 1, nullptr, 0};
  EXPECT_FAILS(ENOTSUP, bsend(b, &byte, 1, -1));
  EXPECT_FAILS(ENOTSUP, bsend(b, nullptr, 1, -1));
  EXPECT_FAILS(ENOTSUP, bsendl(b, &piece, &piece, -1));
  EXPECT_FAILS(ENOTSUP, brecv(b, &byte, 1, -1));
  EXPECT_FAILS(ENOTSUP, brecvl(b, &piece, &piece, -1));
  EXPECT_FAILS(ENOTSUP, brecvl(b, nullptr, nullptr, -1));
  EXPECT_FAILS(ENOTSUP, Done(b, -1));
  EXPECT_FAILS(ENOTSUP, Close(b, -1));
  EXPECT_EQ(hclose(b), 0);
  EXPECT_FAILS(ENOTSUP, OtherDone(s_[0]));
  EXPECT_FAILS(ENOTSUP, OtherClose(s_[0]));
  // It stayed open.
  EXPECT_EQ(bsend(s_[0], "x", 1, -1), 0);
}

TEST_P(SocketsTest, AnotherThreadsHandle) {
#ifdef NDEBUG
  GTEST_SKIP() << "a chance of 1 in 2048 here";
#else
  std::thread([this] {
    int own[2];
    ASSERT_EQ(ipc_pair(own), 0);
    char byte = 0;
    EXPECT_FAILS(EBADF, bsend(s_[0], &byte, 1, 0));
    EXPECT_FAILS(EBADF, brecv(s_[0], &byte, 1, 0));
    EXPECT_FAILS(EBADF, hclose(s_[0]));
    EXPECT_FAILS(EBADF, Close(s_[0], 0));
    EXPECT_EQ(hclose(own[0]), 0);
    EXPECT_EQ(hclose(own[1]), 0);
  }).join();
  EXPECT_EQ(bsend(s_[0], "x", 1, -1), 0);
#endif
}

TEST_P(SocketsTest, HownMoves) {
  const int owned = hown(s_[0]);
  ASSERT_GT(owned, 0);
  EXPECT_NE(owned, s_[0]);
  EXPECT_FAILS(EBADF, bsend(s_[0], "x", 1, -1));
  EXPECT_EQ(bsend(owned, "x", 1, -1), 0);
  s_[0] = owned;
}

// Every wait of a send of 512 KiB and of its receive, ended: nothing is lost or doubled.
TEST_P(SocketsTest, EveryWaitOfATransferTimesOut) {
  const std::string bytes(512 * 1024, 'x');
  SweepWaits(&runtime_, ETIMEDOUT, [&](WaitFault& fault) {
    int sent = -1;
    fault.set_only(nullptr);
    const int sender = go(Send(s_[0], &bytes, &sent));
    std::vector<char> buffer(bytes.size());
    int result = 0;
    do {
      result = brecv(s_[1], buffer.data(), buffer.size(), -1);
      if (result != 0) {
        ASSERT_EQ(errno, ETIMEDOUT);
      }
      // A send that timed out before its first byte: nothing will come.
    } while (result != 0 && sent != ETIMEDOUT);
    EXPECT_EQ(result == 0, sent != ETIMEDOUT);
    if (result == 0) {
      EXPECT_EQ(std::string(buffer.data(), buffer.size()), bytes);
    }
    EXPECT_EQ(hclose(sender), 0);
    char none;
    EXPECT_FAILS(ETIMEDOUT, brecv(s_[1], &none, 1, 0));
  });
}

TEST_P(SocketsTest, SendAboveTheTailLimitResets) {
  size_t filled = 0;
  // First the system's buffers, by a send that will leave a tail.
  filled = Fill(s_[0]);
  EXPECT_GT(filled, 0u);
  EXPECT_EQ(brecv(s_[1], nullptr, filled, -1), 0);
  const std::string huge(16 << 20, 'x');
  EXPECT_FAILS(ECONNRESET, bsend(s_[0], huge.data(), huge.size(), 0));
  EXPECT_FAILS(ECONNRESET, bsend(s_[0], "x", 1, -1));
}

// A send that had to wait, and whose time runs out before its first byte, leaves no trace.
TEST_P(SocketsTest, TimedOutSendSendsNothing) {
  size_t filled = Fill(s_[0]);
  for (int timeouts = 0; timeouts < 10;) {
    // TCP may make room after all, as its buffers grow.
    if (bsend(s_[0], "lost", 4, now() + 1) == 0) {
      filled += 4;
      continue;
    }
    ASSERT_EQ(errno, ETIMEDOUT);
    ++timeouts;
  }
  EXPECT_EQ(brecv(s_[1], nullptr, filled, -1), 0);
  EXPECT_EQ(bsend(s_[0], "kept", 4, -1), 0);
  char buffer[4];
  EXPECT_EQ(brecv(s_[1], buffer, 4, -1), 0);
  EXPECT_EQ(std::string(buffer, 4), "kept");
}

TEST_P(SocketsTest, BytestreamIsTakenAndGivenBack) {
  EXPECT_EQ(bsend(s_[1], "abc", 3, -1), 0);
  char byte;
  EXPECT_EQ(brecv(s_[0], &byte, 1, -1), 0);
  HandleObject* object = nullptr;
  Bytestream* stream = nullptr;
  ASSERT_EQ(TakeBytestream(s_[0], &object, &stream), 0);
  EXPECT_FAILS(EBADF, brecv(s_[0], &byte, 1, -1));
  EXPECT_EQ(object->Query(&kBytestreamType), stream);
  s_[0] = MakeBytestreamHandle(object);
  ASSERT_GT(s_[0], 0);
  char rest[2];
  EXPECT_EQ(brecv(s_[0], rest, 2, -1), 0);
  EXPECT_EQ(std::string(rest, 2), "bc");
  ASSERT_EQ(TakeBytestream(s_[0], &object, &stream), 0);
  BytestreamPtr owned(stream);
  owned.reset();
  EXPECT_FAILS(EPIPE, brecv(s_[1], rest, 1, -1));
  EXPECT_EQ(TakeBytestream(s_[0], &object, &stream), EBADF);
  const int b = bundle();
  EXPECT_EQ(TakeBytestream(b, &object, &stream), ENOTSUP);
  CloseHandle(b);
  EXPECT_FAILS(EBADF, hclose(b));
}

coroutine void Spin(int s, int* turns) {
  char byte = 'x';
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(bsend(s, &byte, 1, -1), 0);
    ++*turns;
  }
}

// A coroutine that never has to wait lets others run after 64 operations at the latest.
TEST_P(SocketsTest, BusyCoroutineYields) {
  int turns = 0;
  const int h = go(Spin(s_[0], &turns));
  EXPECT_GT(turns, 0);
  EXPECT_LE(turns, 64);
  while (turns < 200) {
    const int before = turns;
    ASSERT_EQ(yield(), 0);
    ASSERT_LE(turns - before, 64);
  }
  EXPECT_EQ(hclose(h), 0);
}

class FdTest : public CCallTest {
 protected:
  void SetUp() override { ASSERT_EQ(pipe2(fds_, O_NONBLOCK | O_CLOEXEC), 0); }
  void TearDown() override {
    for (const int fd : fds_) close(fd);
    CCallTest::TearDown();
  }
  int fds_[2];
};

coroutine void WaitIn(int fd, int* error) { *error = fdin(fd, -1) == 0 ? 0 : errno; }
coroutine void WaitOut(int fd, int* error) { *error = fdout(fd, -1) == 0 ? 0 : errno; }

TEST_F(FdTest, ReadyNow) {
  EXPECT_FAILS(ETIMEDOUT, fdin(fds_[0], 0));
  EXPECT_EQ(fdout(fds_[1], 0), 0);
  EXPECT_EQ(write(fds_[1], "x", 1), 1);
  EXPECT_EQ(fdin(fds_[0], 0), 0);
  EXPECT_EQ(fdin(fds_[0], -1), 0);
}

TEST_F(FdTest, BecomesReady) {
  int error = -1;
  const int h = go(WaitIn(fds_[0], &error));
  EXPECT_EQ(error, -1);
  EXPECT_EQ(write(fds_[1], "x", 1), 1);
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(error, 0);
  EXPECT_EQ(hclose(h), 0);
}

TEST_F(FdTest, EndOfFileIsReady) {
  close(fds_[1]);
  fds_[1] = -1;
  EXPECT_EQ(fdin(fds_[0], -1), 0);
}

TEST_F(FdTest, TimesOut) {
  EXPECT_FAILS(ETIMEDOUT, fdin(fds_[0], now() + 1));
  EXPECT_EQ(write(fds_[1], "x", 1), 1);
  EXPECT_EQ(fdin(fds_[0], now() + 10000), 0);
}

TEST_F(FdTest, BadDescriptor) {
  for (const int fd : {-1, -7, 99999}) {
    EXPECT_FAILS(EBADF, fdin(fd, -1));
    EXPECT_FAILS(EBADF, fdout(fd, -1));
    EXPECT_EQ(fdclean(fd), 0);
  }
}

TEST_F(FdTest, OneWaiterEachWay) {
  int error = -1;
  const int h = go(WaitIn(fds_[0], &error));
  EXPECT_FAILS(EBUSY, fdin(fds_[0], -1));
  EXPECT_EQ(fdclean(fds_[0]), 0);
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(error, EBADF);
  EXPECT_EQ(hclose(h), 0);
  const std::string block(1 << 20, 'x');
  while (write(fds_[1], block.data(), block.size()) > 0) {
  }
  const int out = go(WaitOut(fds_[1], &error));
  EXPECT_FAILS(EBUSY, fdout(fds_[1], -1));
  EXPECT_EQ(hclose(out), 0);
  EXPECT_EQ(error, ECANCELED);
  EXPECT_FAILS(ETIMEDOUT, fdout(fds_[1], 0));
}

}  // namespace
}  // namespace halfpipe
