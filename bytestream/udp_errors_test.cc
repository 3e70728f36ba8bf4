// Each errno of udp.h by each of the calls that are for lists and on storage of the caller, and what
// the system says of a network that a datagram did not pass.

#include <cerrno>
#include <cstdint>
#include <functional>
#include <string>

#include "bytestream/iolist.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/sockets_test_support.h"
#include "bytestream/testing/allocation_faults.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/full_table.h"
#include "bytestream/testing/syscall_faults.h"
#include "bytestream/udp.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

coroutine void Make(const std::function<void()>* function) { (*function)(); }

class UdpErrorsTest : public CCallTest {
 protected:
  void SetUp() override {
    ASSERT_EQ(ipaddr_local(&to_, "127.0.0.1", 0, 0), 0);
    receiver_ = udp_open(&to_, nullptr);
    sender_ = udp_open(nullptr, &to_);
    ASSERT_GT(receiver_, 0);
    ASSERT_GT(sender_, 0);
  }
  void TearDown() override {
    EXPECT_EQ(hclose(receiver_), 0);
    EXPECT_EQ(hclose(sender_), 0);
    CCallTest::TearDown();
  }

  // Both forms of either call, with `size` bytes.
  int64_t Send(bool list, size_t size = 4) {
    dill_iolist piece = {text_.data(), size, nullptr, 0};
    return list ? udp_sendl(sender_, nullptr, &piece, &piece)
                : udp_send(sender_, nullptr, text_.data(), size);
  }
  int64_t Receive(bool list, int64_t deadline, size_t size = 4, bool skips = false) {
    dill_iolist piece = {skips ? nullptr : got_, size, nullptr, 0};
    return list ? udp_recvl(receiver_, nullptr, &piece, &piece, deadline)
                : udp_recv(receiver_, nullptr, skips ? nullptr : got_, size, deadline);
  }

  dill_ipaddr to_;
  int receiver_ = -1;
  int sender_ = -1;
  std::string text_ = std::string(65'508, 'x');
  char got_[8];
};

TEST_F(UdpErrorsTest, Sending) {
  for (const bool list : {false, true}) {
    SCOPED_TRACE(list);
    EXPECT_FAILS(EMSGSIZE, Send(list, 65'508));
    for (const int error :
         {ECONNREFUSED, ENETUNREACH, EHOSTUNREACH, ENETDOWN, EACCES, EPERM, ENOMEM}) {
      SyscallFault fault({Syscall::kSendmsg}, 0, error);
      EXPECT_FAILS(error, Send(list));
      EXPECT_TRUE(fault.hit());
    }
    // The next one leaves.
    EXPECT_EQ(Send(list), 0);
    EXPECT_EQ(Receive(list, -1), 4);
  }
}

TEST_F(UdpErrorsTest, Receiving) {
  for (const bool list : {false, true}) {
    SCOPED_TRACE(list);
    EXPECT_FAILS(ETIMEDOUT, Receive(list, 0));
    const std::function<void()> waits = [&] { EXPECT_FAILS(ECANCELED, Receive(list, -1)); };
    const int h = go(Make(&waits));
    EXPECT_FAILS(EBUSY, Receive(list, -1));
    EXPECT_EQ(hclose(h), 0);
    EXPECT_EQ(Send(list, 5), 0);
    EXPECT_FAILS(EMSGSIZE, Receive(list, -1));
    EXPECT_EQ(Send(list), 0);
    for (const int error : {ECONNREFUSED, ENETUNREACH, EHOSTUNREACH, ENETDOWN, ENOMEM, ENOBUFS}) {
      SyscallFault fault({Syscall::kRecvmsg}, 0, error);
      EXPECT_FAILS(error, Receive(list, -1));
      EXPECT_TRUE(fault.hit());
    }
    {
      // What is skipped has to go somewhere.
      SyscallFault fault({Syscall::kMmap}, 0, ENOMEM);
      fault.FailOn();
      EXPECT_FAILS(ENOMEM, Receive(list, -1, 4, /*skips=*/true));
      EXPECT_TRUE(fault.hit());
    }
    EXPECT_EQ(Receive(list, -1), 4);
  }
}

// In a runtime each that has waited for nothing yet.
TEST(UdpWaitingErrorsTest, NothingToWaitWith) {
  for (const bool list : {false, true}) {
    for (const int error : {EMFILE, ENFILE, ENOMEM, ENOSPC}) {
      FdLeakCheck leaks;
      Runtime runtime;
      dill_ipaddr addr;
      ASSERT_EQ(ipaddr_local(&addr, "127.0.0.1", 0, 0), 0);
      const int s = udp_open(&addr, nullptr);
      char byte;
      dill_iolist piece = {&byte, 1, nullptr, 0};
      SyscallFault fault({error == ENOSPC ? Syscall::kEpollCtl : Syscall::kEpollCreate1}, 0, error);
      EXPECT_FAILS(error, list ? udp_recvl(s, nullptr, &piece, &piece, -1)
                               : udp_recv(s, nullptr, &byte, 1, -1));
      EXPECT_TRUE(fault.hit());
      EXPECT_EQ(udp_send(s, &addr, "x", 1), 0);
      EXPECT_EQ(udp_recv(s, nullptr, &byte, 1, -1), 1);
      EXPECT_EQ(hclose(s), 0);
    }
  }
}

// On storage of the caller only the table of handles may want memory.
TEST_F(UdpErrorsTest, Opening) {
  dill_udp_storage storage;
  for (const bool mem : {false, true}) {
    const auto open = [&] {
      dill_ipaddr local;
      EXPECT_EQ(ipaddr_local(&local, "127.0.0.1", 0, 0), 0);
      return mem ? udp_open_mem(&local, &to_, &storage) : udp_open(&local, &to_);
    };
    for (const int error : {EPERM, EACCES}) {
      SyscallFault fault({Syscall::kBind}, 0, error);
      EXPECT_FAILS(error, open());
      EXPECT_TRUE(fault.hit());
    }
    for (const int error : {ENETDOWN, EPERM, EACCES, EADDRNOTAVAIL}) {
      SyscallFault fault({Syscall::kConnect}, 0, error);
      EXPECT_FAILS(error, open());
      EXPECT_TRUE(fault.hit());
    }
  }
  const FullTable full;
  AllocationFault fault(0);
  EXPECT_FAILS(ENOMEM, udp_open_mem(nullptr, &to_, &storage));
  EXPECT_TRUE(fault.hit());
}

}  // namespace
}  // namespace halfpipe
