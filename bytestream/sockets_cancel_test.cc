// A coroutine ends at every wait that there is in each C call: its bundle is closed while it waits
// there, or the wait is cancelled or times out under it. Nothing leaks, and on what it shares with
// others nothing is lost: whoever makes the call next finds everything.

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <string>

#include "absl/time/time.h"
#include "bytestream/net/net_test_support.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/ended_call.h"
#include "bytestream/testing/ended_call_fixture.h"
#include "bytestream/testing/ended_call_sweep.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

// A result, or a negative errno.
int Outcome(int result) { return result >= 0 ? result : -errno; }

class SocketsCancelTest : public EndedCallTest {
 protected:
  // Two connected handles; the first one can send little before its peer takes it.
  std::array<int, 2> Connect() { return Connected(/*pair_bytes=*/4'096); }
  int Done(int s) { return Outcome(medium() == Medium::kTcp ? tcp_done(s, -1) : ipc_done(s, -1)); }
  int Close(int s) {
    return Outcome(medium() == Medium::kTcp ? tcp_close(s, -1) : ipc_close(s, -1));
  }

  // What the call came to, of those that come to 0 or nothing.
  void ExpectEnded(const EndedCall& run, int result) {
    if (run.hit()) {
      EXPECT_TRUE(result == 0 || result == -ErrorOf(end())) << result;
    } else {
      EXPECT_EQ(result, 0);
    }
  }
};

// What a pair has no C calls for.
class RealSocketsCancelTest : public SocketsCancelTest {};

// What is about no connection.
class OtherCancelTest : public SocketsCancelTest {};

INSTANTIATE_TEST_SUITE_P(Transports, SocketsCancelTest,
                         testing::Combine(testing::ValuesIn(kEveryMedium),
                                          testing::ValuesIn(kEveryEnd)),
                         SocketsCancelTest::Name);
INSTANTIATE_TEST_SUITE_P(Transports, RealSocketsCancelTest,
                         testing::Combine(testing::Values(Medium::kUnix, Medium::kTcp),
                                          testing::ValuesIn(kEveryEnd)),
                         RealSocketsCancelTest::Name);
INSTANTIATE_TEST_SUITE_P(Transports, OtherCancelTest,
                         testing::Combine(testing::Values(Medium::kUnix),
                                          testing::ValuesIn(kEveryEnd)),
                         OtherCancelTest::Name);

// Takes at most `max` bytes that are there, in small pieces, to the end of *got.
void TakeSome(int s, size_t max, std::string* got) {
  char piece[100];
  for (size_t taken = 0; taken < max && brecv(s, piece, sizeof(piece), 0) == 0;
       taken += sizeof(piece)) {
    got->append(piece, sizeof(piece));
  }
}

// A long send, whose peer takes a little at a time, and what follows it.
TEST_P(SocketsCancelTest, Send) {
  const std::string first = Pattern(30'000);
  const std::string second(200, '2');
  const int waits = SweepEndedCalls(end(), [&](EndedCall* run) {
    const std::array<int, 2> s = Connect();
    std::string got;
    run->Begin([&] { return Outcome(bsend(s[0], first.data(), first.size(), -1)); });
    const int result = run->Finish([&] { TakeSome(s[1], 2'000, &got); });
    ExpectEnded(*run, result);
    // All or nothing, and then what another coroutine sends.
    const std::string expected = (result == 0 ? first : "") + second;
    EndedCall next(&Runtime::Current(), End::kTimedOut, kSweepWaitsMax);
    next.Begin([&] { return Outcome(bsend(s[0], second.data(), second.size(), -1)); });
    EXPECT_EQ(next.Finish([&] { TakeSome(s[1], 2'000, &got); }), 0);
    for (int i = 0; i < 100'000 && got.size() < expected.size(); ++i) {
      TakeSome(s[1], 2'000, &got);
      EXPECT_EQ(yield(), 0);
    }
    EXPECT_TRUE(got == expected) << got.size() << " of " << expected.size();
    for (const int h : s) EXPECT_EQ(hclose(h), 0);
  });
  EXPECT_GE(waits, 2);
}

// A receive whose bytes come in pieces. It ends, and another coroutine receives them all.
TEST_P(SocketsCancelTest, Receive) {
  const std::string bytes = Pattern(6'000);
  for (const bool list : {false, true}) {
    const int waits = SweepEndedCalls(end(), [&](EndedCall* run) {
      const std::array<int, 2> s = Connect();
      std::string got(bytes.size(), '\0');
      dill_iolist last = {got.data() + 3'000, 3'000, nullptr, 0};
      dill_iolist first = {got.data(), 3'000, &last, 0};
      const auto receive = [&] {
        return Outcome(list ? brecvl(s[1], &first, &last, -1)
                            : brecv(s[1], got.data(), got.size(), -1));
      };
      size_t sent = 0;
      const auto send_more = [&] {
        if (sent == bytes.size()) return;
        // The second handle's buffer has room for as much.
        ASSERT_EQ(bsend(s[0], bytes.data() + sent, 1'000, -1), 0);
        sent += 1'000;
      };
      run->Begin(receive);
      const int result = run->Finish(send_more);
      ExpectEnded(*run, result);
      if (result != 0) {
        got.assign(got.size(), '\0');
        EndedCall next(&Runtime::Current(), End::kTimedOut, kSweepWaitsMax);
        next.Begin(receive);
        EXPECT_EQ(next.Finish(send_more), 0);
      }
      EXPECT_TRUE(got == bytes);
      for (const int h : s) EXPECT_EQ(hclose(h), 0);
    });
    EXPECT_GE(waits, 1);
  }
}

// The end of the outbound direction behind a tail, and the orderly end with a peer that lingers.
TEST_P(RealSocketsCancelTest, DoneAndClose) {
  const std::string bytes = Pattern(50'000);
  for (const bool close : {false, true}) {
    const int waits = SweepEndedCalls(end(), [&](EndedCall* run) {
      const std::array<int, 2> s = Connect();
      ASSERT_EQ(bsend(s[0], bytes.data(), bytes.size(), 0), 0);
      std::string got;
      bool ended = false;
      int linger = 5;
      const auto peer = [&] {
        TakeSome(s[1], 2'000, &got);
        if (got.size() == bytes.size() && !ended && --linger == 0) {
          ended = true;
          EXPECT_EQ(Done(s[1]), 0);
        }
      };
      run->Begin([&] { return close ? Close(s[0]) : Done(s[0]); });
      const int result = run->Finish(peer);
      ExpectEnded(*run, result);
      if (close) {
        EXPECT_EQ(Outcome(hclose(s[0])), -EBADF);
      } else {
        // It has happened, or can happen yet; the tail is on its way in any case.
        EndedCall next(&Runtime::Current(), End::kTimedOut, kSweepWaitsMax);
        next.Begin([&] { return Done(s[0]); });
        EXPECT_EQ(next.Finish(peer), result == 0 ? -EPIPE : 0);
        for (int i = 0; i < 100'000 && got.size() < bytes.size(); ++i) {
          peer();
          EXPECT_EQ(yield(), 0);
        }
        EXPECT_TRUE(got == bytes);
        EXPECT_EQ(Outcome(brecv(s[1], nullptr, 1, -1)), -EPIPE);
        EXPECT_EQ(hclose(s[0]), 0);
      }
      EXPECT_EQ(hclose(s[1]), 0);
    });
    EXPECT_GE(waits, close ? 2 : 1);
  }
}

// A connection that comes while an accept ends goes to it or to the next one.
TEST_P(RealSocketsCancelTest, Accept) {
  const bool tcp = medium() == Medium::kTcp;
  char directory[] = "/tmp/halfpipe_cancel_XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  const std::string path = std::string(directory) + "/s";
  // Whether the connection is there before the coroutine that accepts hears of its end.
  for (const bool there : {false, true}) {
    const int waits = SweepEndedCalls(end(), [&](EndedCall* run) {
      dill_ipaddr addr;
      ASSERT_EQ(ipaddr_local(&addr, "127.0.0.1", 0, 0), 0);
      const int listener = tcp ? tcp_listen(&addr, 10) : ipc_listen(path.c_str(), 10);
      const auto accept = [&] {
        return Outcome(tcp ? tcp_accept(listener, nullptr, -1) : ipc_accept(listener, -1));
      };
      int client = -1;
      const auto connect = [&] {
        if (client < 0) client = tcp ? tcp_connect(&addr, -1) : ipc_connect(path.c_str(), -1);
      };
      run->Begin(accept);
      if (there) connect();
      int server = run->Finish(connect);
      if (server < 0) {
        EXPECT_TRUE(run->hit());
        EXPECT_EQ(server, -ErrorOf(end()));
        connect();
        server = accept();
      }
      ASSERT_GT(server, 0);
      EXPECT_EQ(bsend(client, "x", 1, -1), 0);
      EXPECT_EQ(brecv(server, nullptr, 1, -1), 0);
      // There is no second one.
      EXPECT_EQ(Outcome(tcp ? tcp_accept(listener, nullptr, 0) : ipc_accept(listener, 0)),
                -ETIMEDOUT);
      for (const int h : {client, server, listener}) EXPECT_EQ(hclose(h), 0);
      unlink(path.c_str());
    });
    EXPECT_GE(waits, 1);
  }
  EXPECT_EQ(rmdir(directory), 0);
}

// A connect that has to wait because the backlog is full. (TCP tries again after a second.)
TEST_P(RealSocketsCancelTest, Connect) {
  const bool tcp = medium() == Medium::kTcp;
  char directory[] = "/tmp/halfpipe_cancel_XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  const std::string path = std::string(directory) + "/s";
  const int waits = SweepEndedCalls(end(), [&](EndedCall* run) {
    dill_ipaddr addr;
    ASSERT_EQ(ipaddr_local(&addr, "127.0.0.1", 0, 0), 0);
    const int listener = tcp ? tcp_listen(&addr, 1) : ipc_listen(path.c_str(), 1);
    const auto connect = [&](int64_t deadline) {
      return Outcome(tcp ? tcp_connect(&addr, deadline) : ipc_connect(path.c_str(), deadline));
    };
    // Fills the backlog: two fit into one of 1.
    std::array<int, 2> others;
    for (int& other : others) {
      other = connect(-1);
      ASSERT_GT(other, 0);
    }
    int turns = 0;
    int accepted = 0;
    const auto accept_later = [&] {
      if (++turns < 20) return;
      const int s = tcp ? tcp_accept(listener, nullptr, 0) : ipc_accept(listener, 0);
      if (s < 0) return;
      ++accepted;
      EXPECT_EQ(hclose(s), 0);
    };
    run->Begin([&] { return connect(-1); });
    const int c = run->Finish(accept_later);
    if (c < 0) {
      EXPECT_TRUE(run->hit());
      EXPECT_EQ(c, -ErrorOf(end()));
    } else {
      EXPECT_EQ(hclose(c), 0);
    }
    for (const int other : others) EXPECT_EQ(hclose(other), 0);
    EXPECT_EQ(hclose(listener), 0);
    unlink(path.c_str());
  });
  EXPECT_GE(waits, 1);
  EXPECT_EQ(rmdir(directory), 0);
}

TEST_P(OtherCancelTest, FdsBundlesAndSleeps) {
  const int fdin_waits = SweepEndedCalls(end(), [&](EndedCall* run) {
    const std::array<int, 2> fds = ConnectedFds(Transport::kUnix);
    int turns = 0;
    run->Begin([&] { return Outcome(fdin(fds[0], -1)); });
    ExpectEnded(*run, run->Finish([&] {
      if (++turns == 3) {
        EXPECT_EQ(send(fds[1], "x", 1, 0), 1);
      }
    }));
    // Forgotten: another may wait for it.
    if (turns < 3) {
      EXPECT_EQ(Outcome(fdin(fds[0], 0)), -ETIMEDOUT);
    }
    for (const int fd : fds) EXPECT_EQ(close(fd), 0);
  });
  EXPECT_EQ(fdin_waits, 1);
  const int bundle_waits = SweepEndedCalls(end(), [&](EndedCall* run) {
    const int b = bundle();
    bool stop = false;
    bundle_go(b, [](bool* ended) {
      while (!*ended && yield() == 0) {
      }
    }(&stop));
    int turns = 0;
    run->Begin([&] { return Outcome(bundle_wait(b, -1)); });
    ExpectEnded(*run, run->Finish([&] { stop = ++turns > 3; }));
    stop = true;
    EXPECT_EQ(bundle_wait(b, -1), 0);
    EXPECT_EQ(hclose(b), 0);
  });
  EXPECT_EQ(bundle_waits, 1);
  SimClock clock;
  const int sleeps = SweepEndedCalls(
      end(),
      [&](EndedCall* run) {
        run->Begin([] {
          for (int i = 0; i < 3; ++i) {
            const int result = Outcome(msleep(now() + 1));
            if (result != 0) return result;
          }
          return 0;
        });
        ExpectEnded(*run, run->Finish([&] { clock.Advance(absl::Milliseconds(1)); }));
      },
      &clock);
  EXPECT_EQ(sleeps, 3);
}

}  // namespace
}  // namespace halfpipe
