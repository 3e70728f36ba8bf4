// Every system call behind the C calls for UDP fails with every errno that it can have: the caller
// gets what udp.h says, and the socket goes on.

#include <sys/socket.h>
#include <sys/types.h>

#include <cerrno>
#include <initializer_list>
#include <string>

#include "bytestream/handle/handle_table.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/allocation_faults.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/syscall_faults.h"
#include "bytestream/udp.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

// A result, or a negative errno.
int Outcome(ssize_t result) { return result >= 0 ? static_cast<int>(result) : -errno; }

bool Among(Syscall call, std::initializer_list<Syscall> calls) {
  for (const Syscall each : calls) {
    if (each == call) return true;
  }
  return false;
}

// What a call that makes a transfer has to give where the fault was hit in it, 0 for success.
int Expected(const SyscallFault& fault, Syscall transfer) {
  if (!fault.hit()) return 0;
  if (Among(fault.call(), {Syscall::kEpollCreate1, Syscall::kEventfd, Syscall::kEpollCtl})) {
    return fault.error() == ENODEV ? -ENOMEM : -fault.error();
  }
  if (fault.call() != transfer || fault.error() == EINTR) return 0;
  // The system's own timeout is not the deadline's.
  return fault.error() == ETIMEDOUT ? -ECONNRESET : -fault.error();
}

dill_ipaddr Loopback() {
  dill_ipaddr addr;
  EXPECT_EQ(ipaddr_local(&addr, "127.0.0.1", 0, 0), 0);
  return addr;
}

// A runtime, and nothing left behind.
class Surroundings {
 public:
  ~Surroundings() {
    EXPECT_EQ(HandleTable::Current().live_count(), 0u);
    EXPECT_EQ(runtime_.coroutine_count(), 0u);
    EXPECT_EQ(runtime_.buffer_pool().blocks_in_use(), 0u);
  }

 private:
  FdLeakCheck leaks_;
  Runtime runtime_;
};

// One socket that is connected to the other one.
struct Sockets {
  Sockets() {
    to = Loopback();
    receiver = udp_open(&to, nullptr);
    sender = udp_open(nullptr, &to);
    EXPECT_GT(receiver, 0);
    EXPECT_GT(sender, 0);
  }
  ~Sockets() {
    EXPECT_EQ(hclose(receiver), 0);
    EXPECT_EQ(hclose(sender), 0);
  }

  dill_ipaddr to;
  int receiver = -1;
  int sender = -1;
};

TEST(UdpFaultTest, Open) {
  for (const bool connected : {false, true}) {
    SweepSyscalls(SyscallSet(), [&](SyscallFault& fault) {
      fault.set_armed(false);
      const Surroundings around;
      dill_ipaddr local = Loopback();
      dill_ipaddr remote = Loopback();
      ipaddr_setport(&remote, 9);
      fault.set_armed(true);
      int s = Outcome(udp_open(&local, connected ? &remote : nullptr));
      fault.set_armed(false);
      const bool matters = fault.hit() && fault.error() != EINTR &&
                           Among(fault.call(), {Syscall::kSocket, Syscall::kBind, Syscall::kConnect,
                                                Syscall::kGetpeername});
      if (matters) {
        EXPECT_EQ(s, -fault.error());
      }
      if (s < 0) {
        // An address that is not told has another effect than one that cannot be had.
        EXPECT_TRUE(matters || fault.call() == Syscall::kGetsockname);
        EXPECT_EQ(s, -fault.error());
        EXPECT_EQ(ipaddr_port(&local), 0);
        s = udp_open(&local, connected ? &remote : nullptr);
      }
      ASSERT_GT(s, 0);
      EXPECT_NE(ipaddr_port(&local), 0);
      EXPECT_EQ(hclose(s), 0);
    });
  }
}

// The next datagram arrives, the one whose call failed does not.
TEST(UdpFaultTest, Send) {
  for (const bool to_address : {false, true}) {
    const int calls = SweepSyscalls(SyscallSet(), [&](SyscallFault& fault) {
      fault.set_armed(false);
      const Surroundings around;
      const Sockets sockets;
      fault.set_armed(true);
      const int result = Outcome(udp_send(to_address ? sockets.receiver : sockets.sender,
                                          to_address ? &sockets.to : nullptr, "one", 3));
      fault.set_armed(false);
      // What there is no room for is dropped, and that is no failure.
      const bool dropped = fault.hit() && fault.error() == ENOBUFS;
      EXPECT_EQ(result, dropped ? 0 : Expected(fault, Syscall::kSendmsg));
      EXPECT_EQ(udp_send(sockets.sender, nullptr, "three", 5), 0);
      char text[10];
      if (result == 0 && !dropped) {
        EXPECT_EQ(udp_recv(sockets.receiver, nullptr, text, sizeof(text), -1), 3);
      }
      EXPECT_EQ(udp_recv(sockets.receiver, nullptr, text, sizeof(text), -1), 5);
      EXPECT_EQ(std::string(text, 5), "three");
    });
    EXPECT_GE(calls, 1);
  }
}

coroutine void Receive(SyscallFault* fault, int s, bool skips, int* result) {
  char text[10];
  fault->set_armed(true);
  *result = Outcome(udp_recv(s, nullptr, skips ? nullptr : text, sizeof(text), -1));
  fault->set_armed(false);
}

// Nothing is lost: the next call has the datagram. With it there before, or coming during the wait;
// `skips` needs memory for what is dropped.
TEST(UdpFaultTest, Receive) {
  for (const bool late : {false, true}) {
    for (const bool skips : {false, true}) {
      const int calls = SweepSyscalls(SyscallSet(), [&](SyscallFault& fault) {
        fault.set_armed(false);
        const Surroundings around;
        const Sockets sockets;
        if (!late) {
          EXPECT_EQ(udp_send(sockets.sender, nullptr, "text", 4), 0);
        }
        constexpr int kPending = -1'000'000;
        int result = kPending;
        const int h = go(Receive(&fault, sockets.receiver, skips, &result));
        fault.set_armed(false);
        if (late) {
          EXPECT_EQ(udp_send(sockets.sender, nullptr, "text", 4), 0);
        }
        fault.set_armed(result == kPending);
        EXPECT_EQ(bundle_wait(h, -1), 0);
        fault.set_armed(false);
        EXPECT_EQ(hclose(h), 0);
        if (result == -ENOMEM && fault.call() == Syscall::kMmap) {
          EXPECT_TRUE(skips);
        } else {
          EXPECT_EQ(result < 0 ? result : 0, Expected(fault, Syscall::kRecvmsg));
        }
        if (result < 0) result = Outcome(udp_recv(sockets.receiver, nullptr, nullptr, 10, -1));
        EXPECT_EQ(result, 4);
        EXPECT_EQ(Outcome(udp_recv(sockets.receiver, nullptr, nullptr, 10, 0)), -ETIMEDOUT);
      });
      EXPECT_GE(calls, 1);
    }
  }
}

// Each errno that udp.h names and only a system in trouble gives.
TEST(UdpFaultTest, NamedErrnos) {
  const Surroundings around;
  const auto expect = [](Syscall call, std::initializer_list<int> errors, const auto& make) {
    for (const int error : errors) {
      SyscallFault fault({call}, 0, error);
      EXPECT_EQ(Outcome(make()), -error);
      EXPECT_TRUE(fault.hit());
    }
  };
  dill_ipaddr remote = Loopback();
  ipaddr_setport(&remote, 9);
  dill_udp_storage storage;
  const auto open = [&] {
    dill_ipaddr local = Loopback();
    return udp_open(&local, &remote);
  };
  const auto open_mem = [&] {
    dill_ipaddr local = Loopback();
    return udp_open_mem(&local, &remote, &storage);
  };
  for (const bool mem : {false, true}) {
    const auto make = [&] { return mem ? open_mem() : open(); };
    expect(Syscall::kSocket, {EMFILE, ENFILE, ENOMEM, ENOBUFS, EAFNOSUPPORT}, make);
    expect(Syscall::kBind, {EACCES, EADDRINUSE, EADDRNOTAVAIL}, make);
    expect(Syscall::kConnect, {ENETUNREACH, EHOSTUNREACH}, make);
    // A socket that does not know whom it is connected to would listen to everybody.
    expect(Syscall::kGetpeername, {ENOBUFS}, make);
  }
  const Sockets sockets;
  expect(Syscall::kSendmsg, {ENETUNREACH, EHOSTUNREACH, EACCES, EPERM, ENOMEM, ECONNREFUSED},
         [&] { return udp_send(sockets.sender, nullptr, "text", 4); });
  // No memory for a block to drop a datagram into: it stays.
  EXPECT_EQ(udp_send(sockets.sender, nullptr, "text", 4), 0);
  expect(Syscall::kMmap, {ENOMEM},
         [&] { return udp_recv(sockets.receiver, nullptr, nullptr, 10, -1); });
  expect(Syscall::kRecvmsg, {ENOMEM},
         [&] { return udp_recv(sockets.receiver, nullptr, nullptr, 10, -1); });
  EXPECT_EQ(udp_recv(sockets.receiver, nullptr, nullptr, 10, -1), 4);
}

TEST(UdpFaultTest, InterruptedAllTheTime) {
  InterruptedCalls interrupted;
  const Surroundings around;
  const Sockets sockets;
  char text[10];
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(udp_send(sockets.sender, nullptr, "text", 4), 0);
    EXPECT_EQ(udp_recv(sockets.receiver, nullptr, text, sizeof(text), -1), 4);
    EXPECT_EQ(Outcome(udp_recv(sockets.receiver, nullptr, text, sizeof(text), now() + 1)),
              -ETIMEDOUT);
  }
  EXPECT_GT(interrupted.count(), 20u);
}

TEST(UdpFaultTest, NoMemoryForTheObject) {
  const Surroundings around;
  const int requests = SweepAllocations([](AllocationFault& fault) {
    dill_ipaddr local = Loopback();
    int s = Outcome(udp_open(&local, nullptr));
    EXPECT_EQ(s < 0, fault.hit());
    if (s < 0) {
      EXPECT_EQ(s, -ENOMEM);
      s = udp_open(&local, nullptr);
    }
    EXPECT_GT(s, 0);
    EXPECT_EQ(hclose(s), 0);
  });
  // The object, and the first chunk of the table of handles.
  EXPECT_GE(requests, 1);
}

}  // namespace
}  // namespace halfpipe
