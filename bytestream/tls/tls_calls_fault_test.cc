// What tls_fault_test.cc is for TlsStream: the stream below fails at its N-th call with each errno
// that a bytestream can give, through the whole life of a connection in C calls.

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <set>
#include <utility>

#include "bytestream/base/errno_status.h"
#include "bytestream/bytestream.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fault_bytestream.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/stream_handle.h"
#include "bytestream/tls/tls.h"
#include "bytestream/tls/tls_life.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

constexpr int kErrors[] = {ETIMEDOUT,    ECANCELED,   EMFILE,   ENFILE,       ENOSPC, ENOBUFS,
                           ENOMEM,       EBUSY,       EINVAL,   ECONNRESET,   EBADF,  EPIPE,
                           EHOSTUNREACH, ENETUNREACH, ENETDOWN, ECONNABORTED, EPROTO, EACCES};

class TlsCallsFaultTest : public testing::Test {
 protected:
  TlsCallsFaultTest() {
    Runtime runtime;
    TlsLife::WarmUp();
  }
  ~TlsCallsFaultTest() override { EXPECT_EQ(tls_trust_file(nullptr), 0); }

  // The calls of the stream below the client, or the server, fail. `passes`: of what the system was
  // short of there is enough the next time.
  void Sweep(const char* what, TlsLife::Options options, bool in_client) {
    int calls_max = 0;
    int runs = 0;
    int lived = 0;
    for (const int error : kErrors) {
      const bool passes = IsShortage(error);
      const int calls = SweepFaults(error, [&](FaultPlan& plan) {
        plan.set_armed(false);
        if (passes) plan.GoOn();
        FdLeakCheck leaks;
        SimRuntime runtime;
        PairOptions pair;
        pair.capacity_bytes = 3'000;
        auto [a, b] = MakePair(&runtime, pair);
        BytestreamPtr& failing = in_client ? a : b;
        failing = BytestreamPtr(new FaultBytestream(std::move(failing), &plan));
        TlsLife life(options);
        life.Run(StreamHandle::Make(std::move(a)), StreamHandle::Make(std::move(b)),
                 [&] { plan.set_armed(true); });
        ++runs;
        if (life.lived()) ++lived;
        // Either it is told, or it has done no harm.
        if (!plan.hit() || life.told().empty()) {
          EXPECT_TRUE(life.lived());
        }
        const std::set<int> expected = {error, ECONNRESET};
        for (const int each : life.told()) {
          EXPECT_TRUE(plan.hit() && expected.count(each) > 0) << "errno " << each;
        }
        EXPECT_EQ(HandleTable::Current().live_count(), 0u);
        EXPECT_EQ(runtime.coroutine_count(), 0u);
        EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 0u);
      });
      calls_max = std::max(calls_max, calls);
      if (HasFailure()) return;
    }
    std::printf("%s, %s: %d calls of the stream below, %d runs, %d of them to the end\n", what,
                in_client ? "client" : "server", calls_max, runs, lived);
    EXPECT_GE(calls_max, 6);
  }
};

TEST_F(TlsCallsFaultTest, UntilDetached) {
  for (const bool in_client : {true, false}) {
    Sweep("attach to detach", {.in_callers_memory = true, .detaches = true}, in_client);
  }
}

TEST_F(TlsCallsFaultTest, UntilClosed) {
  for (const bool in_client : {true, false}) {
    Sweep("attach to hclose", {.by_host = false}, in_client);
  }
}

}  // namespace
}  // namespace halfpipe
