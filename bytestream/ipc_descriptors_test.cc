#include "bytestream/ipc_descriptors.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "bytestream/net/passed_descriptors.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/sockets_test_support.h"
#include "bytestream/testing/unique_name.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

constexpr int kMax = static_cast<int>(PassedDescriptors::kMax);

// Lowers the limit so that not one more descriptor can be opened, as long as it lives.
class NoMoreDescriptors {
 public:
  NoMoreDescriptors() {
    EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &before_), 0);
    const int lowest_free = dup(0);
    EXPECT_EQ(close(lowest_free), 0);
    const rlimit none = {static_cast<rlim_t>(lowest_free), before_.rlim_max};
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  }
  ~NoMoreDescriptors() { EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before_), 0); }

 private:
  rlimit before_;
};

class IpcDescriptorsTest : public CCallTest {
 protected:
  void SetUp() override {
    ASSERT_EQ(ipc_pair(s_), 0);
    ASSERT_EQ(pipe2(pipe_, O_CLOEXEC), 0);
  }
  void TearDown() override {
    for (const int h : s_) hclose(h);
    for (const int fd : pipe_) close(fd);
    CCallTest::TearDown();
  }

  void Send(const std::string& text) { EXPECT_EQ(bsend(s_[0], text.data(), text.size(), -1), 0); }
  void SendFd(int fd) { EXPECT_EQ(ipc_sendfd(s_[0], fd, -1), 0); }

  std::string Receive(size_t size) {
    std::string text(size, '?');
    EXPECT_EQ(brecv(s_[1], &text[0], size, -1), 0);
    return text;
  }

  // The next byte comes with the writing end of our pipe.
  void ExpectWriteEnd() {
    const int fd = ipc_recvfd(s_[1], -1);
    ASSERT_GE(fd, 0);
    EXPECT_NE(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_EQ(write(fd, "p", 1), 1);
    EXPECT_EQ(close(fd), 0);
    char byte = 0;
    EXPECT_EQ(read(pipe_[0], &byte, 1), 1);
    EXPECT_EQ(byte, 'p');
  }

  // Nobody holds the writing end of the pipe any more: neither we nor a queue.
  void ExpectPipeEnded() {
    EXPECT_EQ(close(pipe_[1]), 0);
    pipe_[1] = -1;
    ASSERT_EQ(fcntl(pipe_[0], F_SETFL, O_NONBLOCK), 0);
    char byte;
    EXPECT_EQ(read(pipe_[0], &byte, 1), 0) << errno;
  }

  // A message of a peer that passes `count` descriptors at once, by the system's own call.
  static void SendRaw(int fd, const std::string& text, int passed, int count) {
    iovec piece = {const_cast<char*>(text.data()), text.size()};
    std::vector<char> control(CMSG_SPACE(sizeof(int) * static_cast<size_t>(count)));
    msghdr message = {};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * static_cast<size_t>(count));
    const std::vector<int> fds(static_cast<size_t>(count), passed);
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
    ASSERT_EQ(sendmsg(fd, &message, MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }

  int s_[2];
  int pipe_[2];
};

TEST_F(IpcDescriptorsTest, PassesACopy) {
  SendFd(pipe_[1]);
  ExpectWriteEnd();
  EXPECT_EQ(fcntl(pipe_[1], F_GETFD), FD_CLOEXEC);
  ExpectPipeEnded();
}

// Whatever is read ahead: everything is here before the first receive.
TEST_F(IpcDescriptorsTest, KeepsItsPlaceAmongTheBytes) {
  SendFd(pipe_[1]);
  Send("abc");
  SendFd(pipe_[1]);
  SendFd(pipe_[1]);
  Send("de");
  SendFd(pipe_[1]);
  Send("f");
  ExpectWriteEnd();
  EXPECT_EQ(Receive(3), "abc");
  ExpectWriteEnd();
  ExpectWriteEnd();
  EXPECT_EQ(Receive(1), "d");
  EXPECT_EQ(Receive(1), "e");
  ExpectWriteEnd();
  EXPECT_EQ(Receive(1), "f");
}

TEST_F(IpcDescriptorsTest, PlaceWithoutADescriptor) {
  Send("ab");
  SendFd(pipe_[1]);
  EXPECT_FAILS(EPROTO, ipc_recvfd(s_[1], -1));
  EXPECT_EQ(Receive(1), "a");
  EXPECT_FAILS(EPROTO, ipc_recvfd(s_[1], -1));
  EXPECT_EQ(Receive(1), "b");
  ExpectWriteEnd();
}

// A descriptor whose byte went another way is not taken for the next one.
TEST_F(IpcDescriptorsTest, PassedOverIsClosed) {
  const int skips = 4;
  for (int i = 0; i < skips; ++i) SendFd(pipe_[1]);
  SendFd(pipe_[0]);
  Receive(1);
  EXPECT_EQ(brecv(s_[1], nullptr, 1, -1), 0);
  char bytes[2];
  dill_iolist second = {bytes, 1, nullptr, 0};
  dill_iolist first = {nullptr, 1, &second, 0};
  EXPECT_EQ(brecvl(s_[1], &first, &second, -1), 0);
  const int fd = ipc_recvfd(s_[1], -1);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(write(pipe_[1], "x", 1), 1);
  EXPECT_EQ(read(fd, bytes, 1), 1);  // the reading end, the others were closed
  EXPECT_EQ(close(fd), 0);
  ExpectPipeEnded();
}

// Bytes that go back behind an interrupted receive keep their descriptors.
TEST_F(IpcDescriptorsTest, InterruptedReceiveKeepsIt) {
  Send("ab");
  SendFd(pipe_[1]);
  Send("c");
  char buffer[10];
  EXPECT_FAILS(ETIMEDOUT, brecv(s_[1], buffer, sizeof(buffer), now() + 1));
  EXPECT_EQ(Receive(2), "ab");
  EXPECT_FAILS(ETIMEDOUT, brecv(s_[1], buffer, sizeof(buffer), 0));
  ExpectWriteEnd();
  EXPECT_EQ(Receive(1), "c");
}

TEST_F(IpcDescriptorsTest, SeveralWithOneByte) {
  int fds[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
  const int s = ipc_fromfd(fds[1]);
  SendRaw(fds[0], "x", pipe_[1], 3);
  ASSERT_EQ(write(fds[0], "y", 1), 1);
  std::set<int> got;
  for (int i = 0; i < 3; ++i) got.insert(ipc_recvfd(s, -1));
  EXPECT_EQ(got.size(), 3u);
  EXPECT_GE(*got.begin(), 0);
  for (const int fd : got) EXPECT_EQ(close(fd), 0);
  EXPECT_FAILS(EPROTO, ipc_recvfd(s, -1));
  char byte;
  EXPECT_EQ(brecv(s, &byte, 1, -1), 0);
  EXPECT_EQ(byte, 'y');
  EXPECT_EQ(hclose(s), 0);
  close(fds[0]);
}

// A message of several bytes has its descriptors at the last one.
TEST_F(IpcDescriptorsTest, LongerMessageOfAPeer) {
  int fds[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
  const int s = ipc_fromfd(fds[1]);
  ASSERT_EQ(write(fds[0], "ab", 2), 2);
  SendRaw(fds[0], "hello", pipe_[1], 1);
  ASSERT_EQ(write(fds[0], "z", 1), 1);
  char bytes[6];
  EXPECT_EQ(brecv(s, bytes, 6, -1), 0);
  EXPECT_EQ(std::string(bytes, 6), "abhell");
  const int fd = ipc_recvfd(s, -1);
  EXPECT_GE(fd, 0);
  close(fd);
  EXPECT_EQ(brecv(s, bytes, 1, -1), 0);
  EXPECT_EQ(bytes[0], 'z');
  EXPECT_EQ(hclose(s), 0);
  close(fds[0]);
}

// So many are read ahead by a receive that is interrupted; the one beyond is reported at its place.
TEST_F(IpcDescriptorsTest, AtMostSoManyWait) {
  for (const int count : {kMax - 1, kMax, kMax + 1}) {
    SCOPED_TRACE(count);
    for (int i = 0; i < count; ++i) SendFd(pipe_[1]);
    Send("z");
    char buffer[kMax + 10];
    EXPECT_FAILS(ETIMEDOUT, brecv(s_[1], buffer, sizeof(buffer), now() + 1));
    for (int i = 0; i < std::min(count, kMax); ++i) ExpectWriteEnd();
    if (count > kMax) {
      EXPECT_FAILS(EMSGSIZE, ipc_recvfd(s_[1], -1));
      EXPECT_FAILS(EMSGSIZE, ipc_recvfd(s_[1], -1));
      Receive(1);
    }
    EXPECT_FAILS(EPROTO, ipc_recvfd(s_[1], -1));
    EXPECT_EQ(Receive(1), "z");
  }
  SendFd(pipe_[1]);
  ExpectWriteEnd();
}

// One message with more descriptors than may wait: the rest is cut by the system.
TEST_F(IpcDescriptorsTest, MessageWithMoreThanMayWait) {
  for (const int count : {kMax - 1, kMax, kMax + 1, 253}) {
    SCOPED_TRACE(count);
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    const int s = ipc_fromfd(fds[1]);
    SendRaw(fds[0], "x", pipe_[1], count);
    ASSERT_EQ(write(fds[0], "y", 1), 1);
    for (int i = 0; i < std::min(count, kMax); ++i) {
      const int fd = ipc_recvfd(s, -1);
      EXPECT_GE(fd, 0);
      close(fd);
    }
    char bytes[2];
    if (count > kMax) {
      EXPECT_FAILS(EMSGSIZE, ipc_recvfd(s, -1));
      EXPECT_EQ(brecv(s, bytes, 1, -1), 0);
      EXPECT_EQ(bytes[0], 'x');
    }
    EXPECT_EQ(brecv(s, bytes, 1, -1), 0);
    EXPECT_EQ(bytes[0], 'y');
    EXPECT_EQ(hclose(s), 0);
    close(fds[0]);
  }
}

TEST_F(IpcDescriptorsTest, NoNumberFree) {
  EXPECT_FAILS(ETIMEDOUT, ipc_recvfd(s_[1], now() + 1));  // the engine has its own now
  SendFd(pipe_[1]);
  Send("a");
  SendFd(pipe_[1]);
  {
    NoMoreDescriptors none;
    EXPECT_FAILS(EMSGSIZE, ipc_recvfd(s_[1], -1));
  }
  EXPECT_FAILS(EMSGSIZE, ipc_recvfd(s_[1], -1));  // it is gone
  Receive(1);
  EXPECT_EQ(Receive(1), "a");
  ExpectWriteEnd();
}

TEST_F(IpcDescriptorsTest, WaitingOnesAreClosedWithTheConnection) {
  for (int i = 0; i < 3; ++i) SendFd(pipe_[1]);
  char buffer[10];
  EXPECT_FAILS(ETIMEDOUT, brecv(s_[1], buffer, sizeof(buffer), 0));
  const int owned = hown(s_[1]);
  ASSERT_GT(owned, 0);
  s_[1] = owned;
  ExpectWriteEnd();
  EXPECT_EQ(hclose(s_[1]), 0);
  ExpectPipeEnded();
}

// The orderly end drops what still comes, descriptors too, however many.
TEST_F(IpcDescriptorsTest, OrderlyEndClosesThem) {
  char buffer[10];
  SendFd(pipe_[1]);
  EXPECT_FAILS(ETIMEDOUT, brecv(s_[1], buffer, sizeof(buffer), 0));
  for (int i = 0; i < kMax + 10; ++i) SendFd(pipe_[1]);
  EXPECT_EQ(ipc_done(s_[0], -1), 0);
  EXPECT_EQ(ipc_close(s_[1], -1), 0);
  ExpectPipeEnded();
}

TEST_F(IpcDescriptorsTest, EndOfStream) {
  SendFd(pipe_[1]);
  EXPECT_EQ(ipc_done(s_[0], -1), 0);
  EXPECT_FAILS(EPIPE, ipc_sendfd(s_[0], pipe_[1], -1));
  ExpectWriteEnd();
  EXPECT_FAILS(EPIPE, ipc_recvfd(s_[1], -1));
  EXPECT_FAILS(EPIPE, ipc_recvfd(s_[1], -1));
}

TEST_F(IpcDescriptorsTest, PeerIsGone) {
  EXPECT_EQ(bsend(s_[1], "unread", 6, -1), 0);
  EXPECT_EQ(hclose(s_[0]), 0);
  EXPECT_FAILS(ECONNRESET, ipc_sendfd(s_[1], pipe_[1], -1));
  EXPECT_FAILS(ECONNRESET, ipc_sendfd(s_[1], pipe_[1], -1));
  EXPECT_FAILS(ECONNRESET, ipc_recvfd(s_[1], -1));
}

TEST_F(IpcDescriptorsTest, DescriptorsThatCannotBePassed) {
  const int closed = dup(pipe_[0]);
  close(closed);
  EXPECT_FAILS(EINVAL, ipc_sendfd(s_[0], closed, -1));
  EXPECT_FAILS(EINVAL, ipc_sendfd(s_[0], -1, -1));
  // Nothing has become of the connection.
  SendFd(pipe_[1]);
  ExpectWriteEnd();
}

TEST_F(IpcDescriptorsTest, OtherHandles) {
  dill_ipaddr address;
  ASSERT_EQ(ipaddr_local(&address, "127.0.0.1", 0, 0), 0);
  const int listener = tcp_listen(&address, 1);
  const int tcp = tcp_connect(&address, -1);
  const int ipc_listener = ipc_listen(UniqueName("@halfpipe/ipc_descriptors_test/").c_str(), 1);
  for (const int h : {listener, tcp, ipc_listener}) {
    EXPECT_FAILS(ENOTSUP, ipc_sendfd(h, pipe_[1], -1));
    EXPECT_FAILS(ENOTSUP, ipc_recvfd(h, -1));
    EXPECT_EQ(hclose(h), 0);
    EXPECT_FAILS(EBADF, ipc_sendfd(h, pipe_[1], -1));
    EXPECT_FAILS(EBADF, ipc_recvfd(h, -1));
  }
}

coroutine void ReceiveOne(int s, int* result) {
  *result = ipc_recvfd(s, -1);
  if (*result < 0) *result = -errno;
}

coroutine void SendOne(int s, int fd, int* result) {
  *result = ipc_sendfd(s, fd, -1) == 0 ? 0 : -errno;
}

TEST_F(IpcDescriptorsTest, BlockedReceiver) {
  int result = 0;
  const int h = go(ReceiveOne(s_[1], &result));
  EXPECT_FAILS(EBUSY, ipc_recvfd(s_[1], -1));
  char byte;
  EXPECT_FAILS(EBUSY, brecv(s_[1], &byte, 1, -1));
  SendFd(pipe_[1]);
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_GE(result, 0);
  close(result);
  EXPECT_EQ(hclose(h), 0);

  const int again = go(ReceiveOne(s_[1], &result));
  EXPECT_EQ(hclose(s_[1]), 0);
  EXPECT_EQ(bundle_wait(again, -1), 0);
  EXPECT_EQ(result, -EBADF);
  EXPECT_EQ(hclose(again), 0);
}

// Fills the connection until a sender has to wait; returns with how many bytes.
int Fill(int s) {
  int count = 0;
  while (bsend(s, "f", 1, 0) == 0) ++count;
  EXPECT_EQ(errno, ETIMEDOUT);
  return count;
}

TEST_F(IpcDescriptorsTest, BlockedSender) {
  Fill(s_[0]);
  EXPECT_FAILS(ETIMEDOUT, ipc_sendfd(s_[0], pipe_[1], 0));
  EXPECT_FAILS(ETIMEDOUT, ipc_sendfd(s_[0], pipe_[1], now() + 1));
  int result = 1;
  const int h = go(SendOne(s_[0], pipe_[1], &result));
  EXPECT_FAILS(EBUSY, ipc_sendfd(s_[0], pipe_[1], -1));
  EXPECT_FAILS(EBUSY, bsend(s_[0], "x", 1, -1));
  EXPECT_EQ(hclose(s_[0]), 0);
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(result, -EBADF);
  EXPECT_EQ(hclose(h), 0);
}

// What a peer sent before it passed a descriptor leaves before it, also what was left by an
// interrupted send.
TEST_F(IpcDescriptorsTest, WaitsBehindTheTail) {
  const std::string much(1 << 20, 'm');
  ASSERT_EQ(bsend(s_[0], much.data(), much.size(), now() + 1), 0);  // most of it is tail now
  EXPECT_FAILS(ETIMEDOUT, ipc_sendfd(s_[0], pipe_[1], 0));
  int result = 1;
  const int h = go(SendOne(s_[0], pipe_[1], &result));
  EXPECT_EQ(Receive(much.size()), much);
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(result, 0);
  EXPECT_EQ(hclose(h), 0);
  ExpectWriteEnd();
}

TEST_F(IpcDescriptorsTest, EveryWaitOfReceiving) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      const int h = go([](WaitFault* wait_fault, int s, int expected) {
        wait_fault->set_only(Runtime::Current().current());
        const int fd = ipc_recvfd(s, -1);
        if (wait_fault->hit()) {
          EXPECT_EQ(fd, -1);
          EXPECT_EQ(errno, expected);
        } else {
          EXPECT_GE(fd, 0);
          close(fd);
        }
      }(&fault, s_[1], error));
      SendFd(pipe_[1]);
      EXPECT_EQ(bundle_wait(h, -1), 0);
      EXPECT_EQ(hclose(h), 0);
      if (fault.hit()) ExpectWriteEnd();  // nothing was lost
    });
  }
}

TEST_F(IpcDescriptorsTest, EveryWaitOfSending) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      int s[2];
      ASSERT_EQ(ipc_pair(s), 0);
      const int filled = Fill(s[0]);
      int result = 1;
      const int h = go([](WaitFault* wait_fault, int sender, int passed, int* sent) {
        wait_fault->set_only(Runtime::Current().current());
        *sent = ipc_sendfd(sender, passed, -1) == 0 ? 0 : errno;
      }(&fault, s[0], pipe_[1], &result));
      for (int i = 0; i < filled; ++i) EXPECT_EQ(brecv(s[1], nullptr, 1, -1), 0);
      EXPECT_EQ(bundle_wait(h, -1), 0);
      EXPECT_EQ(hclose(h), 0);
      EXPECT_EQ(result, fault.hit() ? error : 0);
      EXPECT_EQ(ipc_done(s[0], -1), 0);
      const int fd = ipc_recvfd(s[1], -1);
      EXPECT_EQ(fd < 0 ? errno : 0, fault.hit() ? EPIPE : 0);
      if (fd >= 0) close(fd);
      for (const int end : s) EXPECT_EQ(hclose(end), 0);
    });
    EXPECT_GE(waits, 1);
  }
}

coroutine void EverythingCancelled(int s, int fd, bool* checked) {
  CancelSelf();
  EXPECT_FAILS(ECANCELED, ipc_sendfd(s, fd, -1));
  EXPECT_FAILS(ECANCELED, ipc_recvfd(s, -1));
  *checked = true;
}

TEST_F(IpcDescriptorsTest, CancelledCoroutine) {
  SendFd(pipe_[1]);
  bool checked = false;
  const int h = go(EverythingCancelled(s_[1], pipe_[1], &checked));
  EXPECT_TRUE(checked);
  EXPECT_EQ(hclose(h), 0);
  ExpectWriteEnd();
}

// With room for nothing more in the process's memory.
TEST_F(IpcDescriptorsTest, NoMemoryToReceive) {
  SendFd(pipe_[1]);
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_AS, &before), 0);
  const rlimit none = {1, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_AS, &none), 0);
  const int fd = ipc_recvfd(s_[1], -1);
  const int error = errno;
  ASSERT_EQ(setrlimit(RLIMIT_AS, &before), 0);
  EXPECT_EQ(fd, -1);
  EXPECT_EQ(error, ENOMEM);
  // Nothing was received, so nothing is lost.
  ExpectWriteEnd();
}

// The system counts what a user has under way, and refuses more than it lets a process open. Only
// those without privileges, which a thread can give up for itself.
TEST_F(IpcDescriptorsTest, TooManyUnderWay) {
  int sent = 0, error = 0;
  std::thread([&] {
    Runtime runtime;
    __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct nothing[2] = {};
    ASSERT_EQ(syscall(SYS_capset, &header, nothing), 0);
    int s[2];
    ASSERT_EQ(ipc_pair(s), 0);
    rlimit before;
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit few = {32, before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (ipc_sendfd(s[0], pipe_[1], 0) == 0) ++sent;
    error = errno;
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    // The connection is as it was.
    for (int i = 0; i < sent; ++i) {
      const int fd = ipc_recvfd(s[1], -1);
      EXPECT_GE(fd, 0);
      close(fd);
    }
    EXPECT_EQ(bsend(s[0], "x", 1, -1), 0);
    EXPECT_EQ(brecv(s[1], nullptr, 1, -1), 0);
    for (const int h : s) EXPECT_EQ(hclose(h), 0);
  }).join();
  EXPECT_EQ(error, ETOOMANYREFS);
}

}  // namespace
}  // namespace halfpipe
