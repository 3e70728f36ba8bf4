// Every system call, and every request for memory, behind prefix, suffix and term over a socket, or
// over a protocol of the user's, fails: what lacks something for a moment is made again and nothing
// is lost, what breaks says so on both sides, and nothing leaks.

#include <sys/types.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "bytestream/base/errno_status.h"
#include "bytestream/framing/prefix.h"
#include "bytestream/framing/suffix.h"
#include "bytestream/framing/term.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/iolist.h"
#include "bytestream/msocket.h"
#include "bytestream/net/net_test_support.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/allocation_faults.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/syscall_faults.h"
#include "bytestream/testing/user_protocol.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

// A result, or a negative errno.
ssize_t Outcome(ssize_t result) { return result >= 0 ? result : -errno; }

// The call, made again where the system lacked something for a moment.
ssize_t Insist(const std::function<ssize_t()>& call) {
  ssize_t outcome = Outcome(call());
  for (int i = 0; i < 3 && outcome < 0 && IsShortage(static_cast<int>(-outcome)); ++i) {
    outcome = Outcome(call());
  }
  return outcome;
}

enum class Kind { kPrefix, kSuffix, kTerm, kPrefixOverUsers };

int Attach(Kind kind, int s) {
  switch (kind) {
    case Kind::kPrefix:
      return prefix_attach(s, 4, 0);
    case Kind::kSuffix:
      return suffix_attach(s, "\r\n", 2);
    case Kind::kTerm: {
      const int below = suffix_attach(s, "\r\n", 2);
      return below < 0 ? below : term_attach(below, "end", 3);
    }
    default: {
      const int below = FlipAttach(s, nullptr);
      return below < 0 ? below : prefix_attach(below, 4, 0);
    }
  }
}

int Detach(Kind kind, int s) {
  switch (kind) {
    case Kind::kSuffix:
      return suffix_detach(s, -1);
    case Kind::kTerm: {
      const int below = term_detach(s, -1);
      return below < 0 ? below : suffix_detach(below, -1);
    }
    case Kind::kPrefix:
      return prefix_detach(s);
    default: {
      const int below = prefix_detach(s);
      return below < 0 ? below : FlipDetach(below);
    }
  }
}

constexpr int kMessages = 4;

std::string Message(int i) { return Pattern(i % 2 == 0 ? 20'000 : 10) + std::to_string(i); }

// What became of one side: how many messages it saw through, and the errno that stopped it.
struct Side {
  int messages = 0;
  ssize_t ended = 0;
};

coroutine void Sender(Kind kind, int s, Side* side) {
  s = Attach(kind, s);
  if (s < 0) {
    side->ended = -errno;
    return;
  }
  for (; side->messages < kMessages; ++side->messages) {
    const std::string text = Message(side->messages);
    side->ended = Insist([&] { return msend(s, text.data(), text.size(), -1); });
    if (side->ended < 0) break;
  }
  if (side->ended == 0) {
    side->ended = Outcome(Detach(kind, s));
    if (side->ended > 0) s = static_cast<int>(side->ended);
  }
  if (side->ended >= 0) side->ended = 0;
  if (hclose(s) != 0) {
    EXPECT_EQ(errno, EBADF);
  }
}

// Receives each message in a way of its own.
ssize_t ReceiveOne(int s, int i, std::string* got) {
  got->assign(Message(i).size(), '?');
  if (i < 2) return mrecv(s, got->data(), got->size(), -1);
  dill_iolist rest = {nullptr, SIZE_MAX, nullptr, 0};
  dill_iolist first = {got->data(), 5, &rest, 0};
  return mrecvl(s, &first, &rest, -1);
}

coroutine void Receiver(Kind kind, int s, Side* side) {
  s = Attach(kind, s);
  if (s < 0) {
    side->ended = -errno;
    return;
  }
  for (; side->messages < kMessages; ++side->messages) {
    std::string got;
    const int i = side->messages;
    side->ended = Insist([&] { return ReceiveOne(s, i, &got); });
    if (side->ended < 0) break;
    const std::string text = Message(i);
    EXPECT_EQ(side->ended, static_cast<ssize_t>(text.size()));
    EXPECT_TRUE(i < 2 ? got == text : got.substr(0, 5) == text.substr(0, 5)) << "message " << i;
  }
  if (side->ended >= 0) {
    side->ended = Outcome(Detach(kind, s));
    if (side->ended > 0) s = static_cast<int>(side->ended);
  }
  if (side->ended >= 0) side->ended = 0;
  if (hclose(s) != 0) {
    EXPECT_EQ(errno, EBADF);
  }
}

class FramingFaultTest : public testing::TestWithParam<Kind> {
 protected:
  template <typename Fault>
  void Run(Fault* fault, Side* sender, Side* receiver) {
    fault->set_armed(false);
    FdLeakCheck leaks;
    Runtime runtime;
    const std::array<int, 2> fds = ConnectedFds(Transport::kUnix);
    const int a = ipc_fromfd(fds[0]);
    const int b = ipc_fromfd(fds[1]);
    ASSERT_GT(a, 0);
    ASSERT_GT(b, 0);
    // Stacks are there, and the engine is not.
    const int h = bundle();
    ASSERT_EQ(bundle_go(h, Receiver(GetParam(), b, receiver)), 0);
    ASSERT_EQ(bundle_go(h,
                        [](Fault* f, Kind kind, int s, Side* side) {
                          f->set_armed(true);
                          Sender(kind, s, side);
                        }(fault, GetParam(), a, sender)),
              0);
    EXPECT_EQ(bundle_wait(h, -1), 0);
    fault->set_armed(false);
    EXPECT_EQ(hclose(h), 0);
    EXPECT_EQ(HandleTable::Current().live_count(), 0u);
    EXPECT_EQ(runtime.coroutine_count(), 0u);
    EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 0u);
  }

  static void ExpectAllWell(const Side& sender, const Side& receiver) {
    for (const Side* side : {&sender, &receiver}) {
      EXPECT_EQ(side->messages, kMessages);
      EXPECT_EQ(side->ended, 0);
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Kinds, FramingFaultTest,
                         testing::Values(Kind::kPrefix, Kind::kSuffix, Kind::kTerm,
                                         Kind::kPrefixOverUsers),
                         [](const testing::TestParamInfo<Kind>& info) {
                           return std::string(info.param == Kind::kPrefix   ? "Prefix"
                                              : info.param == Kind::kSuffix ? "Suffix"
                                              : info.param == Kind::kTerm   ? "Term"
                                                                            : "PrefixOverUsers");
                         });

TEST_P(FramingFaultTest, EverySystemCallFails) {
  const int calls = SweepSyscalls(SyscallSet(), [&](SyscallFault& fault) {
    Side sender;
    Side receiver;
    Run(&fault, &sender, &receiver);
    if (!fault.hit()) return ExpectAllWell(sender, receiver);
    // What arrived was sent.
    EXPECT_LE(receiver.messages, sender.messages + 1);
    const bool transfers = fault.call() == Syscall::kSendmsg || fault.call() == Syscall::kRecvmsg;
    if (transfers && !IsShortage(fault.error()) && fault.error() != EINTR) return;
    if (sender.ended == 0 && receiver.ended == 0) return ExpectAllWell(sender, receiver);
    // Where it was no transfer that failed, only a detach may have: it cannot be made again.
    EXPECT_EQ(receiver.messages, kMessages);
    EXPECT_EQ(sender.messages, kMessages);
  });
  EXPECT_GT(calls, 10);
}

TEST_P(FramingFaultTest, EveryRequestForMemoryFails) {
  SweepAllocations([&](AllocationFault& fault) {
    Side sender;
    Side receiver;
    Run(&fault, &sender, &receiver);
    if (!fault.hit()) return ExpectAllWell(sender, receiver);
    for (const Side* side : {&sender, &receiver}) {
      EXPECT_TRUE(side->ended == 0 || side->ended == -ENOMEM || side->ended == -ECONNRESET ||
                  side->ended == -EPIPE)
          << side->ended;
    }
  });
}

// No object, no handle: everything is closed.
TEST_P(FramingFaultTest, NoMemoryToAttach) {
  const int requests = SweepAllocations([&](AllocationFault& fault) {
    fault.set_armed(false);
    FdLeakCheck leaks;
    Runtime runtime;
    int s[2];
    ASSERT_EQ(ipc_pair(s), 0);
    fault.set_armed(true);
    const int h = static_cast<int>(Outcome(Attach(GetParam(), s[0])));
    fault.set_armed(false);
    if (fault.hit()) {
      EXPECT_EQ(h, -ENOMEM);
      EXPECT_EQ(Outcome(hclose(s[0])), -EBADF);
      EXPECT_EQ(Outcome(brecv(s[1], nullptr, 1, -1)), -EPIPE);
    } else {
      EXPECT_EQ(hclose(h), 0);
    }
    EXPECT_EQ(hclose(s[1]), 0);
    EXPECT_EQ(HandleTable::Current().live_count(), 0u);
  });
  EXPECT_GE(requests, GetParam() == Kind::kPrefix || GetParam() == Kind::kSuffix ? 1 : 2);
}

}  // namespace
}  // namespace halfpipe
