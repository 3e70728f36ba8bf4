// Sending datagrams when the system has no room for them. Over loopback it always has, so its call
// is put in place of here.

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/net_test_support.h"
#include "bytestream/net/udp.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"

namespace {

int refused_sends = 0;  // how many of the next ones
int refusal = EAGAIN;

}  // namespace

extern "C" ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  if (refused_sends > 0) {
    --refused_sends;
    errno = refusal;
    return -1;
  }
  return syscall(SYS_sendmsg, fd, message, flags);
}

namespace halfpipe {
namespace {

constexpr int kAlways = 1'000'000'000;

class UdpRoomTest : public testing::Test {
 protected:
  UdpRoomTest()
      : receiver_(&runtime_, *UdpOpenFd(&address_, nullptr, UdpOptions())),
        sender_(&runtime_, *UdpOpenFd(nullptr, &address_, UdpOptions())) {
    refusal = EAGAIN;
  }
  ~UdpRoomTest() override { refused_sends = 0; }

  int Send() { return StatusErrno(sender_.Send(nullptr, {&hello_, 1})); }
  int SendTo(Deadline deadline = Deadline::Never()) {
    return StatusErrno(sender_.SendTo(nullptr, {&hello_, 1}, deadline));
  }
  bool Arrives() { return AwaitEvents(receiver_.fd(), POLLIN) && Arrived(); }
  bool Arrived() { return receiver_.ReceiveFrom({}, nullptr, Deadline::Immediately()).ok(); }

  FdLeakCheck leaks_;
  Runtime runtime_;
  IpAddress address_ = IpAddress::Loopback(IpFamily::kIpv4, 0);
  UdpSocket receiver_;
  UdpSocket sender_;
  const IoSlice hello_{"hello"};
};

TEST_F(UdpRoomTest, WhatDoesNotFitIsDropped) {
  for (const int error : {EAGAIN, ENOBUFS}) {
    refusal = error;
    refused_sends = 1;
    EXPECT_EQ(Send(), 0);
    EXPECT_FALSE(Arrived());
  }
  EXPECT_EQ(Send(), 0);
  EXPECT_TRUE(Arrives());
}

TEST_F(UdpRoomTest, WaitsForRoom) {
  refused_sends = 1;
  EXPECT_EQ(SendTo(), 0);
  EXPECT_TRUE(Arrives());
}

TEST_F(UdpRoomTest, DeadlinePasses) {
  refused_sends = kAlways;
  EXPECT_EQ(SendTo(Deadline::Immediately()), ETIMEDOUT);
  EXPECT_EQ(SendTo(Deadline::In(absl::Milliseconds(1))), ETIMEDOUT);
  refused_sends = 0;
  EXPECT_FALSE(Arrived());
  EXPECT_FALSE(sender_.sender_busy());
}

TEST_F(UdpRoomTest, EndedWaitSendsNothing) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    refused_sends = kAlways;
    WaitFault fault(&runtime_, error, 0);
    int result = 0;
    Bundle bundle(&runtime_);
    ASSERT_TRUE(bundle
                    .Go([&] {
                      fault.set_only(runtime_.current());
                      result = SendTo();
                    })
                    .ok());
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    EXPECT_TRUE(fault.hit());
    EXPECT_EQ(result, error);
    refused_sends = 0;
    EXPECT_FALSE(Arrived());
  }
}

// What has become possible by the time a wait ends counts.
TEST_F(UdpRoomTest, LastAttemptCounts) {
  refused_sends = 1;
  WaitFault fault(&runtime_, ETIMEDOUT, 0);
  EXPECT_EQ(SendTo(), 0);
  EXPECT_TRUE(fault.hit());
  EXPECT_TRUE(Arrives());
}

// Who waits is the only one who does; those that do not wait are dropped, and Abort() ends it.
TEST_F(UdpRoomTest, WaitingSender) {
  refused_sends = kAlways;
  Bundle bundle(&runtime_);
  int result = -1;
  ASSERT_TRUE(bundle.Go([&] { result = SendTo(); }).ok());
  EXPECT_TRUE(sender_.sender_busy());
  EXPECT_EQ(SendTo(), EBUSY);
  EXPECT_EQ(Send(), 0);
  EXPECT_EQ(result, -1);
  sender_.Abort();
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(result, EBADF);
  EXPECT_FALSE(Arrived());
}

TEST_F(UdpRoomTest, OtherErrorsAreTold) {
  for (const int error : {ENOMEM, ENETUNREACH, EHOSTUNREACH, EACCES, EPERM}) {
    refusal = error;
    refused_sends = 1;
    EXPECT_EQ(Send(), error);
    refused_sends = 1;
    EXPECT_EQ(SendTo(), error);
    EXPECT_EQ(Send(), 0);
    EXPECT_TRUE(Arrives());
  }
}

}  // namespace
}  // namespace halfpipe
