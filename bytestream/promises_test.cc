// The promises of every bytestream, a test for each, named after it: what holds after a timeout or
// a cancellation, what half a connection may still do, who may be in a call at once, and what may
// pile up. Short and over memory; over every transport, at every wait and with every fault they are
// in testing/transport_suite.h and the tests beside each file.

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/sockets.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/test_certs.h"
#include "bytestream/tls/tls.h"
#include "bytestream/tls/tls_context.h"
#include "bytestream/tls/tls_stream.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

const Deadline kNever = Deadline::Never();
const Deadline kNow = Deadline::Immediately();

absl::Status WriteAll(Bytestream* stream, absl::string_view text, Deadline deadline = kNow) {
  const IoSlice slice(text);
  return stream->Write(absl::MakeConstSpan(&slice, 1), /*more=*/false, deadline);
}

// Reads exactly that much.
std::string ReadAll(Bytestream* stream, size_t size, Deadline deadline = kNow) {
  std::string text(size, '\0');
  const IoSpan whole(text.data(), size);
  const absl::Status status = stream->Read(absl::MakeConstSpan(&whole, 1), deadline);
  return status.ok() ? text : std::string(status.message());
}

class PromisesTest : public testing::Test {
 protected:
  PromisesTest() : PromisesTest({.capacity_bytes = 100, .send_tail_bytes_max = 1000}) {}
  explicit PromisesTest(PairOptions options) {
    std::tie(near_, far_) = MakePair(&runtime_, options);
  }

  SimRuntime runtime_;
  BytestreamPtr near_;
  BytestreamPtr far_;
};

// ---- Deadlines and cancellation -----------------------------------------------------------------

TEST_F(PromisesTest, PeekAndReadSomeWithNothingConsumedLoseNoByte) {
  ASSERT_THAT(WriteAll(far_.get(), "abc"), IsOk());
  EXPECT_THAT(near_->Peek(4, kNow), IsErrno(ETIMEDOUT));
  std::string room(10, '\0');
  const auto memory = absl::MakeSpan(reinterpret_cast<uint8_t*>(room.data()), room.size());
  EXPECT_THAT(near_->ReadSome(memory, 4, kNow), IsErrno(ETIMEDOUT));
  EXPECT_EQ(ReadAll(near_.get(), 3), "abc");
}

TEST_F(PromisesTest, ReadPutsBackWhatHadArrived) {
  ASSERT_THAT(WriteAll(far_.get(), "abc"), IsOk());
  EXPECT_NE(ReadAll(near_.get(), 6), "abcdef");
  EXPECT_EQ(near_->buffered(), 3u);
  ASSERT_THAT(WriteAll(far_.get(), "def"), IsOk());
  EXPECT_EQ(ReadAll(near_.get(), 6), "abcdef");
}

TEST_F(PromisesTest, WriteWithNothingWrittenSendsNothing) {
  ASSERT_THAT(WriteAll(near_.get(), std::string(100, 'x')), IsOk());
  EXPECT_THAT(WriteAll(near_.get(), "y"), IsErrno(ETIMEDOUT));
  EXPECT_EQ(near_->tail_size(), 0u);
  EXPECT_EQ(ReadAll(far_.get(), 100), std::string(100, 'x'));
  EXPECT_THAT(WriteAll(near_.get(), "z"), IsOk());
  EXPECT_EQ(ReadAll(far_.get(), 1), "z");
}

TEST_F(PromisesTest, WriteWithPartWrittenLeavesATailAndSucceeds) {
  EXPECT_THAT(WriteAll(near_.get(), std::string(150, 'x')), IsOk());
  EXPECT_EQ(near_->tail_size(), 50u);
  // Later sends wait behind it.
  EXPECT_THAT(WriteAll(near_.get(), "y"), IsErrno(ETIMEDOUT));
  EXPECT_EQ(ReadAll(far_.get(), 150), std::string(150, 'x'));
  EXPECT_THAT(WriteAll(near_.get(), "y"), IsOk());
}

TEST_F(PromisesTest, WriteWithPartWrittenAboveTheTailsBoundResets) {
  EXPECT_THAT(WriteAll(near_.get(), std::string(1101, 'x')), IsErrno(ECONNRESET));
  EXPECT_THAT(WriteAll(near_.get(), "y"), IsErrno(ECONNRESET));
}

TEST_F(PromisesTest, AnExpiredDeadlineStillDoesWhatNeedsNoWaiting) {
  const Deadline past = Deadline::In(-absl::Hours(1));
  EXPECT_THAT(WriteAll(far_.get(), "abc", past), IsOk());
  EXPECT_EQ(ReadAll(near_.get(), 3, past), "abc");
}

TEST_F(PromisesTest, CancellationIsSticky) {
  Bundle bundle(&runtime_);
  ASSERT_THAT(WriteAll(far_.get(), "abc"), IsOk());
  ASSERT_THAT(bundle.Go([&] {
    EXPECT_EQ(runtime_.SleepUntil(kNever), ECANCELED);
    // Even where nothing would have to be waited for.
    for (int i = 0; i < 2; ++i) {
      EXPECT_THAT(near_->Peek(1, kNever), IsErrno(ECANCELED));
      EXPECT_THAT(WriteAll(near_.get(), "x", kNever), IsErrno(ECANCELED));
    }
  }),
              IsOk());
  bundle.CancelAndJoin();
  EXPECT_EQ(ReadAll(near_.get(), 3), "abc");
}

TEST_F(PromisesTest, ADeadlineMayBePassedDownAChain) {
  const Deadline deadline = Deadline::In(absl::Seconds(5));
  const int64_t before = runtime_.clock().NowNanos();
  for (int i = 0; i < 3; ++i) EXPECT_THAT(near_->Peek(1, deadline), IsErrno(ETIMEDOUT));
  EXPECT_EQ(runtime_.clock().NowNanos() - before, 5'000'000'000);
}

// ---- Half-close, concurrency, backpressure ------------------------------------------------------

TEST_F(PromisesTest, HalfCloseOfPairLeavesReading) {
  ASSERT_THAT(near_->Done(kNow), IsOk());
  EXPECT_THAT(WriteAll(near_.get(), "x"), IsErrno(EPIPE));
  EXPECT_THAT(near_->Done(kNow), IsErrno(EPIPE));
  auto end = far_->Peek(1, kNow);
  ASSERT_THAT(end, IsOk());
  EXPECT_TRUE(end->empty());
  ASSERT_THAT(WriteAll(far_.get(), "still"), IsOk());
  EXPECT_EQ(ReadAll(near_.get(), 5), "still");
}

TEST_F(PromisesTest, OneReaderAndOneWriterAtATime) {
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(near_->Peek(1, kNever), IsOk()); }), IsOk());
  ASSERT_THAT(
      bundle.Go([&] { EXPECT_THAT(WriteAll(near_.get(), std::string(150, 'x'), kNever), IsOk()); }),
      IsOk());
  EXPECT_THAT(near_->Peek(1, kNever), IsErrno(EBUSY));
  EXPECT_THAT(WriteAll(near_.get(), "y", kNever), IsErrno(EBUSY));
  // Directions never interfere: each of them comes to its end.
  EXPECT_EQ(ReadAll(far_.get(), 150, kNever), std::string(150, 'x'));
  ASSERT_THAT(WriteAll(far_.get(), "z"), IsOk());
  EXPECT_EQ(bundle.Wait(kNever), 0);
}

TEST_F(PromisesTest, ASendBlocksAndWhatWaitsIsBounded) {
  Bundle bundle(&runtime_);
  size_t sent = 0;
  ASSERT_THAT(bundle.Go([&] {
    while (WriteAll(near_.get(), std::string(10, 'x'), kNever).ok()) sent += 10;
  }),
              IsOk());
  ASSERT_EQ(runtime_.SleepUntil(Deadline::In(absl::Hours(1))), 0);
  EXPECT_EQ(sent, 100u);
  bundle.CancelAndJoin();
}

TEST_F(PromisesTest, AReceivePulls) {
  ASSERT_THAT(WriteAll(far_.get(), std::string(100, 'x')), IsOk());
  // Nothing is taken out before somebody asks.
  ASSERT_EQ(runtime_.SleepUntil(Deadline::In(absl::Hours(1))), 0);
  EXPECT_THAT(WriteAll(far_.get(), "y"), IsErrno(ETIMEDOUT));
  EXPECT_EQ(ReadAll(near_.get(), 100), std::string(100, 'x'));
  EXPECT_THAT(WriteAll(far_.get(), "y"), IsOk());
}

class TlsPromisesTest : public PromisesTest {
 protected:
  TlsPromisesTest() : PromisesTest(PairOptions()) {
    const TestCerts& certs = TestCerts::Get();
    TlsServerOptions server;
    server.identity = {{"", certs.server.certificate}, {"", certs.server.key}};
    auto for_server = TlsContext::ForServer(server);
    EXPECT_THAT(for_server, IsOk());
    TlsClientOptions client;
    client.trust.text = certs.ca.certificate;
    auto for_client = TlsContext::ForClient(client);
    EXPECT_THAT(for_client, IsOk());
    below_client_ = near_.get();
    Bundle bundle(&runtime_);
    EXPECT_THAT(bundle.Go([&] {
      auto accepted = TlsStream::Accept(&runtime_, std::move(far_), **for_server, kNever);
      EXPECT_THAT(accepted, IsOk());
      server_ = std::move(*accepted);
    }),
                IsOk());
    auto connected =
        TlsStream::Connect(&runtime_, std::move(near_), **for_client, "localhost", kNever);
    EXPECT_THAT(connected, IsOk());
    client_ = std::move(*connected);
    EXPECT_EQ(bundle.Wait(kNever), 0);
  }

  Bytestream* below_client_ = nullptr;
  std::unique_ptr<TlsStream> client_;
  std::unique_ptr<TlsStream> server_;
};

TEST_F(TlsPromisesTest, HalfCloseOfTlsIsAuthenticatedAndLeavesReading) {
  ASSERT_THAT(client_->Done(kNow), IsOk());
  auto end = server_->Peek(1, kNow);
  ASSERT_THAT(end, IsOk());
  EXPECT_TRUE(end->empty());
  ASSERT_THAT(WriteAll(server_.get(), "still"), IsOk());
  EXPECT_EQ(ReadAll(client_.get(), 5), "still");
  // The stream below is untouched: taken off, it carries bytes both ways.
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] {
    auto below = server_->Detach(kNever);
    ASSERT_THAT(below, IsOk());
    ASSERT_THAT(WriteAll(below->get(), "plain"), IsOk());
    EXPECT_EQ(ReadAll(below->get(), 3, kNever), "too");
  }),
              IsOk());
  auto below = client_->Detach(kNever);
  ASSERT_THAT(below, IsOk());
  EXPECT_EQ(ReadAll(below->get(), 5, kNever), "plain");
  ASSERT_THAT(WriteAll(below->get(), "too"), IsOk());
  EXPECT_EQ(bundle.Wait(kNever), 0);
}

TEST_F(TlsPromisesTest, AnEndWithoutCloseNotifyIsAnErrorAndNoEnd) {
  // Whoever is in between can end the stream below, but not say so in TLS.
  ASSERT_THAT(below_client_->Done(kNow), IsOk());
  EXPECT_THAT(server_->Peek(1, kNow), IsErrno(ECONNRESET));
}

// ---- The calls of C -----------------------------------------------------------------------------

class SocketPromisesTest : public testing::Test {
 protected:
  SocketPromisesTest() { EXPECT_EQ(ipc_pair(s_), 0); }
  ~SocketPromisesTest() override {
    for (const int s : s_) EXPECT_EQ(hclose(s), 0);
    EXPECT_EQ(HandleTable::Current().live_count(), 0u);
  }

  FdLeakCheck leaks_;
  Runtime runtime_;
  int s_[2];
};

TEST_F(SocketPromisesTest, BrecvPutsBackWhatHadArrived) {
  ASSERT_EQ(bsend(s_[0], "abc", 3, -1), 0);
  char room[6] = {};
  EXPECT_EQ(brecv(s_[1], room, 6, 0), -1);
  EXPECT_EQ(errno, ETIMEDOUT);
  ASSERT_EQ(bsend(s_[0], "def", 3, -1), 0);
  EXPECT_EQ(brecv(s_[1], room, 6, -1), 0);
  EXPECT_EQ(std::string(room, 6), "abcdef");
}

TEST_F(SocketPromisesTest, BsendIsAllOrNothing) {
  const std::string piece(10'000, 'x');
  size_t sent = 0;
  while (bsend(s_[0], piece.data(), piece.size(), 0) == 0) sent += piece.size();
  EXPECT_EQ(errno, ETIMEDOUT);
  std::string received(sent, '\0');
  EXPECT_EQ(brecv(s_[1], received.data(), sent, -1), 0);
  EXPECT_TRUE(received == std::string(sent, 'x'));
  char more;
  EXPECT_EQ(brecv(s_[1], &more, 1, 0), -1);
  EXPECT_EQ(errno, ETIMEDOUT);
}

TEST_F(SocketPromisesTest, HalfCloseOfUnixLeavesReading) {
  ASSERT_EQ(ipc_done(s_[0], -1), 0);
  char byte;
  EXPECT_EQ(brecv(s_[1], &byte, 1, -1), -1);
  EXPECT_EQ(errno, EPIPE);
  ASSERT_EQ(bsend(s_[1], "x", 1, -1), 0);
  EXPECT_EQ(brecv(s_[0], &byte, 1, -1), 0);
}

TEST_F(SocketPromisesTest, ASecondCallerIsBusy) {
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] {
    char byte;
    EXPECT_EQ(brecv(s_[0], &byte, 1, -1), 0);
  }),
              IsOk());
  char byte;
  EXPECT_EQ(brecv(s_[0], &byte, 1, -1), -1);
  EXPECT_EQ(errno, EBUSY);
  ASSERT_EQ(bsend(s_[1], "x", 1, -1), 0);
  EXPECT_EQ(bundle.Wait(kNever), 0);
}

class TcpPromisesTest : public testing::Test {
 protected:
  TcpPromisesTest() {
    EXPECT_EQ(ipaddr_local(&address_, "127.0.0.1", 0, IPADDR_IPV4), 0);
    listener_ = tcp_listen(&address_, 5);
    EXPECT_GT(listener_, 0);
  }
  ~TcpPromisesTest() override {
    EXPECT_EQ(hclose(listener_), 0);
    EXPECT_EQ(HandleTable::Current().live_count(), 0u);
  }

  FdLeakCheck leaks_;
  Runtime runtime_;
  dill_ipaddr address_;
  int listener_;
};

TEST_F(TcpPromisesTest, AcceptLosesNothing) {
  EXPECT_EQ(tcp_accept(listener_, nullptr, 0), -1);
  EXPECT_EQ(errno, ETIMEDOUT);
  const int client = tcp_connect(&address_, -1);
  const int server = tcp_accept(listener_, nullptr, -1);
  EXPECT_GT(server, 0);
  EXPECT_EQ(hclose(client), 0);
  EXPECT_EQ(hclose(server), 0);
}

// No connection is left behind: FdLeakCheck.
TEST_F(TcpPromisesTest, ConnectLeavesNothing) {
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] {
    EXPECT_EQ(runtime_.SleepUntil(kNever), ECANCELED);
    EXPECT_EQ(tcp_connect(&address_, -1), -1);
    EXPECT_EQ(errno, ECANCELED);
  }),
              IsOk());
  bundle.CancelAndJoin();
}

TEST_F(TcpPromisesTest, AttachClosesTheStreamBelow) {
  const int client = tcp_connect(&address_, -1);
  const int server = tcp_accept(listener_, nullptr, -1);
  EXPECT_EQ(tls_attach_client_host(client, "localhost", 0), -1);
  EXPECT_EQ(errno, ETIMEDOUT);
  EXPECT_EQ(hclose(client), -1);
  EXPECT_EQ(errno, EBADF);
  EXPECT_EQ(hclose(server), 0);
}

TEST_F(TcpPromisesTest, HalfCloseOfTcpLeavesReading) {
  const int client = tcp_connect(&address_, -1);
  const int server = tcp_accept(listener_, nullptr, -1);
  ASSERT_EQ(tcp_done(client, -1), 0);
  char byte;
  EXPECT_EQ(brecv(server, &byte, 1, -1), -1);
  EXPECT_EQ(errno, EPIPE);
  ASSERT_EQ(bsend(server, "x", 1, -1), 0);
  EXPECT_EQ(brecv(client, &byte, 1, -1), 0);
  EXPECT_EQ(hclose(client), 0);
  EXPECT_EQ(hclose(server), 0);
}

// A protocol whose end tries to wait: what it calls from inside hclose() fails at once.
TEST_F(TcpPromisesTest, CallsFromInsideHcloseAreCancelled) {
  Bundle* const owner = new Bundle(&runtime_);
  int error = 0;
  ASSERT_THAT(owner->Go([&] {
    EXPECT_EQ(runtime_.SleepUntil(kNever), ECANCELED);
    error = tcp_accept(listener_, nullptr, -1) == -1 ? errno : 0;
  }),
              IsOk());
  delete owner;
  EXPECT_EQ(error, ECANCELED);
}

}  // namespace
}  // namespace halfpipe
