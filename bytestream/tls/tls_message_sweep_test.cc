// OpenSSL writes nothing in the middle of a message that is not data (RFC 8446 section 4.6), so
// whoever sends then waits for input. All of these waits end before their time here, and the stream
// below fails at each of its calls: nothing is lost by it, and nobody waits for ever.

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fault_bytestream.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/test_certs.h"
#include "bytestream/testing/transport_suite.h"
#include "bytestream/testing/wait_sweep.h"
#include "bytestream/tls/raw_peer.h"
#include "bytestream/tls/tls_context.h"
#include "bytestream/tls/tls_stream.h"
#include "bytestream/tls/tls_test_support.h"
#include "gtest/gtest.h"

namespace halfpipe {

// Only its helpers are used here.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TransportSuite);

namespace {

using transport_suite::Peek;
using transport_suite::Read;
using transport_suite::Write;
using transport_suite::WriteTail;

constexpr Deadline kNow = Deadline::Immediately();

// What waits in the middle of the message.
enum class Call { kWrite, kFlush, kDone, kDetach };
constexpr Call kCalls[] = {Call::kWrite, Call::kFlush, Call::kDone, Call::kDetach};
const char* CallName(Call call) {
  static constexpr const char* kNames[] = {"Write()", "Flush()", "Done()", "Detach()"};
  return kNames[static_cast<int>(call)];
}

class TlsMessageSweepTest : public testing::Test {
 protected:
  // A record that is not a whole message.
  static constexpr size_t kFragment = 512;
  static constexpr size_t kFirstRecord = kFragment + 22;
  static constexpr int kTurnsPerStep = 2 * Runtime::kSwitchesPerPoll;

  TlsMessageSweepTest() : context_(SSL_CTX_new(TLS_server_method())) {
    const TlsContext& server = TestServerContext();
    SSL_CTX_use_certificate(context_.get(), SSL_CTX_get0_certificate(server.ssl_context()));
    SSL_CTX_use_PrivateKey(context_.get(), SSL_CTX_get0_privatekey(server.ssl_context()));
    // The client's certificate makes the server's ticket long.
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
    const unsigned char id[] = "test";
    SSL_CTX_set_session_id_context(context_.get(), id, 4);
    SSL_CTX_set_max_send_fragment(context_.get(), kFragment);
    TlsClientOptions options = TestClientOptions();
    options.identity.certificates.text = TestCerts::Get().client.certificate;
    options.identity.key.text = TestCerts::Get().client.key;
    client_ = MakeClientContext(options);
  }

  // The client in the middle of the server's ticket, of which rest_ is still to come.
  void Connect(FaultPlan* plan) {
    plan->set_armed(false);
    auto [a, b] = MakePair(&runtime_);
    tls_ = std::make_unique<TlsStream>(&runtime_,
                                       BytestreamPtr(new FaultBytestream(std::move(a), plan)));
    lower_ = std::move(b);
    peer_ = std::make_unique<RawPeer>(lower_.get(), context_.get(), /*is_server=*/true);
    absl::Status status;
    for (int i = 0; i < 10 && !(status = tls_->Handshake(*client_, "localhost", kNow)).ok(); ++i) {
      ASSERT_THAT(status, IsErrno(ETIMEDOUT));
      peer_->Step();
    }
    ASSERT_THAT(status, IsOk());
    const absl::StatusOr<absl::Span<uint8_t>> bytes = lower_->Peek(1, kNow);
    ASSERT_THAT(bytes, IsOk());
    BIO_write(SSL_get_rbio(peer_->ssl()), bytes->data(), static_cast<int>(bytes->size()));
    lower_->Consume(bytes->size());
    SSL_do_handshake(peer_->ssl());
    ASSERT_TRUE(peer_->connected());
    rest_ = peer_->TakeOutput();
    ASSERT_GT(rest_.size(), kFirstRecord + 100);
    ASSERT_THAT(Write(*lower_, rest_.substr(0, kFirstRecord)), IsOk());
    rest_.erase(0, kFirstRecord);
    ASSERT_THAT(Peek(*tls_, 1, kNow), IsErrno(ETIMEDOUT));
    got_.clear();
    said_data_ = ended_ = false;
  }

  // What fails by a plan ends with the scenario that has it.
  void Disconnect() {
    detached_ = nullptr;
    tls_ = nullptr;
  }

  Deadline Soon() { return Deadline::In(absl::Minutes(1)); }

  absl::Status Make(Call call) {
    switch (call) {
      case Call::kWrite:
        return Write(*tls_, "write", Soon());
      case Call::kFlush:
        return tls_->Flush(Soon());
      case Call::kDone:
        return tls_->Done(Soon());
      case Call::kDetach:
        break;
    }
    absl::StatusOr<BytestreamPtr> lower = tls_->Detach(Soon());
    if (lower.ok()) detached_ = *std::move(lower);
    return lower.status();
  }

  // The peer's turn: a little more of the message, or, when all of it is out, what it does then.
  void Step(bool says_data) {
    if (!rest_.empty()) {
      const size_t size = std::min<size_t>(rest_.size(), 10);
      EXPECT_THAT(Write(*lower_, rest_.substr(0, size)), IsOk());
      rest_.erase(0, size);
    } else {
      if (says_data && !std::exchange(said_data_, true)) peer_->Write("data");
      peer_->Step();
      const bool told = (SSL_get_shutdown(peer_->ssl()) & SSL_RECEIVED_SHUTDOWN) != 0;
      if (told && !std::exchange(ended_, true)) {
        SSL_shutdown(peer_->ssl());
        EXPECT_THAT(Write(*lower_, peer_->TakeOutput() + "plain"), IsOk());
      }
    }
    got_ += peer_->Read();
  }

  // Runs `call` in a coroutine of its own, the peer making its steps, until it comes to its end.
  absl::Status Finish(const std::function<absl::Status()>& call, bool says_data = false) {
    absl::Status status;
    bool finished = false;
    Bundle bundle(&runtime_);
    EXPECT_THAT(bundle.Go([&] {
      status = call();
      finished = true;
    }),
                IsOk());
    // What has come is noticed in a poll, so that each step has to have its own.
    for (int i = 0; i < 10'000 && !finished; ++i) {
      if (i % kTurnsPerStep == 0) Step(says_data);
      EXPECT_EQ(runtime_.Yield(), 0);
    }
    EXPECT_TRUE(finished) << "it waits for ever";
    return status;
  }

  // Until the peer has done and seen all.
  void StepToTheEnd(bool says_data) {
    for (int i = 0; i < 50; i += rest_.empty() ? 1 : 0) {
      Step(says_data);
      EXPECT_EQ(runtime_.Yield(), 0);
    }
  }

  void ExpectWhole(Call call, bool behind_tail) {
    StepToTheEnd(false);
    const std::string expected = behind_tail ? "tail" : "";
    EXPECT_EQ(got_, call == Call::kWrite ? expected + "write" : expected);
    EXPECT_EQ(ended_, call == Call::kDone || call == Call::kDetach);
    if (call == Call::kDetach) {
      ASSERT_NE(detached_, nullptr);
      EXPECT_THAT(Read(*detached_, 5, kNow), IsOkAndHolds(std::string("plain")));
    }
    detached_ = nullptr;
  }

  struct ContextFree {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };

  SimRuntime runtime_;
  std::unique_ptr<SSL_CTX, ContextFree> context_;
  std::unique_ptr<TlsContext> client_;
  BytestreamPtr lower_;
  std::unique_ptr<RawPeer> peer_;
  std::unique_ptr<TlsStream> tls_;
  BytestreamPtr detached_;
  std::string rest_;
  std::string got_;
  bool said_data_ = false;
  bool ended_ = false;  // close_notify has come, and ours is out
};

// The call ends at each of its waits, and is made again.
TEST_F(TlsMessageSweepTest, InterruptedAtEachWait) {
  for (const Call call : kCalls) {
    for (const bool behind_tail : {false, true}) {
      for (const int error : {ETIMEDOUT, ECANCELED}) {
        const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
          FaultPlan none(-1, 0);
          const absl::Cleanup disconnect = [&] { Disconnect(); };
          Connect(&none);
          if (behind_tail) {
            ASSERT_THAT(WriteTail(*tls_, "tail"), IsOk());
            ASSERT_GT(tls_->tail_size(), 0u);
          }
          const absl::Status status = Finish([&] {
            fault.set_only(runtime_.current());
            return Make(call);
          });
          EXPECT_THAT(status, IsErrno(fault.hit() ? error : 0));
          if (!status.ok()) {
            EXPECT_THAT(Finish([&] { return Make(call); }), IsOk());
          }
          ExpectWhole(call, behind_tail);
        });
        std::printf("%s in a message%s: %d waits\n", CallName(call),
                    behind_tail ? ", behind a tail" : "", waits);
        // Others than Done() wait for the tail alone; without one, Flush() has nothing to wait for.
        const bool waits_for_pieces =
            call == Call::kDone || call == Call::kDetach || (call == Call::kWrite && !behind_tail);
        EXPECT_GE(waits, waits_for_pieces ? 2 : behind_tail ? 1 : 0);
        if (HasFailure()) return;
      }
    }
  }
}

// A reader, who sees to the message, ends at each of its waits: whoever sends goes on without.
TEST_F(TlsMessageSweepTest, ReaderInterruptedAtEachWait) {
  for (const Call call : {Call::kWrite, Call::kFlush, Call::kDone}) {
    for (const int error : {ETIMEDOUT, ECANCELED}) {
      const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
        FaultPlan none(-1, 0);
        const absl::Cleanup disconnect = [&] { Disconnect(); };
        Connect(&none);
        ASSERT_THAT(WriteTail(*tls_, "tail"), IsOk());
        absl::StatusOr<std::string> read;
        Bundle bundle(&runtime_);
        ASSERT_THAT(bundle.Go([&] {
          fault.set_only(runtime_.current());
          read = Read(*tls_, 4, Soon());
        }),
                    IsOk());
        EXPECT_THAT(Finish([&] { return Make(call); }, /*says_data=*/true), IsOk());
        StepToTheEnd(true);
        EXPECT_EQ(bundle.Wait(kNow), 0);
        EXPECT_THAT(read, IsErrno(fault.hit() ? error : 0));
        if (!read.ok()) read = Read(*tls_, 4, kNow);
        EXPECT_THAT(read, IsOkAndHolds(std::string("data")));
        ExpectWhole(call, /*behind_tail=*/true);
      });
      std::printf("Read() in a message beside %s: %d waits\n", CallName(call), waits);
      EXPECT_GE(waits, 2);
      if (HasFailure()) return;
    }
  }
}

// The stream below fails. What passes does no harm, what does not ends what cannot go on.
TEST_F(TlsMessageSweepTest, StreamBelowFails) {
  for (const Call call : {Call::kWrite, Call::kDone, Call::kDetach}) {
    for (const int error : {ETIMEDOUT, ECANCELED, EMFILE, ENOBUFS, ECONNRESET, EHOSTUNREACH}) {
      const bool passes = error == ETIMEDOUT || error == ECANCELED || IsShortage(error);
      const int calls = SweepFaults(error, [&](FaultPlan& plan) {
        if (passes) plan.GoOn();
        const absl::Cleanup disconnect = [&] { Disconnect(); };
        Connect(&plan);
        plan.set_armed(true);
        absl::Status status = Finish([&] { return Make(call); });
        plan.set_armed(false);
        const bool of_sending = plan.hit() && plan.outbound();
        if (!plan.hit()) {
          EXPECT_THAT(status, IsOk());
        }
        if (!status.ok()) {
          const int told = of_sending && error != EHOSTUNREACH ? ECONNRESET : error;
          EXPECT_THAT(status, IsErrno(told));
          status = Finish([&] { return Make(call); });
          EXPECT_THAT(status, IsErrno(passes && !of_sending ? 0 : told));
        }
        if (status.ok()) ExpectWhole(call, /*behind_tail=*/false);
      });
      std::printf("%s in a message: %d calls of the stream below\n", CallName(call), calls);
      EXPECT_GE(calls, 2);
      if (HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace halfpipe
