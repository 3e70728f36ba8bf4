// The stream below TLS fails at its N-th call, with each errno that a bytestream can give: whoever
// calls is told, nothing leaks, what can go on goes on without a byte lost, and what cannot is never
// taken by the peer for a clean end.

#include <openssl/ssl.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fault_bytestream.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/transport_suite.h"
#include "bytestream/tls/tls_context.h"
#include "bytestream/tls/tls_stream.h"
#include "bytestream/tls/tls_test_support.h"
#include "gtest/gtest.h"

namespace halfpipe {

// Only its helpers are used here.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TransportSuite);

namespace {

using transport_suite::Pattern;
using transport_suite::Read;
using transport_suite::ReadAll;
using transport_suite::Write;
using transport_suite::WriteTail;

constexpr Deadline kNever = Deadline::Never();
constexpr Deadline kNow = Deadline::Immediately();

// How a call fails: `passes` where the stream below goes on afterwards.
struct Fault {
  int error;
  bool passes;
};

// Everything that bytestream.h names, and what a protocol of the user's may give besides.
constexpr Fault kFaults[] = {
    {ETIMEDOUT, true},     {ECANCELED, true},     {EMFILE, true},       {ENFILE, true},
    {ENOSPC, true},        {ENOBUFS, true},       {ENOMEM, true},       {ENOMEM, false},
    {EBUSY, false},        {EINVAL, false},       {ECONNRESET, false},  {EBADF, false},
    {EPIPE, false},        {EHOSTUNREACH, false}, {ENETUNREACH, false}, {ENETDOWN, false},
    {ECONNABORTED, false}, {EPROTO, false},       {EACCES, false}};

// What is told of a record that the stream below did not take: nothing can be done about it.
int OfSending(int error) {
  switch (error) {
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
    case ECONNABORTED:
      return error;
    default:
      return ECONNRESET;
  }
}

// EPIPE is a word of our own.
int OfReceiving(int error) { return error == EPIPE ? ECONNRESET : error; }

// Two ends, the first of which stands on a stream of which a call fails, and what is around them:
// at the end nothing is left of it.
class Connection {
 public:
  explicit Connection(FaultPlan* plan) : plan_(plan) {
    PairOptions options;
    options.capacity_bytes = 3'000;
    auto [a, b] = MakePair(&runtime_, options);
    plan_->set_armed(false);
    lower_ = {BytestreamPtr(new FaultBytestream(std::move(a), plan)), std::move(b)};
  }
  ~Connection() {
    a_.reset();
    b_.reset();
    EXPECT_EQ(runtime_.coroutine_count(), 0u);
    EXPECT_EQ(runtime_.buffer_pool().blocks_in_use(), 0u);
  }

  // Runs `call` while calls count.
  template <typename Call>
  auto WithFaults(Call call) {
    plan_->set_armed(true);
    auto result = call();
    plan_->set_armed(false);
    return result;
  }

  // The handshake of `a`, as a client or a server, with calls failing; the other end's in a coroutine
  // of `bundle`.
  absl::Status Handshake(const TlsContext& a_context, const TlsContext& b_context, Bundle* bundle,
                         absl::Status* b_status) {
    a_ = std::make_unique<TlsStream>(&runtime_, std::move(lower_.first));
    b_ = std::make_unique<TlsStream>(&runtime_, std::move(lower_.second));
    EXPECT_THAT(bundle->Go([this, &b_context, b_status] {
      *b_status = b_->Handshake(b_context, "localhost", kNever);
    }),
                IsOk());
    return WithFaults([&] { return a_->Handshake(a_context, "localhost", kNever); });
  }

  // Both handshakes, without a fault.
  void Connect() {
    TlsPair tls = ConnectTls(&runtime_, std::move(lower_));
    a_ = std::move(tls.first);
    b_ = std::move(tls.second);
  }

  // Bytes go both ways.
  void ExpectWhole() {
    EXPECT_THAT(Write(*a_, "ping"), IsOk());
    EXPECT_THAT(Read(*b_, 4), IsOkAndHolds(std::string("ping")));
    EXPECT_THAT(Write(*b_, "pong"), IsOk());
    EXPECT_THAT(Read(*a_, 4), IsOkAndHolds(std::string("pong")));
  }

  // Everything that sends gives `error`, and receiving goes on.
  void ExpectSendingFails(int error) {
    EXPECT_THAT(Write(*a_, "x"), IsErrno(error));
    EXPECT_THAT(WriteTail(*a_, "x"), IsErrno(error));
    EXPECT_THAT(a_->Flush(kNever), IsErrno(error));
    EXPECT_THAT(a_->Done(kNever), IsErrno(error));
    int called = 0;
    a_->WhenWritable([&] { ++called; });
    EXPECT_EQ(called, 1);
    EXPECT_THAT(Write(*b_, "still"), IsOk());
    EXPECT_THAT(Read(*a_, 5), IsOkAndHolds(std::string("still")));
    // To detach is to send.
    EXPECT_THAT(a_->Detach(kNever), IsErrno(error));
  }

  Runtime* runtime() { return &runtime_; }
  std::unique_ptr<TlsStream>& a() { return a_; }
  std::unique_ptr<TlsStream>& b() { return b_; }

 private:
  FdLeakCheck leaks_;
  SimRuntime runtime_;
  FaultPlan* const plan_;
  std::pair<BytestreamPtr, BytestreamPtr> lower_;
  std::unique_ptr<TlsStream> a_;
  std::unique_ptr<TlsStream> b_;
};

// Reads in a coroutine until the end, or until that fails.
class Reader {
 public:
  Reader(Runtime* runtime, Bytestream* stream) : bundle_(runtime) {
    EXPECT_THAT(bundle_.Go([this, stream] { got_ = ReadAll(*stream, &end_); }), IsOk());
  }
  // Joins. What came, and the errno that ended it (0: a clean end).
  const std::string& got() {
    EXPECT_EQ(bundle_.Wait(kNever), 0);
    return got_;
  }
  int end() {
    EXPECT_EQ(bundle_.Wait(kNever), 0);
    return end_;
  }

 private:
  std::string got_;
  int end_ = -1;
  Bundle bundle_;
};

// Runs the scenario with each call of each fault; says how many calls there were.
void Sweep(const char* what,
           const std::function<void(FaultPlan&, const Fault&, Connection&)>& scenario) {
  int calls_max = 0;
  int runs = 0;
  for (const Fault& fault : kFaults) {
    const int calls = SweepFaults(fault.error, [&](FaultPlan& plan) {
      if (fault.passes) plan.GoOn();
      Connection connection(&plan);
      scenario(plan, fault, connection);
    });
    EXPECT_GE(calls, 1);
    calls_max = std::max(calls_max, calls);
    runs += calls;
    if (testing::Test::HasFailure()) return;
  }
  std::printf("%s: up to %d calls of the stream below, %d runs with a fault\n", what, calls_max,
              runs);
}

// True if the call in question is one that may be made again.
bool Interrupted(const FaultPlan& plan, const Fault& fault) {
  return !plan.outbound() && (fault.error == ETIMEDOUT || fault.error == ECANCELED);
}

void SweepHandshake(const char* what, const TlsContext& own, const TlsContext& others) {
  Sweep(what, [&](FaultPlan& plan, const Fault& fault, Connection& connection) {
    absl::Status other;
    Bundle bundle(connection.runtime());
    const absl::Status status = connection.Handshake(own, others, &bundle, &other);
    if (!plan.hit()) {
      EXPECT_THAT(status, IsOk());
    } else if (Interrupted(plan, fault)) {
      EXPECT_THAT(status, IsErrno(fault.error));
      EXPECT_THAT(connection.a()->Handshake(own, "localhost", kNever), IsOk());
    } else {
      EXPECT_THAT(status, IsErrno(plan.outbound() ? OfSending(fault.error) : fault.error));
      connection.a().reset();
      EXPECT_EQ(bundle.Wait(kNever), 0);
      // The other end may have been content before.
      if (other.ok()) other = Read(*connection.b(), 1).status();
      EXPECT_THAT(other, IsErrno(ECONNRESET));
      return;
    }
    EXPECT_EQ(bundle.Wait(kNever), 0);
    EXPECT_THAT(other, IsOk());
    connection.ExpectWhole();
  });
}

TEST(TlsFaultTest, HandshakeOfAClient) {
  SweepHandshake("client's handshake", TestClientContext(), TestServerContext());
}

TEST(TlsFaultTest, HandshakeOfAServer) {
  SweepHandshake("server's handshake", TestServerContext(), TestClientContext());
}

TEST(TlsFaultTest, OlderHandshakes) {
  const auto old = MakeClientContext(TestClientOptions());
  SSL_CTX_set_max_proto_version(old->ssl_context(), TLS1_2_VERSION);
  SweepHandshake("client's handshake, TLS 1.2", *old, TestServerContext());
  SweepHandshake("server's handshake, TLS 1.2", TestServerContext(), *old);
}

// One call, and a long one in pieces that leaves part of it to the background.
TEST(TlsFaultTest, Sending) {
  const std::string text = Pattern(60'000, 1);
  for (const bool as_tail : {false, true}) {
    Sweep(as_tail ? "WriteTail() and Flush()" : "Write()",
          [&](FaultPlan& plan, const Fault& fault, Connection& connection) {
            connection.Connect();
            Reader reader(connection.runtime(), connection.b().get());
            const absl::Status status = connection.WithFaults([&] {
              if (!as_tail) return Write(*connection.a(), text);
              const absl::Status written = WriteTail(*connection.a(), text);
              return written.ok() ? connection.a()->Flush(kNever) : written;
            });
            if (!plan.hit()) {
              EXPECT_THAT(status, IsOk());
              EXPECT_THAT(connection.a()->Done(kNever), IsOk());
              EXPECT_TRUE(reader.got() == text);
              EXPECT_EQ(reader.end(), 0);
              return;
            }
            EXPECT_THAT(status, IsErrno(OfSending(fault.error)));
            connection.ExpectSendingFails(OfSending(fault.error));
            connection.a().reset();
            EXPECT_TRUE(reader.got() == text.substr(0, reader.got().size()));
            EXPECT_LT(reader.got().size(), text.size());
            EXPECT_EQ(reader.end(), ECONNRESET);
          });
  }
}

// Bytes that were held back, or left behind, fail when they leave.
TEST(TlsFaultTest, Done) {
  const std::string text = Pattern(20'000, 2);
  for (const bool held : {false, true}) {
    Sweep(held ? "Done() behind held bytes" : "Done() behind a tail",
          [&](FaultPlan& plan, const Fault& fault, Connection& connection) {
            connection.Connect();
            const std::string sent = held ? text.substr(0, 5'000) : text;
            if (held) {
              EXPECT_THAT(Write(*connection.a(), sent, kNow, /*more=*/true), IsOk());
            } else {
              EXPECT_THAT(WriteTail(*connection.a(), sent), IsOk());
              EXPECT_GT(connection.a()->tail_size(), 0u);
            }
            Reader reader(connection.runtime(), connection.b().get());
            const absl::Status status =
                connection.WithFaults([&] { return connection.a()->Done(kNever); });
            if (!plan.hit()) {
              EXPECT_THAT(status, IsOk());
              EXPECT_THAT(connection.a()->Done(kNever), IsErrno(EPIPE));
              EXPECT_TRUE(reader.got() == sent);
              EXPECT_EQ(reader.end(), 0);
              return;
            }
            EXPECT_THAT(status, IsErrno(OfSending(fault.error)));
            connection.ExpectSendingFails(OfSending(fault.error));
            connection.a().reset();
            EXPECT_TRUE(reader.got() == sent.substr(0, reader.got().size()));
            EXPECT_EQ(reader.end(), ECONNRESET);
          });
  }
}

// How a long text is received, in as few or as many calls as it takes.
enum class Way { kRead, kPeek, kReadSome, kWhenReadable };

absl::Status Receive(Runtime* runtime, TlsStream* stream, Way way, size_t size, std::string* got) {
  while (got->size() < size) {
    absl::StatusOr<std::string> piece;
    switch (way) {
      case Way::kRead:
        piece = Read(*stream, size);
        break;
      case Way::kReadSome:
        piece = transport_suite::ReadSome(*stream, size - got->size(), 1);
        break;
      case Way::kWhenReadable: {
        bool readable = false;
        stream->WhenReadable([&] { readable = true; });
        for (int i = 0; i < 10'000 && !readable; ++i) EXPECT_EQ(runtime->Yield(), 0);
        EXPECT_TRUE(readable);
        stream->WhenReadable(nullptr);
        [[fallthrough]];
      }
      case Way::kPeek:
        piece = transport_suite::Peek(*stream, 1);
        if (piece.ok()) stream->Consume(piece->size());
        break;
    }
    if (!piece.ok()) return piece.status();
    *got += *piece;
  }
  return absl::OkStatus();
}

void SweepReceiving(const char* what, Way way) {
  const std::string text = Pattern(40'000, 3);
  Sweep(what, [&](FaultPlan& plan, const Fault& fault, Connection& connection) {
    connection.Connect();
    Bundle bundle(connection.runtime());
    EXPECT_THAT(bundle.Go([&] {
      for (size_t at = 0; at < text.size(); at += 8'000) {
        EXPECT_EQ(connection.runtime()->Yield(), 0);
        if (!Write(*connection.b(), text.substr(at, 8'000)).ok()) return;
      }
    }),
                IsOk());
    std::string got;
    const auto receive = [&] {
      return Receive(connection.runtime(), connection.a().get(), way, text.size(), &got);
    };
    absl::Status status = connection.WithFaults(receive);
    if (!plan.hit()) {
      EXPECT_THAT(status, IsOk());
    }
    if (!status.ok()) {
      EXPECT_TRUE(plan.hit());
      EXPECT_THAT(status, IsErrno(OfReceiving(fault.error)));
      status = receive();
      // What passes loses nothing; what does not stays, and is no matter of the other direction.
      EXPECT_THAT(status, IsErrno(fault.passes ? 0 : OfReceiving(fault.error)));
    }
    if (status.ok()) {
      EXPECT_TRUE(got == text);
      EXPECT_EQ(bundle.Wait(kNever), 0);
      connection.ExpectWhole();
    } else {
      EXPECT_TRUE(got == text.substr(0, got.size()));
      EXPECT_THAT(Write(*connection.a(), "x"), IsOk());
      EXPECT_THAT(Read(*connection.b(), 1), IsOkAndHolds(std::string("x")));
      // Nobody has read what the peer sent, so this is no clean end.
      connection.a().reset();
      EXPECT_EQ(bundle.Wait(kNever), 0);
      EXPECT_THAT(Read(*connection.b(), 1), IsErrno(ECONNRESET));
    }
  });
}

TEST(TlsFaultTest, Read) { SweepReceiving("Read()", Way::kRead); }
TEST(TlsFaultTest, Peek) { SweepReceiving("Peek()", Way::kPeek); }
TEST(TlsFaultTest, ReadSome) { SweepReceiving("ReadSome()", Way::kReadSome); }
TEST(TlsFaultTest, WhenReadable) { SweepReceiving("WhenReadable()", Way::kWhenReadable); }

// Behind a tail, with input that is dropped, and an end of the peer's that comes late.
TEST(TlsFaultTest, Detach) {
  const std::string text = Pattern(20'000, 4);
  Sweep("Detach()", [&](FaultPlan& plan, const Fault& fault, Connection& connection) {
    connection.Connect();
    EXPECT_THAT(WriteTail(*connection.a(), text), IsOk());
    std::string got;
    bool replied = false;
    Bundle bundle(connection.runtime());
    EXPECT_THAT(bundle.Go([&] {
      int end = -1;
      got = ReadAll(*connection.b(), &end);
      if (end != 0 || !Write(*connection.b(), text).ok()) return;
      absl::StatusOr<BytestreamPtr> b = connection.b()->Detach(kNever);
      if (!b.ok()) return;
      replied = Write(**b, "plain").ok() && Read(**b, 5).ok();
    }),
                IsOk());
    absl::StatusOr<BytestreamPtr> a =
        connection.WithFaults([&] { return connection.a()->Detach(kNever); });
    if (!plan.hit()) {
      EXPECT_THAT(a, IsOk());
    }
    if (!a.ok()) {
      EXPECT_TRUE(plan.hit());
      const int error = plan.outbound() ? OfSending(fault.error) : OfReceiving(fault.error);
      EXPECT_THAT(a, IsErrno(error));
      a = connection.a()->Detach(kNever);
      EXPECT_THAT(a, IsErrno(fault.passes && !plan.outbound() ? 0 : error));
    }
    if (a.ok()) {
      EXPECT_THAT(Read(**a, 5), IsOkAndHolds(std::string("plain")));
      EXPECT_THAT(Write(**a, "reply"), IsOk());
      EXPECT_EQ(bundle.Wait(kNever), 0);
      EXPECT_TRUE(got == text);
      EXPECT_TRUE(replied);
      return;
    }
    connection.a().reset();
    EXPECT_EQ(bundle.Wait(kNever), 0);
    EXPECT_TRUE(got == text.substr(0, got.size()));
  });
}

// Only close_notify is left to fail.
TEST(TlsFaultTest, Close) {
  for (const bool by_abort : {false, true}) {
    Sweep(by_abort ? "Abort()" : "destructor", [&](FaultPlan& plan, const Fault&,
                                                   Connection& connection) {
      connection.Connect();
      connection.ExpectWhole();
      connection.WithFaults([&] {
        if (by_abort) connection.a()->Abort();
        connection.a().reset();
        return 0;
      });
      EXPECT_THAT(transport_suite::Peek(*connection.b(), 1), IsErrno(plan.hit() ? ECONNRESET : 0));
    });
  }
}

}  // namespace
}  // namespace halfpipe
