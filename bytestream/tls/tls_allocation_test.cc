// Every request for memory behind a TLS connection fails, those of OpenSSL too: whoever calls is
// told, nothing leaks, and what is received is what was sent.

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>

#include "absl/base/config.h"
#include "bytestream/base/check.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/allocation_faults.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/openssl_memory.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/stream_handle.h"
#include "bytestream/testing/test_certs.h"
#include "bytestream/tls/tls.h"
#include "bytestream/tls/tls_life.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

// There are thousands of requests, so each scenario looks at some of them, not the same ones.
#if defined(ABSL_HAVE_ADDRESS_SANITIZER) || defined(ABSL_HAVE_THREAD_SANITIZER)
constexpr int kStride = 67;
#else
constexpr int kStride = 7;
#endif

// What the first to tell may say: the one that it befell, where OpenSSL does not always say that it
// was memory.
bool Documented(int error) {
  return error == ENOMEM || error == EINVAL || error == EACCES || error == EPROTO;
}

class TlsAllocationTest : public testing::Test {
 protected:
  TlsAllocationTest() {
    HALFPIPE_CHECK(kOpenSslIsOurs);
    Runtime runtime;
    TlsLife::WarmUp();
  }
  ~TlsAllocationTest() override { EXPECT_EQ(tls_trust_file(nullptr), 0); }

  // Runs `scenario(fault)`, which tells of an errno or 0, from the request `begin` on until there
  // are no more.
  template <typename Scenario>
  void Sweep(const char* what, int begin, Scenario scenario) {
    std::map<int, int> told;
    for (int nth = begin;; nth += kStride) {
      SCOPED_TRACE(testing::Message() << "request for memory " << nth << " fails");
      AllocationFault fault(nth);
      fault.set_armed(false);
      ++told[scenario(&fault)];
      EXPECT_EQ(HandleTable::Current().live_count(), 0u);
      if (!fault.hit() || HasFailure()) {
        std::printf("%s: about %d requests for memory, 1 of %d failing.", what, nth, kStride);
        for (const auto& [error, count] : told) std::printf(" errno %d: %d.", error, count);
        std::printf("\n");
        EXPECT_GT(nth, 100);
        EXPECT_GT(told[ENOMEM], 1);
        return;
      }
    }
  }

  void SweepLife(const char* what, int begin, TlsLife::Options options) {
    Sweep(what, begin, [&](AllocationFault* fault) {
      FdLeakCheck leaks;
      SimRuntime runtime;
      auto [a, b] = MakePair(&runtime);
      TlsLife life(options);
      life.Run(StreamHandle::Make(std::move(a)), StreamHandle::Make(std::move(b)),
               [&] { fault->set_armed(true); });
      fault->set_armed(false);
      EXPECT_EQ(runtime.coroutine_count(), 0u);
      EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 0u);
      if (!options.trusted) {
        EXPECT_FALSE(life.client_lived());
      } else if (!fault->hit()) {
        EXPECT_TRUE(life.lived());
      }
      if (life.told().empty()) {
        EXPECT_TRUE(life.lived());
        return 0;
      }
      EXPECT_TRUE(Documented(life.told().front())) << life.told().front();
      return life.told().front();
    });
  }
};

TEST_F(TlsAllocationTest, UntilDetached) { SweepLife("attach to detach", 0, {.detaches = true}); }

TEST_F(TlsAllocationTest, UntilClosed) {
  SweepLife("attach to hclose", 1, {.in_callers_memory = true, .by_host = false});
}

// Nothing that fails makes a client believe a certificate.
TEST_F(TlsAllocationTest, CertificatesThatAreNotTrusted) {
  SweepLife("refused certificate", 0, {.trusted = false});
  SweepLife("refused certificate, no host", 1, {.by_host = false, .trusted = false});
}

TEST_F(TlsAllocationTest, TrustFile) {
  const TestCerts& certs = TestCerts::Get();
  const std::string path =
      WriteTestFile("both.pem", certs.other_ca.certificate + certs.intermediate.certificate);
  Sweep("tls_trust_file()", 0, [&](AllocationFault* fault) {
    fault->set_armed(true);
    const int result = tls_trust_file(path.c_str());
    const int error = errno;
    fault->set_armed(false);
    if (result == 0) {
      EXPECT_EQ(tls_trust_file(TlsLife::TrustFile().c_str()), 0);
      return 0;
    }
    EXPECT_TRUE(error == ENOMEM || error == EINVAL) << error;
    return error;
  });
  // Where it failed, nothing has changed.
  AllocationFault fault(0);
  EXPECT_EQ(tls_trust_file(path.c_str()), -1);
  EXPECT_EQ(errno, ENOMEM);
  Runtime runtime;
  auto [a, b] = MakePair(&runtime);
  TlsLife life(TlsLife::Options{});
  life.Run(StreamHandle::Make(std::move(a)), StreamHandle::Make(std::move(b)), [] {});
  EXPECT_TRUE(life.lived());
}

}  // namespace
}  // namespace halfpipe
