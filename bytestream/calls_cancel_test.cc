// A coroutine ends at every wait of the calls for messages, datagrams, descriptors, channels, names
// and bundles: its bundle is closed while it waits there, or the wait is cancelled or times out under
// it. Nothing leaks, and whoever makes the call next finds everything. (For bytestreams and
// connections see sockets_cancel_test.cc.)

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "bytestream/channels.h"
#include "bytestream/framing/prefix.h"
#include "bytestream/framing/suffix.h"
#include "bytestream/framing/term.h"
#include "bytestream/ipc_descriptors.h"
#include "bytestream/msocket.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/runtime_resolver.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/ended_call.h"
#include "bytestream/testing/ended_call_sweep.h"
#include "bytestream/testing/fake_resolver.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/wait_sweep.h"
#include "bytestream/udp.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

// A result, or a negative errno.
int Outcome(ssize_t result) { return result >= 0 ? static_cast<int>(result) : -errno; }

class CallsCancelTest : public testing::TestWithParam<End> {
 protected:
  int Sweep(const std::function<void(EndedCall*)>& scenario) {
    return SweepEndedCalls(GetParam(), scenario);
  }

  // What the call came to: `expected`, or (only if it was ended) the errno of that.
  void ExpectEnded(const EndedCall& call, int result, int expected) {
    EXPECT_TRUE(result == expected || (call.hit() && result == -ErrorOf(GetParam()))) << result;
  }

  // Makes `call` again, with nothing in its way, until it has come to its end.
  int Again(
      const std::function<int()>& call, const std::function<void()>& step = [] {}) {
    EndedCall next(&Runtime::Current(), End::kTimedOut, kSweepWaitsMax);
    next.Begin(call);
    return next.Finish(step);
  }
};

INSTANTIATE_TEST_SUITE_P(Ends, CallsCancelTest,
                         testing::Values(End::kClosed, End::kCancelled, End::kTimedOut),
                         [](const testing::TestParamInfo<End>& info) {
                           return std::string(info.param == End::kClosed      ? "Closed"
                                              : info.param == End::kCancelled ? "Cancelled"
                                                                              : "TimedOut");
                         });

TEST_P(CallsCancelTest, UdpReceive) {
  for (const bool skips : {false, true}) {
    const int waits = Sweep([&](EndedCall* call) {
      dill_ipaddr addr;
      ASSERT_EQ(ipaddr_local(&addr, "127.0.0.1", 0, 0), 0);
      const int receiver = udp_open(&addr, nullptr);
      const int sender = udp_open(nullptr, &addr);
      char text[10];
      const auto receive = [&] {
        return Outcome(udp_recv(receiver, nullptr, skips ? nullptr : text, sizeof(text), -1));
      };
      int turns = 0;
      const auto send = [&] {
        if (++turns == 3) {
          EXPECT_EQ(udp_send(sender, nullptr, "abc", 3), 0);
        }
      };
      call->Begin(receive);
      const int result = call->Finish(send);
      ExpectEnded(*call, result, 3);
      if (result < 0) {
        EXPECT_EQ(Again(receive, send), 3);
      }
      EXPECT_EQ(Outcome(udp_recv(receiver, nullptr, text, sizeof(text), 0)), -ETIMEDOUT);
      for (const int h : {receiver, sender}) EXPECT_EQ(hclose(h), 0);
    });
    EXPECT_EQ(waits, 1);
  }
}

TEST_P(CallsCancelTest, ReceiveADescriptor) {
  const int waits = Sweep([&](EndedCall* call) {
    int s[2];
    ASSERT_EQ(ipc_pair(s), 0);
    int pipe[2];
    ASSERT_EQ(pipe2(pipe, O_CLOEXEC), 0);
    const auto receive = [&] { return Outcome(ipc_recvfd(s[1], -1)); };
    int turns = 0;
    const auto send = [&] {
      if (++turns == 3) {
        EXPECT_EQ(ipc_sendfd(s[0], pipe[1], -1), 0);
      }
    };
    call->Begin(receive);
    int fd = call->Finish(send);
    if (fd < 0) {
      ExpectEnded(*call, fd, 0);
      fd = Again(receive, send);
    }
    ASSERT_GE(fd, 0);
    EXPECT_EQ(Outcome(ipc_recvfd(s[1], 0)), -ETIMEDOUT);
    EXPECT_EQ(close(fd), 0);
    for (const int each : pipe) EXPECT_EQ(close(each), 0);
    for (const int h : s) EXPECT_EQ(hclose(h), 0);
  });
  EXPECT_GE(waits, 1);
}

// Behind bytes that the peer does not take yet.
TEST_P(CallsCancelTest, SendADescriptor) {
  const std::string block(300'000, 'x');
  const int waits = Sweep([&](EndedCall* call) {
    int s[2];
    ASSERT_EQ(ipc_pair(s), 0);
    ASSERT_EQ(bsend(s[0], block.data(), block.size(), 0), 0);
    int pipe[2];
    ASSERT_EQ(pipe2(pipe, O_CLOEXEC), 0);
    const auto send = [&] { return Outcome(ipc_sendfd(s[0], pipe[1], -1)); };
    size_t taken = 0;
    const auto take = [&] {
      if (taken < block.size() && brecv(s[1], nullptr, 10'000, 0) == 0) taken += 10'000;
    };
    call->Begin(send);
    const int result = call->Finish(take);
    ExpectEnded(*call, result, 0);
    if (result < 0) {
      EXPECT_EQ(Again(send, take), 0);
    }
    const size_t rest = block.size() - taken;
    EXPECT_EQ(Again([&] { return Outcome(brecv(s[1], nullptr, rest, -1)); }), 0);
    // Once, whatever happened.
    const int fd = Again([&] { return Outcome(ipc_recvfd(s[1], -1)); });
    ASSERT_GE(fd, 0);
    EXPECT_EQ(Outcome(ipc_recvfd(s[1], 0)), -ETIMEDOUT);
    EXPECT_EQ(close(fd), 0);
    for (const int each : pipe) EXPECT_EQ(close(each), 0);
    for (const int h : s) EXPECT_EQ(hclose(h), 0);
  });
  EXPECT_GE(waits, 1);
}

// ---- Framing -----------------------------------------------------------------------------------

using Attach = int (*)(int s);

int AttachPrefix(int s) { return prefix_attach(s, 4, 0); }
int AttachSuffix(int s) { return suffix_attach(s, "\r\n", 2); }
int AttachTerm(int s) { return term_attach(prefix_attach(s, 4, 0), "end", 3); }
constexpr Attach kAttaches[] = {&AttachPrefix, &AttachSuffix, &AttachTerm};

// A message that comes in pieces is received whole by whoever asks last, and so is the next one.
TEST_P(CallsCancelTest, ReceiveAMessage) {
  const std::string text(20'000, 'm');
  const std::string small = "next";
  for (const Attach attach : kAttaches) {
    for (const bool discards : {false, true}) {
      const int waits = Sweep([&](EndedCall* call) {
        int wire[2];
        ASSERT_EQ(ipc_pair(wire), 0);
        // What the peer's side sends is recorded first, to be handed on in pieces.
        int recorded[2];
        ASSERT_EQ(ipc_pair(recorded), 0);
        const int sender = attach(recorded[0]);
        ASSERT_EQ(msend(sender, text.data(), text.size(), -1), 0);
        ASSERT_EQ(msend(sender, small.data(), small.size(), -1), 0);
        const size_t total = text.size() + small.size() + (attach == &AttachSuffix ? 4 : 8);
        std::string bytes(total, '\0');
        ASSERT_EQ(brecv(recorded[1], bytes.data(), bytes.size(), -1), 0);
        const int s = attach(wire[1]);
        std::string got(text.size(), '?');
        const auto receive = [&] {
          return Outcome(discards ? mrecvl(s, nullptr, nullptr, -1)
                                  : mrecv(s, got.data(), got.size(), -1));
        };
        size_t sent = 0;
        int turns = 0;
        const auto hand_on = [&] {
          // Seldom enough that the receiver hears of each piece: the system is asked for news every
          // 64 turns.
          if (++turns % 80 != 1) return;
          const size_t count = std::min<size_t>(3'000, bytes.size() - sent);
          if (count == 0) return;
          ASSERT_EQ(bsend(wire[0], bytes.data() + sent, count, -1), 0);
          sent += count;
        };
        call->Begin(receive);
        const int result = call->Finish(hand_on);
        ExpectEnded(*call, result, static_cast<int>(text.size()));
        if (result < 0) {
          got.assign(got.size(), '?');
          EXPECT_EQ(Again(receive, hand_on), static_cast<int>(text.size()));
        }
        if (!discards) {
          EXPECT_TRUE(got == text);
        }
        char buffer[10];
        EXPECT_EQ(Again([&] { return Outcome(mrecv(s, buffer, sizeof(buffer), -1)); }, hand_on),
                  static_cast<int>(small.size()));
        for (const int h : {sender, recorded[1], s, wire[0]}) EXPECT_EQ(hclose(h), 0);
      });
      EXPECT_GE(waits, 2);
    }
  }
}

// A message arrives whole or not at all, and the next one after it.
TEST_P(CallsCancelTest, SendAMessage) {
  const std::string text(300'000, 'm');
  for (const Attach attach : kAttaches) {
    const int waits = Sweep([&](EndedCall* call) {
      int s[2];
      ASSERT_EQ(ipc_pair(s), 0);
      for (int& each : s) each = attach(each);
      const auto send = [&] { return Outcome(msend(s[0], text.data(), text.size(), -1)); };
      const auto drop = [&] { return Outcome(mrecvl(s[1], nullptr, nullptr, 0)); };
      std::vector<int> sizes;
      const auto take = [&] {
        const int size = drop();
        if (size >= 0) sizes.push_back(size);
      };
      call->Begin(send);
      const int result = call->Finish(take);
      ExpectEnded(*call, result, 0);
      EXPECT_EQ(Again([&] { return Outcome(msend(s[0], "next", 4, -1)); }, take), 0);
      const size_t count = result == 0 ? 2 : 1;
      for (int i = 0; i < 100'000 && sizes.size() < count; ++i) {
        take();
        EXPECT_EQ(yield(), 0);
      }
      ASSERT_EQ(sizes.size(), count);
      EXPECT_EQ(sizes.back(), 4);
      if (result == 0) {
        EXPECT_EQ(sizes[0], 300'000);
      }
      for (const int h : s) EXPECT_EQ(hclose(h), 0);
    });
    EXPECT_GE(waits, 1);
  }
}

// A detach that is ended closes everything, and one that is not gives the socket below.
TEST_P(CallsCancelTest, Detach) {
  for (const bool term : {false, true}) {
    const int waits = Sweep([&](EndedCall* call) {
      int wire[2];
      ASSERT_EQ(ipc_pair(wire), 0);
      const int s = term ? AttachTerm(wire[1]) : AttachSuffix(wire[1]);
      const int peer = term ? prefix_attach(wire[0], 4, 0) : wire[0];
      int turns = 0;
      const auto step = [&] {
        ++turns;
        if (turns != 3 && turns != 6) return;
        const std::string text = term ? (turns == 3 ? "dropped" : "end") : turns == 3 ? "\r" : "\n";
        EXPECT_EQ(term ? msend(peer, text.data(), text.size(), -1)
                       : bsend(peer, text.data(), text.size(), -1),
                  0);
      };
      if (!term) {
        // A message that does not fit, of which the end has not come.
        ASSERT_EQ(bsend(peer, "too long", 8, -1), 0);
        char small[2];
        ASSERT_EQ(Outcome(mrecv(s, small, sizeof(small), 0)), -EMSGSIZE);
      }
      call->Begin([&] { return Outcome(term ? term_detach(s, -1) : suffix_detach(s, -1)); });
      const int below = call->Finish(step);
      EXPECT_EQ(Outcome(hclose(s)), -EBADF);
      if (below > 0) {
        EXPECT_EQ(hclose(below), 0);
      } else {
        ExpectEnded(*call, below, 0);
      }
      EXPECT_EQ(hclose(peer), 0);
    });
    EXPECT_GE(waits, 1);
  }
}

// ---- Channels, names, bundles ------------------------------------------------------------------

TEST_P(CallsCancelTest, Channels) {
  enum class Call { kSend, kReceive, kChooseFew, kChooseMany };
  for (const Call kind : {Call::kSend, Call::kReceive, Call::kChooseFew, Call::kChooseMany}) {
    const int waits = Sweep([&](EndedCall* call) {
      int ch[2];
      ASSERT_EQ(chmake(ch), 0);
      int value = kind == Call::kSend ? 7 : 0;
      const int count = kind == Call::kChooseMany ? 20 : 2;
      std::vector<chclause> clauses(count, chclause{CHRECV, ch[0], &value, sizeof(value)});
      const auto transfer = [&] {
        switch (kind) {
          case Call::kSend:
            return Outcome(chsend(ch[0], &value, sizeof(value), -1));
          case Call::kReceive:
            return Outcome(chrecv(ch[0], &value, sizeof(value), -1));
          default:
            break;
        }
        const int index = choose(clauses.data(), count, -1);
        return index == 0 && errno == 0 ? 0 : -errno;
      };
      int turns = 0;
      int other = kind == Call::kSend ? 0 : 7;
      const auto meet = [&] {
        if (++turns < 3) return;
        if (kind == Call::kSend) {
          static_cast<void>(chrecv(ch[1], &other, sizeof(other), 0));
        } else {
          static_cast<void>(chsend(ch[1], &other, sizeof(other), 0));
        }
      };
      call->Begin(transfer);
      const int result = call->Finish(meet);
      ExpectEnded(*call, result, 0);
      if (result < 0) {
        // Nobody stands in the queue any more.
        EXPECT_EQ(Outcome(kind == Call::kSend ? chrecv(ch[1], &other, sizeof(other), 0)
                                              : chsend(ch[1], &other, sizeof(other), 0)),
                  -ETIMEDOUT);
        EXPECT_EQ(Again(transfer, meet), 0);
      }
      EXPECT_EQ(value, 7);
      EXPECT_EQ(other, 7);
      for (const int h : ch) EXPECT_EQ(hclose(h), 0);
    });
    EXPECT_EQ(waits, 1);
  }
}

TEST_P(CallsCancelTest, Names) {
  for (const bool connects : {false, true}) {
    const int waits = Sweep([&](EndedCall* call) {
      auto owned = std::make_unique<FakeResolver>(&Runtime::Current());
      FakeResolver* const resolver = owned.get();
      resolver->Say("a.example", IpFamily::kIpv4, {absl::Milliseconds(1), {"127.0.0.1"}, 0});
      resolver->Say("a.example", IpFamily::kIpv6, {absl::Milliseconds(2), {}, EADDRNOTAVAIL});
      SetRuntimeResolver(&Runtime::Current(), std::move(owned));
      dill_ipaddr addr;
      ASSERT_EQ(ipaddr_local(&addr, "127.0.0.1", 0, 0), 0);
      const int listener = tcp_listen(&addr, 10);
      const auto look_up = [&] {
        dill_ipaddr found;
        const int result =
            Outcome(connects ? happyeyeballs_connect("a.example", ipaddr_port(&addr), -1)
                             : ipaddr_remote(&found, "a.example", 7, IPADDR_PREF_IPV6, -1));
        if (result > 0) {
          EXPECT_EQ(hclose(result), 0);
        }
        return result > 0 ? 0 : result;
      };
      call->Begin(look_up);
      const int result = call->Finish([] {});
      ExpectEnded(*call, result, 0);
      EXPECT_EQ(resolver->active(), 0);
      EXPECT_EQ(Again(look_up), 0);
      EXPECT_EQ(hclose(listener), 0);
    });
    EXPECT_GE(waits, 1);
  }
}

coroutine void Sleep(int64_t deadline) { msleep(deadline); }

// A coroutine that waits for a bundle of its own, which waits for another one, and closes both.
TEST_P(CallsCancelTest, NestedBundles) {
  SimClock clock;
  const int waits = SweepEndedCalls(
      GetParam(),
      [&](EndedCall* call) {
        call->Begin([] {
          const int outer = bundle();
          if (outer < 0) return -errno;
          int result = 0;
          for (int i = 0; i < 2 && result == 0; ++i) {
            result = Outcome(bundle_go(outer, [](int64_t end) {
              const int inner = go(Sleep(end));
              static_cast<void>(bundle_wait(inner, -1));
              EXPECT_EQ(hclose(inner), 0);
            }(now() + 1)));
            if (result == 0) result = Outcome(bundle_wait(outer, -1));
          }
          EXPECT_EQ(hclose(outer), 0);
          return result;
        });
        ExpectEnded(*call, call->Finish([&] { clock.Advance(absl::Milliseconds(1)); }), 0);
      },
      &clock);
  EXPECT_EQ(waits, 2);
}

}  // namespace
}  // namespace halfpipe
