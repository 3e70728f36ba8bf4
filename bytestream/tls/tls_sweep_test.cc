// A coroutine ends at every wait that there is in each C call of a TLS connection: its bundle is
// closed while it waits there, or the wait is cancelled or times out under it. Nothing leaks, and
// whoever makes the call next finds everything, where the header says that it may.

#include <array>
#include <cerrno>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "bytestream/net/net_test_support.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/ended_call.h"
#include "bytestream/testing/ended_call_fixture.h"
#include "bytestream/testing/patience.h"
#include "bytestream/testing/slow_network.h"
#include "bytestream/testing/test_certs.h"
#include "bytestream/testing/wait_sweep.h"
#include "bytestream/tls/tls.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

// A result, or a negative errno.
int Outcome(int result) { return result >= 0 ? result : -errno; }

struct Files {
  static const Files& Get() {
    static const Files* const kFiles = new Files;
    return *kFiles;
  }

  const std::string ca = WriteTestFile("sweep_ca.pem", TestCerts::Get().ca.certificate);
  const std::string cert = WriteTestFile("sweep_cert.pem", TestCerts::Get().server.certificate);
  const std::string key = WriteTestFile("sweep_key.pem", TestCerts::Get().server.key);
};

int AttachClient(int s, dill_tls_storage* mem) {
  return Outcome(mem != nullptr ? tls_attach_client_host_mem(s, "localhost", mem, -1)
                                : tls_attach_client(s, -1));
}

int AttachServer(int s, dill_tls_storage* mem) {
  const char* const cert = Files::Get().cert.c_str();
  const char* const key = Files::Get().key.c_str();
  return Outcome(mem != nullptr ? tls_attach_server_mem(s, cert, key, mem, -1)
                                : tls_attach_server(s, cert, key, -1));
}

int Attach(int s, bool as_client, dill_tls_storage* mem) {
  return as_client ? AttachClient(s, mem) : AttachServer(s, mem);
}

class TlsSweepTest : public EndedCallTest {
 protected:
  TlsSweepTest() { EXPECT_EQ(tls_trust_file(Files::Get().ca.c_str()), 0); }
  ~TlsSweepTest() override { EXPECT_EQ(tls_trust_file(nullptr), 0); }

  // Two connected handles, with little room between them.
  std::array<int, 2> Lower() { return Connected(/*pair_bytes=*/3'000); }

  // TLS on them, the client first.
  std::array<int, 2> Connect() {
    const std::array<int, 2> s = Lower();
    std::array<int, 2> t = {-1, -1};
    const int h = go(t[1] = AttachServer(s[1], nullptr));
    t[0] = AttachClient(s[0], nullptr);
    EXPECT_EQ(bundle_wait(h, -1), 0);
    EXPECT_EQ(hclose(h), 0);
    EXPECT_GT(t[0], 0);
    EXPECT_GT(t[1], 0);
    return t;
  }

  // What the call came to, of those that come to 0 or nothing.
  void ExpectEnded(const EndedCall& run, int result) {
    if (run.hit()) {
      EXPECT_TRUE(result == 0 || result == -ErrorOf(end())) << result;
    } else {
      EXPECT_EQ(result, 0);
    }
  }

  // The least number of waits that make a sweep. Over sockets there are fewer where more comes
  // between two polls.
  int Least(int over_pair) const { return medium() == Medium::kMemory ? over_pair : 1; }

  // A call whose waits are let be.
  int Whole(const std::function<int()>& call, const std::function<void()>& step) {
    EndedCall next(&Runtime::Current(), End::kTimedOut, kSweepWaitsMax);
    next.Begin(call);
    return next.Finish(step);
  }
};

INSTANTIATE_TEST_SUITE_P(Lower, TlsSweepTest,
                         testing::Combine(testing::ValuesIn(kEveryMedium),
                                          testing::Values(End::kClosed, End::kCancelled,
                                                          End::kTimedOut)),
                         TlsSweepTest::Name);

// Takes at most `max` bytes that are there, in small pieces, to the end of *got.
void TakeSome(int s, size_t max, std::string* got) {
  char piece[100];
  for (size_t taken = 0; taken < max && brecv(s, piece, sizeof(piece), 0) == 0;
       taken += sizeof(piece)) {
    got->append(piece, sizeof(piece));
  }
}

// An attach that ends closes everything, and leaves its storage to the next one.
TEST_P(TlsSweepTest, Attach) {
  for (const bool as_client : {true, false}) {
    for (const bool in_memory : {true, false}) {
      dill_tls_storage storage;
      dill_tls_storage* const mem = in_memory ? &storage : nullptr;
      const int waits =
          Sweep(as_client ? "client's attach" : "server's attach", [&](EndedCall* run) {
            // Pairs stand for a slow network, on which messages come in pieces.
            const bool slow = medium() == Medium::kMemory;
            std::optional<SlowNetwork> network;
            if (slow) network.emplace(/*piece_bytes=*/100);
            const std::array<int, 2> s = slow ? network->ends() : Lower();
            int peer = -1;
            const int h = go(peer = Attach(s[1], !as_client, nullptr));
            run->Begin([&] { return Attach(s[0], as_client, mem); });
            const int mine = run->Finish([] {});
            EXPECT_EQ(Outcome(hclose(s[0])), -EBADF);
            if (mine > 0) {
              EXPECT_EQ(bundle_wait(h, -1), 0);
              ASSERT_GT(peer, 0);
              char byte = 0;
              EXPECT_EQ(bsend(mine, "x", 1, -1), 0);
              EXPECT_EQ(brecv(peer, &byte, 1, -1), 0);
              EXPECT_EQ(byte, 'x');
              EXPECT_EQ(hclose(mine), 0);
            } else {
              EXPECT_TRUE(run->hit());
              EXPECT_EQ(mine, -ErrorOf(end()));
              EXPECT_EQ(bundle_wait(h, -1), 0);
              // A peer that was content before learns of it when it receives.
              EXPECT_EQ(peer > 0 ? Outcome(brecv(peer, nullptr, 1, -1)) : peer, -ECONNRESET);
            }
            if (peer > 0) {
              EXPECT_EQ(hclose(peer), 0);
            }
            EXPECT_EQ(hclose(h), 0);
          });
      EXPECT_GE(waits, Least(4));
    }
  }
}

// A long send, whose peer takes a little at a time, and what follows it.
TEST_P(TlsSweepTest, Send) {
  const std::string first = Pattern(60'000);
  const std::string second(200, '2');
  const int waits = Sweep("bsend()", [&](EndedCall* run) {
    const std::array<int, 2> t = Connect();
    std::string got;
    const auto take = [&] { TakeSome(t[1], 3'000, &got); };
    run->Begin([&] { return Outcome(bsend(t[0], first.data(), first.size(), -1)); });
    const int result = run->Finish(take);
    ExpectEnded(*run, result);
    // All or nothing, and then what another coroutine sends.
    const std::string expected = (result == 0 ? first : "") + second;
    EXPECT_EQ(Whole([&] { return Outcome(bsend(t[0], second.data(), second.size(), -1)); }, take),
              0);
    for (const Patience patience; got.size() < expected.size() && patience.Lasts();) {
      take();
      EXPECT_EQ(yield(), 0);
    }
    EXPECT_TRUE(got == expected) << got.size() << " of " << expected.size();
    for (const int each : t) EXPECT_EQ(hclose(each), 0);
  });
  EXPECT_GE(waits, Least(2));
}

// A receive whose bytes come in pieces. It ends, and another coroutine receives them all.
TEST_P(TlsSweepTest, Receive) {
  const std::string bytes = Pattern(6'000);
  for (const bool list : {false, true}) {
    const int waits = Sweep(list ? "brecvl()" : "brecv()", [&](EndedCall* run) {
      const std::array<int, 2> t = Connect();
      std::string got(bytes.size(), '\0');
      // A skip in between, whose bytes must come back after an interruption.
      dill_iolist last = {got.data() + 4'000, 2'000, nullptr, 0};
      dill_iolist skip = {nullptr, 1'000, &last, 0};
      dill_iolist first = {got.data(), 3'000, &skip, 0};
      const auto receive = [&] {
        return Outcome(list ? brecvl(t[1], &first, &last, -1)
                            : brecv(t[1], got.data(), got.size(), -1));
      };
      size_t sent = 0;
      const auto send_more = [&] {
        if (sent == bytes.size()) return;
        if (bsend(t[0], bytes.data() + sent, 1'000, 0) == 0) sent += 1'000;
      };
      run->Begin(receive);
      int result = run->Finish(send_more);
      ExpectEnded(*run, result);
      if (result != 0) {
        got.assign(got.size(), '\0');
        result = Whole(receive, send_more);
      }
      EXPECT_EQ(result, 0);
      std::string expected = bytes;
      if (list) expected.replace(3'000, 1'000, std::string(1'000, '\0'));
      EXPECT_TRUE(got == expected);
      for (const int each : t) EXPECT_EQ(hclose(each), 0);
    });
    EXPECT_GE(waits, Least(2));
  }
}

// The end of the outbound direction behind a tail.
TEST_P(TlsSweepTest, Done) {
  const std::string bytes = Pattern(60'000);
  const int waits = Sweep("tls_done()", [&](EndedCall* run) {
    const std::array<int, 2> t = Connect();
    ASSERT_EQ(bsend(t[0], bytes.data(), bytes.size(), 0), 0);
    std::string got;
    const auto take = [&] { TakeSome(t[1], 3'000, &got); };
    const auto done = [&] { return Outcome(tls_done(t[0], -1)); };
    run->Begin(done);
    const int result = run->Finish(take);
    ExpectEnded(*run, result);
    // It has happened, or can happen yet; the tail is on its way in any case.
    EXPECT_EQ(Whole(done, take), result == 0 ? -EPIPE : 0);
    for (const Patience patience; got.size() < bytes.size() && patience.Lasts();) {
      take();
      EXPECT_EQ(yield(), 0);
    }
    EXPECT_TRUE(got == bytes);
    EXPECT_EQ(Outcome(brecv(t[1], nullptr, 1, -1)), -EPIPE);
    for (const int each : t) EXPECT_EQ(hclose(each), 0);
  });
  EXPECT_GE(waits, 1);
}

// Behind a tail, with input to drop and a peer that ends late. A detach that ends closes everything.
TEST_P(TlsSweepTest, Detach) {
  const std::string bytes = Pattern(60'000);
  const int waits = Sweep("tls_detach()", [&](EndedCall* run) {
    const std::array<int, 2> t = Connect();
    ASSERT_EQ(bsend(t[0], bytes.data(), bytes.size(), 0), 0);
    std::string got;
    int peer = t[1];
    int turns = 0;
    int detached = 0;
    // Once it has everything it sends some, waits a while and detaches.
    const int h = go({
      while (got.size() < bytes.size()) {
        got.resize(got.size() + 1'000);
        const int result = Outcome(brecv(peer, &got[got.size() - 1'000], 1'000, -1));
        if (result != 0) {
          EXPECT_EQ(result, -ECONNRESET);
          got.resize(got.size() - 1'000);
          break;
        }
      }
      if (got.size() == bytes.size()) {
        static_cast<void>(bsend(peer, bytes.data(), 2'000, -1));
        while (++turns < 200 && yield() == 0) {
        }
        detached = Outcome(tls_detach(peer, -1));
        peer = detached;
      }
    });
    run->Begin([&] { return Outcome(tls_detach(t[0], -1)); });
    const int s = run->Finish([] {});
    EXPECT_EQ(Outcome(hclose(t[0])), -EBADF);
    EXPECT_EQ(bundle_wait(h, -1), 0);
    EXPECT_EQ(hclose(h), 0);
    EXPECT_TRUE(got == bytes.substr(0, got.size()));
    if (s > 0) {
      ASSERT_GT(detached, 0);
      char byte = 0;
      EXPECT_EQ(bsend(detached, "p", 1, -1), 0);
      EXPECT_EQ(brecv(s, &byte, 1, -1), 0);
      EXPECT_EQ(byte, 'p');
      EXPECT_EQ(hclose(s), 0);
    } else {
      EXPECT_TRUE(run->hit());
      EXPECT_EQ(s, -ErrorOf(end()));
    }
    if (peer > 0) {
      EXPECT_EQ(hclose(peer), 0);
    }
  });
  EXPECT_GE(waits, Least(2));
}

// hclose() waits for nobody, whatever is unsaid or unread.
TEST_P(TlsSweepTest, Hclose) {
  const std::string bytes = Pattern(60'000);
  for (const bool with_tail : {false, true}) {
    const int waits = Sweep("hclose()", [&](EndedCall* run) {
      const std::array<int, 2> t = Connect();
      if (with_tail) {
        ASSERT_EQ(bsend(t[0], bytes.data(), bytes.size(), 0), 0);
      }
      run->Begin([&] { return Outcome(hclose(t[0])); });
      EXPECT_EQ(run->Finish([] {}), 0);
      int result = 0;
      char byte;
      while (result == 0) result = Outcome(brecv(t[1], &byte, 1, -1));
      EXPECT_EQ(result, with_tail ? -ECONNRESET : -EPIPE);
      EXPECT_EQ(hclose(t[1]), 0);
    });
    EXPECT_EQ(waits, 0);
  }
}

}  // namespace
}  // namespace halfpipe
