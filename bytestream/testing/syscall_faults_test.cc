#include "bytestream/testing/syscall_faults.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/listener.h"
#include "bytestream/net/tcp.h"
#include "bytestream/net/unix.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

constexpr int kFlags = SOCK_STREAM | SOCK_CLOEXEC;

// Each call, made from a test: it fails with what the hook says, and works without one.
TEST(SyscallFaultsTest, EveryCallCanFail) {
  FdLeakCheck leaks;
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, kFlags, 0, pair), 0);
  const int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  const int inet = socket(AF_INET, kFlags, 0);
  char byte = 'x';
  iovec piece = {&byte, 1};
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  sockaddr_storage address = {};
  address.ss_family = AF_INET;
  sockaddr* const name = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof(address);
  int value = 0;
  socklen_t value_size = sizeof(value);
  epoll_event event = {};
  pollfd state = {pair[0], POLLIN, 0};
  void* const page = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const std::vector<std::pair<Syscall, std::function<int64_t()>>> calls = {
      {Syscall::kSocket, [&] { return socket(AF_INET, kFlags, 0); }},
      {Syscall::kSocketpair, [&] { return socketpair(AF_UNIX, kFlags, 0, pair); }},
      {Syscall::kConnect, [&] { return connect(inet, name, size); }},
      {Syscall::kBind, [&] { return bind(inet, name, size); }},
      {Syscall::kListen, [&] { return listen(inet, 1); }},
      {Syscall::kAccept4, [&] { return accept4(inet, nullptr, nullptr, 0); }},
      {Syscall::kRecvmsg, [&] { return recvmsg(pair[0], &message, MSG_DONTWAIT); }},
      {Syscall::kSendmsg, [&] { return sendmsg(pair[0], &message, 0); }},
      {Syscall::kRecvfrom, [&] { return recv(pair[0], &byte, 1, MSG_DONTWAIT); }},
      {Syscall::kRecvfrom,
       [&] { return recvfrom(pair[0], &byte, 1, MSG_DONTWAIT, nullptr, nullptr); }},
      {Syscall::kSendto, [&] { return send(pair[0], &byte, 1, 0); }},
      {Syscall::kSendto, [&] { return sendto(pair[0], &byte, 1, 0, nullptr, 0); }},
      {Syscall::kSetsockopt,
       [&] { return setsockopt(inet, SOL_SOCKET, SO_REUSEADDR, &value, sizeof(value)); }},
      {Syscall::kGetsockopt,
       [&] { return getsockopt(inet, SOL_SOCKET, SO_TYPE, &value, &value_size); }},
      {Syscall::kGetsockname, [&] { return getsockname(inet, name, &size); }},
      {Syscall::kGetpeername, [&] { return getpeername(pair[0], name, &size); }},
      {Syscall::kShutdown, [&] { return shutdown(pair[0], SHUT_WR); }},
      {Syscall::kFcntl, [&] { return fcntl(pair[0], F_GETFL); }},
      {Syscall::kEpollCreate1, [&] { return epoll_create1(EPOLL_CLOEXEC); }},
      {Syscall::kEpollCtl, [&] { return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, pair[0], &event); }},
      {Syscall::kEpollWait, [&] { return epoll_wait(epoll_fd, &event, 1, 0); }},
      {Syscall::kEventfd, [&] { return eventfd(0, EFD_CLOEXEC); }},
      {Syscall::kPoll, [&] { return poll(&state, 1, 0); }},
      {Syscall::kRead, [&] { return read(inet, &byte, 1); }},
      {Syscall::kWrite, [&] { return write(pair[0], &byte, 1); }},
      {Syscall::kOpen, [&] { return open("/dev/null", O_RDONLY | O_CLOEXEC); }},
      {Syscall::kMmap,
       [&] {
         return reinterpret_cast<intptr_t>(
             mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
       }},
      {Syscall::kMadvise, [&] { return madvise(page, 4096, MADV_DONTNEED); }},
      {Syscall::kMprotect, [&] { return mprotect(page, 4096, PROT_READ); }},
  };
  for (const auto& [call, make] : calls) {
    SCOPED_TRACE(SyscallName(call));
    for (const int error : SyscallErrors(call)) {
      SyscallFault fault({call}, 0, error);
      if (call == Syscall::kConnect && (error == EINTR || error == EINPROGRESS)) continue;
      EXPECT_EQ(make(), -1);
      EXPECT_EQ(errno, error);
      EXPECT_TRUE(fault.hit());
    }
  }
  SyscallTrace trace;
  EXPECT_EQ(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
  EXPECT_NE(fcntl(pair[0], F_GETFL) & O_NONBLOCK, 0);
  EXPECT_THAT(trace.calls(), ElementsAre(Syscall::kFcntl, Syscall::kFcntl));
  EXPECT_EQ(munmap(page, 4096), 0);
  for (const int fd : {pair[0], pair[1], epoll_fd, inet}) EXPECT_EQ(close(fd), 0);
}

// What fails to close is closed all the same, as the system has it.
TEST(SyscallFaultsTest, CloseClosesAllTheSame) {
  FdLeakCheck leaks;
  const int fd = eventfd(0, EFD_CLOEXEC);
  SyscallFault fault({Syscall::kClose}, 0, EINTR);
  EXPECT_EQ(close(fd), -1);
  EXPECT_EQ(errno, EINTR);
  EXPECT_EQ(fcntl(fd, F_GETFD), -1);
}

TEST(SyscallFaultsTest, TheNthOfASet) {
  SyscallFault fault({Syscall::kPoll, Syscall::kFcntl}, 2, ENOMEM);
  EXPECT_EQ(poll(nullptr, 0, 0), 0);
  EXPECT_EQ(getsockopt(-1, 0, 0, nullptr, nullptr), -1);  // does not count
  EXPECT_EQ(poll(nullptr, 0, 0), 0);
  fault.set_armed(false);
  EXPECT_EQ(poll(nullptr, 0, 0), 0);
  fault.set_armed(true);
  EXPECT_FALSE(fault.reached());
  EXPECT_EQ(poll(nullptr, 0, 0), -1);
  EXPECT_TRUE(fault.hit());
  EXPECT_EQ(fault.call(), Syscall::kPoll);
  EXPECT_EQ(fault.error(), ENOMEM);
  EXPECT_EQ(poll(nullptr, 0, 0), 0);
  EXPECT_EQ(fault.count(), 1);
  fault.FailOn();
  EXPECT_EQ(poll(nullptr, 0, 0), -1);
  EXPECT_EQ(poll(nullptr, 0, 0), -1);
  EXPECT_EQ(fault.count(), 3);
}

// A hook is its thread's own.
TEST(SyscallFaultsTest, OtherThreadsAreLetBe) {
  SyscallFault fault({Syscall::kPoll}, 0, ENOMEM);
  std::thread([] {
    EXPECT_EQ(poll(nullptr, 0, 0), 0);
    SyscallTrace trace;
    EXPECT_EQ(poll(nullptr, 0, 0), 0);
    EXPECT_THAT(trace.calls(), ElementsAre(Syscall::kPoll));
  }).join();
  EXPECT_FALSE(fault.reached());
  EXPECT_EQ(poll(nullptr, 0, 0), -1);
}

TEST(SyscallFaultsTest, ShortTransfers) {
  FdLeakCheck leaks;
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, kFlags, 0, pair), 0);
  char text[] = "abcdef";
  iovec pieces[] = {{text, 0}, {text, 3}, {text + 3, 3}};
  msghdr message = {};
  message.msg_iov = pieces;
  message.msg_iovlen = 3;
  char in[6];
  {
    ShortTransfers transfers;
    EXPECT_EQ(sendmsg(pair[0], &message, 0), 1);
    EXPECT_EQ(send(pair[0], text + 1, 5, 0), 1);
    EXPECT_EQ(write(pair[0], text + 2, 4), 1);
    EXPECT_EQ(recvmsg(pair[1], &message, 0), 1);
    EXPECT_EQ(recv(pair[1], in, 6, 0), 1);
    EXPECT_EQ(transfers.count(), 5u);
  }
  EXPECT_EQ(read(pair[1], in, 6), 1);
  EXPECT_EQ(in[0], 'c');
  for (const int fd : pair) EXPECT_EQ(close(fd), 0);
}

TEST(SyscallFaultsTest, InterruptedOnceEach) {
  InterruptedCalls interrupted;
  EXPECT_EQ(poll(nullptr, 0, 0), -1);
  EXPECT_EQ(errno, EINTR);
  EXPECT_EQ(poll(nullptr, 0, 0), 0);
  EXPECT_EQ(poll(nullptr, 0, 0), -1);
  int value = 0;
  socklen_t size = sizeof(value);
  EXPECT_EQ(getsockopt(-1, SOL_SOCKET, SO_TYPE, &value, &size), -1);
  EXPECT_EQ(errno, EBADF);  // not a call that waits
  EXPECT_EQ(interrupted.count(), 2u);
}

// The proof that calls of our libraries, not only those of the test, come by.
TEST(SyscallFaultsTest, SeesWhatTheLibrariesCall) {
  SyscallTrace trace;
  {
    Runtime runtime;
    IpAddress address = *IpAddress::Parse("127.0.0.1", 0);
    const absl::StatusOr<int> listening = TcpListenFd(&address, TcpListenOptions());
    ASSERT_EQ(StatusErrno(listening.status()), 0);
    Listener listener(&runtime, *listening);
    FdStream client(&runtime, *TcpConnectFd(&runtime, address, Deadline::Never()));
    const absl::StatusOr<int> accepted = listener.Accept(Deadline::Never(), nullptr);
    ASSERT_EQ(StatusErrno(accepted.status()), 0);
    ASSERT_EQ(StatusErrno(PeerAddress(*accepted).status()), 0);
    ASSERT_EQ(StatusErrno(TcpAdoptFd(*accepted)), 0);
    FdStream server(&runtime, *accepted);
    Bundle bundle(&runtime);
    ASSERT_EQ(
        bundle.Start([&] { EXPECT_EQ(StatusErrno(server.Peek(1, Deadline::Never()).status()), 0); },
                     {}),
        0);
    const IoSlice slice("x");
    EXPECT_EQ(StatusErrno(client.Write(absl::MakeConstSpan(&slice, 1), false, Deadline::Never())),
              0);
    EXPECT_EQ(StatusErrno(client.Done(Deadline::Never())), 0);
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    const std::array<int, 2> pair = *UnixPairFds();
    for (const int fd : pair) EXPECT_EQ(close(fd), 0);
  }
  for (const Syscall call :
       {Syscall::kSocket,      Syscall::kSetsockopt, Syscall::kBind,         Syscall::kListen,
        Syscall::kGetsockname, Syscall::kConnect,    Syscall::kAccept4,      Syscall::kGetpeername,
        Syscall::kGetsockopt,  Syscall::kFcntl,      Syscall::kRecvmsg,      Syscall::kSendmsg,
        Syscall::kShutdown,    Syscall::kClose,      Syscall::kEpollCreate1, Syscall::kEventfd,
        Syscall::kEpollCtl,    Syscall::kEpollWait,  Syscall::kPoll,         Syscall::kSocketpair,
        Syscall::kMmap,        Syscall::kMadvise}) {
    EXPECT_THAT(trace.calls(), Contains(call)) << SyscallName(call);
  }
}

// A sweep makes each call fail with each of its errors, once, and ends.
TEST(SyscallFaultsTest, SweepComesByEverything) {
  std::vector<std::pair<Syscall, int>> seen;
  int runs = 0;
  const int calls = SweepSyscalls({Syscall::kShutdown, Syscall::kPoll}, [&](SyscallFault& fault) {
    ++runs;
    const int result = poll(nullptr, 0, 0);
    EXPECT_EQ(result, fault.hit() ? -1 : 0);
    static_cast<void>(shutdown(-1, SHUT_WR));
    if (fault.hit()) seen.emplace_back(fault.call(), fault.error());
  });
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(runs, 4);
  EXPECT_THAT(seen, ElementsAre(std::pair(Syscall::kPoll, EINTR), std::pair(Syscall::kPoll, ENOMEM),
                                std::pair(Syscall::kShutdown, ENOTCONN)));
}

TEST(SyscallErrorsTest, EveryCallHasErrorsAndNoneTwice) {
  for (int i = 0; i < kSyscallCount; ++i) {
    const Syscall call = static_cast<Syscall>(i);
    SCOPED_TRACE(SyscallName(call));
    const absl::Span<const int> errors = SyscallErrors(call);
    EXPECT_FALSE(errors.empty());
    for (size_t a = 0; a < errors.size(); ++a) {
      EXPECT_THAT(errors.subspan(a + 1), Not(Contains(errors[a])));
    }
  }
}

}  // namespace
}  // namespace halfpipe
