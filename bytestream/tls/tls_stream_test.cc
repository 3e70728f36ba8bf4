// What a TLS connection does beyond the contract of every bytestream, for which see
// transport_test.cc.

#include "bytestream/tls/tls_stream.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/net/stream_info.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/forwarding_bytestream.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/test_certs.h"
#include "bytestream/testing/transport_suite.h"
#include "bytestream/testing/wait_sweep.h"
#include "bytestream/tls/raw_peer.h"
#include "bytestream/tls/tls_context.h"
#include "bytestream/tls/tls_test_support.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace halfpipe {

// Only its helpers are used here.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TransportSuite);

namespace {

using testing::HasSubstr;
using transport_suite::Pattern;
using transport_suite::Peek;
using transport_suite::Read;
using transport_suite::ReadAll;
using transport_suite::Write;
using transport_suite::WriteTail;

constexpr Deadline kNever = Deadline::Never();
constexpr Deadline kNow = Deadline::Immediately();

std::unique_ptr<TlsContext> OldClientContext() {
  auto context = MakeClientContext(TestClientOptions());
  SSL_CTX_set_max_proto_version(context->ssl_context(), TLS1_2_VERSION);
  return context;
}

class TlsStreamTest : public testing::Test {
 protected:
  // Both ends, and what is below them.
  void Connect(const TlsContext& client = TestClientContext(), size_t capacity = 64 * 1024) {
    PairOptions options;
    options.capacity_bytes = capacity;
    auto lower = MakePair(&runtime_, options);
    lower_a_ = lower.first.get();
    lower_b_ = lower.second.get();
    std::tie(a_, b_) = ConnectTls(&runtime_, std::move(lower), {}, client);
  }

  SimRuntime runtime_;
  Bytestream* lower_a_ = nullptr;
  Bytestream* lower_b_ = nullptr;
  std::unique_ptr<TlsStream> a_;
  std::unique_ptr<TlsStream> b_;
};

// Passes on the first bytes that are written, then ends the direction and drops the rest.
class CutBytestream final : public ForwardingBytestream {
 public:
  CutBytestream(BytestreamPtr inner, size_t left)
      : ForwardingBytestream(std::move(inner)), left_(left) {}

  absl::Status WriteTail(absl::Span<const IoSlice> slices) override {
    for (const IoSlice& slice : slices) {
      written_ += slice.size;
      if (ended_) continue;
      const IoSlice part(slice.data, std::min(slice.size, left_));
      const absl::Status status = inner().WriteTail(absl::MakeConstSpan(&part, 1));
      if (!status.ok()) return status;
      left_ -= part.size;
      if (part.size == slice.size) continue;
      ended_ = true;
      EXPECT_THAT(inner().Done(kNow), IsOk());
    }
    return absl::OkStatus();
  }

  size_t written() const { return written_; }

 private:
  size_t left_;
  size_t written_ = 0;
  bool ended_ = false;
};

// The server's bytes end too early, at any place: never is that taken for the end of the stream,
// and never is anything made up.
TEST_F(TlsStreamTest, TruncationIsNeverACleanEnd) {
  const auto old = OldClientContext();
  for (const TlsContext* context :
       {&TestClientContext(), const_cast<const TlsContext*>(old.get())}) {
    size_t total = SIZE_MAX;
    for (size_t cut = 0; cut <= total;) {
      SCOPED_TRACE(testing::Message() << "after " << cut << " bytes");
      auto [a, b] = MakePair(&runtime_);
      auto* const cutter = new CutBytestream(std::move(b), cut);
      TlsStream client(&runtime_, std::move(a));
      TlsStream server(&runtime_, BytestreamPtr(cutter));
      absl::Status status;
      Bundle bundle(&runtime_);
      ASSERT_THAT(bundle.Go([&] {
        if (!server.Handshake(TestServerContext(), "", kNever).ok()) return;
        EXPECT_THAT(Write(server, "0123456789"), IsOk());
        EXPECT_THAT(server.Done(kNever), IsOk());
      }),
                  IsOk());
      status = client.Handshake(*context, "localhost", kNever);
      if (status.ok()) {
        int error = -1;
        const std::string got = ReadAll(client, &error);
        EXPECT_EQ(error, cut < cutter->written() ? ECONNRESET : 0);
        EXPECT_EQ(got, std::string("0123456789").substr(0, got.size()));
        EXPECT_EQ(got.size() == 10 || error != 0, true);
      } else {
        EXPECT_THAT(status, IsErrno(ECONNRESET));
      }
      client.Abort();
      EXPECT_EQ(bundle.Wait(kNever), 0);
      // What the server comes to write, as soon as it is known. Each byte from the data on counts.
      if (cut == 0) {
        cut = 1;
      } else if (status.ok()) {
        total = cutter->written();
        ++cut;
      } else {
        cut += 5;
      }
      ASSERT_LT(cut, 10'000u);
    }
  }
}

// The sizes of signatures vary, so the last byte is looked at on its own.
TEST_F(TlsStreamTest, EndOfTheStreamBelowIsAReset) {
  Connect();
  EXPECT_THAT(Write(*a_, "abc"), IsOk());
  EXPECT_THAT(lower_a_->Done(kNever), IsOk());
  EXPECT_THAT(Read(*b_, 4), IsErrno(ECONNRESET));
  EXPECT_THAT(Read(*b_, 1), IsErrno(ECONNRESET));
  // The other direction is not affected.
  EXPECT_THAT(Write(*b_, "still"), IsOk());
  EXPECT_THAT(Read(*a_, 5), IsOkAndHolds(std::string("still")));
}

TEST_F(TlsStreamTest, DoneLeavesTheStreamBelowWhole) {
  const auto old = OldClientContext();
  for (const TlsContext* context :
       {&TestClientContext(), const_cast<const TlsContext*>(old.get())}) {
    Connect(*context);
    EXPECT_THAT(Write(*a_, "last"), IsOk());
    EXPECT_THAT(a_->Done(kNever), IsOk());
    // Both in one piece with close_notify.
    EXPECT_THAT(Write(*lower_a_, "plain"), IsOk());
    EXPECT_THAT(Read(*b_, 4), IsOkAndHolds(std::string("last")));
    EXPECT_THAT(Peek(*b_, 1), IsOkAndHolds(std::string()));
    EXPECT_THAT(Write(*b_, "half-closed"), IsOk());
    EXPECT_THAT(Read(*a_, 11), IsOkAndHolds(std::string("half-closed")));
    EXPECT_THAT(b_->Done(kNever), IsOk());
    EXPECT_THAT(Write(*lower_b_, "back"), IsOk());
    absl::StatusOr<BytestreamPtr> b = b_->Detach(kNever);
    ASSERT_THAT(b, IsOk());
    EXPECT_THAT(Read(**b, 5), IsOkAndHolds(std::string("plain")));
    absl::StatusOr<BytestreamPtr> a = a_->Detach(kNever);
    ASSERT_THAT(a, IsOk());
    EXPECT_THAT(Read(**a, 4), IsOkAndHolds(std::string("back")));
    EXPECT_THAT(Peek(*a_, 1), IsErrno(EBADF));
    EXPECT_THAT(Write(*a_, "x"), IsErrno(EBADF));
    EXPECT_THAT(a_->Detach(kNever), IsErrno(EBADF));
    int called = 0;
    a_->WhenReadable([&] { ++called; });
    a_->WhenWritable([&] { ++called; });
    EXPECT_EQ(called, 2);
    GetStreamInfo(*a_);
    // The streams below outlive TLS, and serve a second one.
    a_.reset();
    b_.reset();
    TlsPair again = ConnectTls(&runtime_, {*std::move(a), *std::move(b)});
    EXPECT_THAT(Write(*again.first, "again"), IsOk());
    EXPECT_THAT(Read(*again.second, 5), IsOkAndHolds(std::string("again")));
  }
}

TEST_F(TlsStreamTest, DetachDropsWhatIsStillSent) {
  Connect();
  const std::string text = Pattern(200'000, 1);
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] {
    EXPECT_THAT(Write(*b_, text), IsOk());
    absl::StatusOr<BytestreamPtr> b = b_->Detach(kNever);
    ASSERT_THAT(b, IsOk());
    EXPECT_THAT(Write(**b, "plain"), IsOk());
    EXPECT_THAT(Read(**b, 5), IsOkAndHolds(std::string("reply")));
  }),
              IsOk());
  absl::StatusOr<BytestreamPtr> a = a_->Detach(kNever);
  ASSERT_THAT(a, IsOk());
  EXPECT_THAT(Read(**a, 5), IsOkAndHolds(std::string("plain")));
  EXPECT_THAT(Write(**a, "reply"), IsOk());
  EXPECT_EQ(bundle.Wait(kNever), 0);
}

// Detach() is interrupted at each of its waits, and called again.
TEST_F(TlsStreamTest, DetachInterruptedAtEachWait) {
  const std::string text = Pattern(100'000, 2);
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      Connect(TestClientContext(), /*capacity=*/3000);
      ASSERT_THAT(WriteTail(*a_, text), IsOk());
      ASSERT_GT(a_->tail_size(), 0u);
      Bundle bundle(&runtime_);
      absl::StatusOr<BytestreamPtr> a = absl::UnknownError("not run");
      ASSERT_THAT(bundle.Go([&] {
        fault.set_only(runtime_.current());
        a = a_->Detach(kNever);
      }),
                  IsOk());
      Bundle peer(&runtime_);
      ASSERT_THAT(peer.Go([&] {
        EXPECT_THAT(Read(*b_, text.size()), IsOkAndHolds(text));
        for (int i = 0; i < 3 * Runtime::kSwitchesPerPoll; ++i) ASSERT_EQ(runtime_.Yield(), 0);
        absl::StatusOr<BytestreamPtr> b = b_->Detach(kNever);
        ASSERT_THAT(b, IsOk());
        EXPECT_THAT(Write(**b, "plain"), IsOk());
      }),
                  IsOk());
      EXPECT_EQ(bundle.Wait(kNever), 0);
      if (!a.ok()) {
        EXPECT_THAT(a, IsErrno(error));
        a = a_->Detach(kNever);
      }
      ASSERT_THAT(a, IsOk());
      EXPECT_THAT(Read(**a, 5), IsOkAndHolds(std::string("plain")));
      EXPECT_EQ(peer.Wait(kNever), 0);
    });
    EXPECT_GE(waits, 2);
  }
}

TEST_F(TlsStreamTest, DetachFromAStreamInUseOrBroken) {
  Connect();
  {
    Bundle bundle(&runtime_);
    ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(Peek(*a_, 1), IsErrno(ECANCELED)); }), IsOk());
    EXPECT_THAT(a_->Detach(kNever), IsErrno(EBUSY));
    bundle.CancelAndJoin();
  }
  b_->Abort();
  // It has said that it goes, and nothing can be sent to it any more.
  EXPECT_THAT(Peek(*a_, 1), IsOkAndHolds(std::string()));
  EXPECT_THAT(a_->Detach(kNever), IsErrno(ECONNRESET));
  Connect();
  lower_b_->Abort();
  EXPECT_THAT(a_->Detach(kNever), IsErrno(ECONNRESET));
  Connect();
  EXPECT_THAT(lower_b_->Done(kNever), IsOk());
  EXPECT_THAT(a_->Detach(kNever), IsErrno(ECONNRESET));
}

// An end that goes with something unsaid or unread says so.
TEST_F(TlsStreamTest, OnlyAnEndThatLosesNothingIsClean) {
  Connect();
  a_.reset();
  EXPECT_THAT(Peek(*b_, 1), IsOkAndHolds(std::string()));
  Connect();
  EXPECT_THAT(Write(*b_, "abc"), IsOk());
  EXPECT_THAT(Read(*a_, 1), IsOk());
  a_.reset();
  EXPECT_THAT(Peek(*b_, 1), IsErrno(ECONNRESET));
  Connect();
  EXPECT_THAT(Write(*a_, "held", kNow, /*more=*/true), IsOk());
  a_.reset();
  EXPECT_THAT(Peek(*b_, 1), IsErrno(ECONNRESET));
  Connect(TestClientContext(), 100);
  EXPECT_THAT(Write(*a_, Pattern(1000, 1), kNow), IsOk());
  a_.reset();
  int error = 0;
  ReadAll(*b_, &error);
  EXPECT_EQ(error, ECONNRESET);
}

TEST_F(TlsStreamTest, DescribesTheStreamBelow) {
  Connect(TestClientContext(), 20'000);
  EXPECT_THAT(Write(*b_, "abcdef"), IsOk());
  EXPECT_THAT(Read(*a_, 2), IsOk());
  EXPECT_THAT(WriteTail(*a_, Pattern(100'000, 3)), IsOk());
  const StreamInfo info = GetStreamInfo(*a_);
  EXPECT_EQ(info.buffered_bytes, 4u);
  EXPECT_EQ(info.tail_bytes, a_->tail_size() + lower_a_->tail_size());
  EXPECT_GT(info.tail_bytes, 50'000u);
  EXPECT_GT(info.bytes_received, 500u);  // The handshake's, too.
  EXPECT_GT(info.bytes_sent, 20'000u);
}

TEST_F(TlsStreamTest, SmallPiecesShareARecord) {
  Connect();
  const uint64_t before = GetStreamInfo(*a_).bytes_sent;
  const IoSlice slices[] = {IoSlice("a"), IoSlice("b"), IoSlice("c"), IoSlice("d")};
  EXPECT_THAT(a_->Write(slices, false, kNever), IsOk());
  EXPECT_THAT(Read(*b_, 4), IsOkAndHolds(std::string("abcd")));
  // Header, type and tag of one record (RFC 8446 section 5.2).
  EXPECT_EQ(GetStreamInfo(*a_).bytes_sent - before, 4u + 5 + 1 + 16);
  EXPECT_EQ(runtime_.buffer_pool().blocks_in_use(), 0u);
}

// ---- With a peer that is not ours --------------------------------------------------------------

class TlsRawPeerTest : public testing::Test {
 protected:
  struct ContextFree {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };

  TlsRawPeerTest() : context_(SSL_CTX_new(TLS_server_method())) {
    const TlsContext& server = TestServerContext();
    SSL_CTX_use_certificate(context_.get(), SSL_CTX_get0_certificate(server.ssl_context()));
    SSL_CTX_use_PrivateKey(context_.get(), SSL_CTX_get0_privatekey(server.ssl_context()));
  }

  void Connect(const TlsContext& client = TestClientContext()) {
    auto [a, b] = MakePair(&runtime_);
    tls_ = std::make_unique<TlsStream>(&runtime_, std::move(a));
    lower_ = std::move(b);
    peer_ = std::make_unique<RawPeer>(lower_.get(), context_.get(), /*is_server=*/true);
    absl::Status status;
    for (int i = 0; i < 10 && !(status = tls_->Handshake(client, "localhost", kNow)).ok(); ++i) {
      ASSERT_THAT(status, IsErrno(ETIMEDOUT));
      peer_->Step();
    }
    ASSERT_THAT(status, IsOk());
    // What follows the handshake stays with the peer.
    const absl::StatusOr<absl::Span<uint8_t>> bytes = lower_->Peek(1, kNow);
    if (bytes.ok()) {
      BIO_write(SSL_get_rbio(peer_->ssl()), bytes->data(), static_cast<int>(bytes->size()));
      lower_->Consume(bytes->size());
    }
    if (!peer_->connected()) SSL_do_handshake(peer_->ssl());
    ASSERT_TRUE(peer_->connected());
  }

  SimRuntime runtime_;
  std::unique_ptr<SSL_CTX, ContextFree> context_;
  BytestreamPtr lower_;
  std::unique_ptr<RawPeer> peer_;
  std::unique_ptr<TlsStream> tls_;
};

TEST_F(TlsRawPeerTest, KeysAreUpdated) {
  Connect();
  peer_->Step();
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(SSL_key_update(peer_->ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
    peer_->Write("x");
    peer_->Step();
    EXPECT_THAT(Read(*tls_, 1), IsOkAndHolds(std::string("x")));
    EXPECT_THAT(Write(*tls_, "y"), IsOk());
    peer_->Step();
    EXPECT_EQ(peer_->Read(), "y");
  }
}

// The answer to a KeyUpdate goes between the records of a writer that waits.
TEST_F(TlsRawPeerTest, KeysAreUpdatedWhileAWriterWaits) {
  Connect();
  peer_->Step();
  const std::string text = Pattern(500'000, 1);
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(Write(*tls_, text), IsOk()); }), IsOk());
  ASSERT_TRUE(tls_->writer_busy());
  std::string got;
  for (int i = 0; i < 1000 && got.size() < text.size(); ++i) {
    if (i % 3 == 0) {
      ASSERT_EQ(SSL_key_update(peer_->ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
      peer_->Write("x");
    }
    peer_->Step();
    if (i % 3 == 0) {
      EXPECT_THAT(Read(*tls_, 1, kNow), IsOk());
    }
    ASSERT_EQ(runtime_.Yield(), 0);
    got += peer_->Read();
  }
  EXPECT_TRUE(got == text);
  EXPECT_EQ(bundle.Wait(kNever), 0);
}

// A ticket of the server's in many records, of which only some have come: nothing can be sent, and
// nothing is, before the rest is here.
TEST_F(TlsRawPeerTest, WritersWaitForTheRestOfAMessage) {
  // The client's certificate makes the ticket long.
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
  const unsigned char id[] = "test";
  SSL_CTX_set_session_id_context(context_.get(), id, 4);
  SSL_CTX_set_max_send_fragment(context_.get(), 512);
  TlsClientOptions options = TestClientOptions();
  options.identity.certificates.text = TestCerts::Get().client.certificate;
  options.identity.key.text = TestCerts::Get().client.key;
  const auto client = MakeClientContext(options);
  for (const bool with_reader : {false, true}) {
    Connect(*client);
    const std::string tickets = peer_->TakeOutput();
    ASSERT_GT(tickets.size(), 700u);
    // One whole record, which is not a whole message.
    ASSERT_THAT(Write(*lower_, tickets.substr(0, 512 + 22)), IsOk());
    ASSERT_THAT(Peek(*tls_, 1, kNow), IsErrno(ETIMEDOUT));
    EXPECT_THAT(Write(*tls_, "x", kNow), IsErrno(ETIMEDOUT));
    EXPECT_THAT(tls_->Done(kNow), IsErrno(ETIMEDOUT));
    peer_->Step();
    EXPECT_EQ(peer_->Read(), "");
    Bundle bundle(&runtime_);
    if (with_reader) {
      ASSERT_THAT(
          bundle.Go([&] { EXPECT_THAT(Read(*tls_, 4), IsOkAndHolds(std::string("data"))); }),
          IsOk());
    }
    ASSERT_THAT(bundle.Go([&] {
      EXPECT_THAT(WriteTail(*tls_, "tail"), IsOk());
      EXPECT_THAT(Write(*tls_, "write"), IsOk());
      EXPECT_THAT(tls_->Done(kNever), IsOk());
    }),
                IsOk());
    for (int i = 0; i < 200; ++i) ASSERT_EQ(runtime_.Yield(), 0);
    EXPECT_TRUE(tls_->writer_busy());
    ASSERT_THAT(Write(*lower_, tickets.substr(512 + 22)), IsOk());
    if (with_reader) peer_->Write("data");
    std::string got;
    for (int i = 0; i < 1000 && got.size() < 9; ++i) {
      peer_->Step();
      ASSERT_EQ(runtime_.Yield(), 0);
      got += peer_->Read();
    }
    EXPECT_EQ(got, "tailwrite");
    EXPECT_EQ(bundle.Wait(kNever), 0);
  }
}

TEST_F(TlsRawPeerTest, RenegotiationIsRefused) {
  const auto old = OldClientContext();
  Connect(*old);
  peer_->Step();
  ASSERT_EQ(SSL_renegotiate(peer_->ssl()), 1);
  SSL_do_handshake(peer_->ssl());
  peer_->Step();
  EXPECT_THAT(Peek(*tls_, 1, kNow), IsErrno(ETIMEDOUT));
  EXPECT_THAT(Write(*tls_, "x"), IsOk());
  peer_->Step();
  // The peer may go on, or give up; there is no second handshake.
  EXPECT_EQ(SSL_num_renegotiations(peer_->ssl()), 1);
  EXPECT_EQ(tls_->tls_info().version, "TLSv1.2");
}

TEST_F(TlsRawPeerTest, GarbageEndsBothDirections) {
  Connect();
  peer_->Step();
  EXPECT_THAT(Write(*lower_, std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x')),
              IsOk());
  int writable = 0;
  const auto got = Peek(*tls_, 1);
  EXPECT_THAT(got, IsErrno(EPROTO));
  EXPECT_THAT(std::string(got.status().message()), HasSubstr("bad record mac"));
  EXPECT_THAT(Read(*tls_, 1), IsErrno(EPROTO));
  EXPECT_THAT(Write(*tls_, "x"), IsErrno(EPROTO));
  EXPECT_THAT(WriteTail(*tls_, "x"), IsErrno(EPROTO));
  EXPECT_THAT(tls_->Flush(kNever), IsErrno(EPROTO));
  EXPECT_THAT(tls_->Done(kNever), IsErrno(EPROTO));
  EXPECT_THAT(tls_->Detach(kNever), IsErrno(EPROTO));
  tls_->WhenWritable([&] { ++writable; });
  EXPECT_EQ(writable, 1);
  // The peer is told (RFC 8446 section 6.2).
  peer_->Step();
  EXPECT_NE(SSL_get_shutdown(peer_->ssl()) & SSL_RECEIVED_SHUTDOWN, 0);
}

// Empty records without end keep nobody else from running, and a deadline counts.
TEST_F(TlsRawPeerTest, MessagesWithoutEndDoNotHoldUpOthers) {
  Connect();
  peer_->Step();
  std::string flood;
  for (int i = 0; i < 5000; ++i) {
    ASSERT_EQ(SSL_key_update(peer_->ssl(), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    ASSERT_EQ(SSL_do_handshake(peer_->ssl()), 1);
  }
  flood = peer_->TakeOutput();
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(Write(*lower_, flood), IsOk()); }), IsOk());
  int turns = 0;
  ASSERT_THAT(bundle.Go([&] {
    while (turns < 100 && runtime_.Yield() == 0) ++turns;
  }),
              IsOk());
  EXPECT_THAT(Peek(*tls_, 1, Deadline::In(absl::Seconds(1))), IsErrno(ETIMEDOUT));
  EXPECT_EQ(turns, 100);
  EXPECT_EQ(bundle.Wait(kNever), 0);
}

}  // namespace
}  // namespace halfpipe
