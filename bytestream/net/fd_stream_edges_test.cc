// A stream does not look again where its last receive has taken all there was: an edge is still to
// come. Here are the cases in which a receive that had room for more has not taken all.

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/buffer_pool.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/listener.h"
#include "bytestream/net/net_test_support.h"
#include "bytestream/net/tcp.h"
#include "bytestream/net/unix.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/syscall_errors.h"
#include "bytestream/testing/syscall_faults.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

class FdStreamEdgesTest : public testing::TestWithParam<bool> {
 protected:
  // TCP or a Unix socket.
  FdStreamEdgesTest() {
    if (!GetParam()) {
      const std::array<int, 2> fds = *UnixPairFds();
      stream_ = std::make_unique<FdStream>(&runtime_, fds[0]);
      peer_ = fds[1];
      return;
    }
    IpAddress address = IpAddress::Loopback(IpFamily::kIpv4, 0);
    Listener listener(&runtime_, *TcpListenFd(&address, TcpListenOptions()));
    peer_ = *TcpConnectFd(&runtime_, address, Deadline::Never());
    stream_ = std::make_unique<FdStream>(&runtime_, *listener.Accept(Deadline::Never()));
  }
  ~FdStreamEdgesTest() override { ClosePeer(); }

  void ClosePeer() {
    if (peer_ >= 0) close(peer_);
    peer_ = -1;
  }
  // Returns once it has arrived: on a busy machine the loopback interface is not the sender's work.
  void Send(const std::string& text, int flags = 0) {
    ASSERT_EQ(send(peer_, text.data(), text.size(), MSG_NOSIGNAL | flags),
              static_cast<ssize_t>(text.size()));
    ASSERT_TRUE(AwaitEvents(stream_->fd(), POLLIN));
  }
  // One receive, with room for more than comes, that may wait.
  std::string ReceiveSome() {
    uint8_t bytes[64];
    const absl::StatusOr<size_t> count =
        stream_->ReadSome(absl::MakeSpan(bytes), 1, Deadline::In(absl::Seconds(60)));
    if (!count.ok()) return "error";
    return std::string(reinterpret_cast<char*>(bytes), *count);
  }
  std::string Receive(size_t size) {
    std::string text(size, '?');
    const IoSpan span(text.data(), text.size());
    const absl::Status status =
        stream_->Read(absl::MakeConstSpan(&span, 1), Deadline::In(absl::Seconds(60)));
    return status.ok() ? text : "error";
  }
  // Waits once, and in vain, so that the descriptor is registered and known to be empty.
  void WaitInVain() {
    EXPECT_THAT(stream_->Peek(1, Deadline::In(absl::Milliseconds(1))), IsErrno(ETIMEDOUT));
  }
  // Has the engine take what the system has to tell.
  void Poll() { EXPECT_EQ(runtime_.SleepUntil(Deadline::In(absl::Milliseconds(2))), 0); }

  Runtime runtime_;
  std::unique_ptr<FdStream> stream_;
  int peer_ = -1;
};

TEST_P(FdStreamEdgesTest, WhatComesAfterAReceiveIsHeardOf) {
  for (const bool seen : {false, true}) {
    Send("abc");
    EXPECT_EQ(ReceiveSome(), "abc");
    Send("def");
    if (seen) Poll();
    EXPECT_EQ(ReceiveSome(), "def");
  }
}

// The edge of both is one, and is over when the bytes are received.
TEST_P(FdStreamEdgesTest, AnEndThatCameWithTheBytes) {
  WaitInVain();
  Send("abc");
  ASSERT_EQ(shutdown(peer_, SHUT_WR), 0);
  Poll();
  EXPECT_EQ(ReceiveSome(), "abc");
  EXPECT_EQ(ReceiveSome(), "");
}

TEST_P(FdStreamEdgesTest, AnEndThatCameWithTheBytesUnseen) {
  WaitInVain();
  Send("abc");
  ASSERT_EQ(shutdown(peer_, SHUT_WR), 0);
  EXPECT_EQ(ReceiveSome(), "abc");
  EXPECT_EQ(ReceiveSome(), "");
}

TEST_P(FdStreamEdgesTest, AResetAfterAReceive) {
  WaitInVain();
  Send("abc");
  EXPECT_EQ(ReceiveSome(), "abc");
  const linger at_once = {1, 0};
  ASSERT_EQ(setsockopt(peer_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
  ClosePeer();
  EXPECT_EQ(ReceiveSome(), GetParam() ? "error" : "");
}

// A receive stops in front of urgent data, which is not part of the stream, though more may follow.
TEST_P(FdStreamEdgesTest, UrgentDataDoesNotHideWhatFollows) {
  if (!GetParam()) GTEST_SKIP() << "not for Unix sockets";
  for (const bool seen : {false, true}) {
    WaitInVain();
    Send("abc");
    Send("!", MSG_OOB);
    Send("def");
    if (seen) Poll();
    EXPECT_EQ(Receive(6), "abcdef");
  }
}

// The same, received by a callback of the batch that has the event.
TEST_P(FdStreamEdgesTest, UrgentDataOfTheBatchAtHandDoesNotHideWhatFollows) {
  if (!GetParam()) GTEST_SKIP() << "not for Unix sockets";
  const std::array<int, 2> fds = *UnixPairFds();
  FdStream other(&runtime_, fds[0]);
  WaitInVain();
  int called = 0;
  other.WhenReadable([&] {
    EXPECT_EQ(ReceiveSome(), "abc");
    stream_->WhenReadable([&] { ++called; });
  });
  const char byte = 'x';
  ASSERT_EQ(send(fds[1], &byte, 1, MSG_NOSIGNAL), 1);
  Send("abc");
  Send("!", MSG_OOB);
  Send("def");
  for (int i = 0; i < 1000 && called == 0; ++i) Poll();
  EXPECT_EQ(called, 1);
  EXPECT_EQ(ReceiveSome(), "def");
  close(fds[1]);
}

// Each message of a Unix socket that carries descriptors is a receive of its own.
TEST_P(FdStreamEdgesTest, DescriptorsDoNotHideWhatFollows) {
  if (GetParam()) GTEST_SKIP() << "not for TCP";
  WaitInVain();
  for (const char* const text : {"abc", "def", "ghi"}) {
    ASSERT_EQ(SendDescriptor(peer_, text, peer_), 3);
  }
  Poll();
  EXPECT_EQ(Receive(9), "abcdefghi");
}

// An expired deadline gets what is there, although the stream has not heard of it.
TEST_P(FdStreamEdgesTest, AnExpiredDeadlineLooks) {
  const Deadline expired = Deadline::In(absl::Milliseconds(-5));
  for (const Deadline deadline : {Deadline::Immediately(), expired}) {
    Send("abc");
    EXPECT_EQ(ReceiveSome(), "abc");
    Send("def");
    EXPECT_THAT(stream_->Peek(3, deadline), IsOk());
    stream_->Consume(3);
    EXPECT_THAT(stream_->Peek(1, deadline), IsErrno(ETIMEDOUT));
  }
}

TEST_P(FdStreamEdgesTest, CallbackIsCalledForWhatCameMeanwhile) {
  for (const bool seen : {false, true}) {
    Send("abc");
    EXPECT_EQ(ReceiveSome(), "abc");
    Send("def");
    if (seen) Poll();
    int called = 0;
    stream_->WhenReadable([&] { ++called; });
    Poll();
    EXPECT_EQ(called, 1);
    EXPECT_EQ(ReceiveSome(), "def");
    stream_->WhenReadable([&] { ++called; });
    Poll();
    EXPECT_EQ(called, 1);
    stream_->WhenReadable({});
  }
}

// A receive that had no room for more has not seen the end of it.
TEST_P(FdStreamEdgesTest, WhatAFullReceiveLeavesIsHeardOf) {
  for (const bool seen : {false, true}) {
    WaitInVain();
    const size_t size = 3 * BufferPool::kBlockSize;
    Send(std::string(size, 'x'));
    if (seen) Poll();
    for (size_t left = size; left > 0;) {
      int called = 0;
      stream_->WhenReadable([&] { ++called; });
      for (int i = 0; i < 1000 && called == 0; ++i) Poll();
      ASSERT_EQ(called, 1) << left;
      const auto bytes = stream_->Peek(1, Deadline::Immediately());
      ASSERT_THAT(bytes, IsOk());
      left -= bytes->size();
      stream_->Consume(bytes->size());
    }
  }
}

// What all this is for: an answer without a coroutine takes a receive and a send, and what waits for
// all of them.
TEST_P(FdStreamEdgesTest, AnAnswerTakesNoOtherSystemCall) {
  int answers = 0;
  std::function<void()> answer = [&] {
    EXPECT_EQ(ReceiveSome(), "abc");
    const IoSlice slice("x");
    EXPECT_THAT(stream_->Write(absl::MakeConstSpan(&slice, 1), /*more=*/false, Deadline::Never()),
                IsOk());
    ++answers;
    stream_->WhenReadable([&] { answer(); });
  };
  stream_->WhenReadable([&] { answer(); });
  const auto rounds = [&](int count) {
    for (int round = 0; round < count; ++round) {
      const int before = answers;
      Send("abc");
      for (int i = 0; i < 1000 && answers == before; ++i) Poll();
      char byte;
      ASSERT_EQ(recv(peer_, &byte, 1, 0), 1);
    }
  };
  rounds(3);
  SyscallTrace trace;
  rounds(10);
  EXPECT_EQ(trace.Count(Syscall::kRecvmsg), 10u);
  EXPECT_EQ(trace.Count(Syscall::kSendmsg), 10u);
  EXPECT_EQ(trace.Count(Syscall::kEpollCtl), 0u);
  EXPECT_EQ(trace.epoll_changes(), 0u);
  EXPECT_EQ(trace.Count(Syscall::kPoll), 10u);  // ours
}

// A callback of the same batch has received already what the event tells of.
TEST_P(FdStreamEdgesTest, AnEventThatIsOutOfDateCallsNobody) {
  const std::array<int, 2> fds = *UnixPairFds();
  FdStream other(&runtime_, fds[0]);
  int called = 0;
  const auto receive_all = [this] {
    uint8_t bytes[64];
    static_cast<void>(stream_->ReadSome(absl::MakeSpan(bytes), 1, Deadline::Immediately()));
  };
  // Whichever comes first leaves nothing for the other.
  other.WhenReadable([&] {
    receive_all();
    stream_->WhenReadable([&] { ++called; });
  });
  stream_->WhenReadable([&] { receive_all(); });
  const char byte = 'x';
  ASSERT_EQ(send(fds[1], &byte, 1, MSG_NOSIGNAL), 1);
  Send("abc");
  Poll();
  Poll();
  EXPECT_EQ(called, 0);
  Send("def");
  Poll();
  EXPECT_EQ(called, 1);
  close(fds[1]);
}

// Both directions wait at once, and output is heard of again after it was not wanted.
TEST_P(FdStreamEdgesTest, OutputIsHeardOfWheneverItIsWaitedFor) {
  const std::string block(size_t{1} << 20, 'x');
  for (int round = 0; round < 3; ++round) {
    Bundle bundle(&runtime_);
    absl::Status sent;
    ASSERT_EQ(bundle.Start(
                  [&] {
                    for (int i = 0; i < 8; ++i) {
                      const IoSlice slice(block);
                      sent = stream_->Write(absl::MakeConstSpan(&slice, 1), /*more=*/false,
                                            Deadline::In(absl::Seconds(60)));
                      if (!sent.ok()) return;
                    }
                  },
                  {}),
              0);
    std::string received;
    ASSERT_EQ(bundle.Start([&] { received = ReceiveSome(); }, {}), 0);
    std::string buffer(block.size(), '?');
    for (size_t left = 8 * block.size(); left > 0;) {
      const ssize_t count = recv(peer_, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (count > 0) {
        left -= static_cast<size_t>(count);
      } else {
        ASSERT_EQ(errno, EAGAIN);
        Poll();
      }
    }
    Send("abc");
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    EXPECT_THAT(sent, IsOk());
    EXPECT_EQ(received, "abc");
    // The peer's reading of this tells that there is room, which nobody wants to know.
    const IoSlice slice("x");
    EXPECT_THAT(stream_->Write(absl::MakeConstSpan(&slice, 1), false, Deadline::Never()), IsOk());
    while (recv(peer_, buffer.data(), buffer.size(), MSG_DONTWAIT) < 0) Poll();
    Poll();
    SyscallTrace trace;
    Poll();
    EXPECT_LE(trace.epoll_changes(), 1u);  // it may be that late
  }
}

INSTANTIATE_TEST_SUITE_P(Sockets, FdStreamEdgesTest, testing::Bool(),
                         [](const testing::TestParamInfo<bool>& info) {
                           return info.param ? "Tcp" : "Unix";
                         });

}  // namespace
}  // namespace halfpipe
