// Servers and clients on TLS over TCP: wss from the listening socket to the URL.

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/tcp.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/test_certs.h"
#include "bytestream/tls/tls_context.h"
#include "bytestream/tls/tls_stream.h"
#include "gtest/gtest.h"
#include "websocket/client.h"
#include "websocket/server_test_support.h"

namespace halfpipe::websocket {
namespace {

class ServerTlsTest : public testing::Test {
 protected:
  void SetUp() override {
    const TestCerts& certs = TestCerts::Get();
    auto tls = ServerTls(certs.server);
    ASSERT_TRUE(tls.ok()) << tls.status();
    server_tls_ = *std::move(tls);
    Handler handler = EchoHandler();
    handler.on_open = [](Connection& c) { static_cast<void>(c.SendText("welcome")); };
    server_.Handle("/chat", std::move(handler));
    const auto address =
        server_.ListenTcp(IpAddress::Loopback(IpFamily::kIpv4, 0), server_tls_.get());
    ASSERT_TRUE(address.ok()) << address.status();
    address_ = *address;
    ASSERT_TRUE(server_.Start().ok());
  }

  void TearDown() override {
    server_.Drain(absl::Seconds(60));
    EXPECT_TRUE(server_.Wait(Soon()).ok());
    EXPECT_EQ(server_.counts().connections, 0u);
  }

  static absl::StatusOr<std::unique_ptr<TlsContext>> ServerTls(const TestIdentity& identity) {
    TlsServerOptions options;
    options.identity.certificates.text = identity.certificate;
    options.identity.key.text = identity.key;
    return TlsContext::ForServer(options);
  }

  static std::unique_ptr<TlsContext> Trusting(const TestIdentity& root) {
    TlsClientOptions options;
    options.trust.text = root.certificate;
    auto tls = TlsContext::ForClient(options);
    EXPECT_TRUE(tls.ok()) << tls.status();
    return *std::move(tls);
  }

  // `tls` null: the system's roots.
  Client MakeClient(const TlsContext* tls) {
    ClientOptions options;
    options.tls = tls;
    return Client(&runtime_, std::move(options));
  }

  std::string Url(absl::string_view scheme, absl::string_view host) const {
    return absl::StrCat(scheme, "://", host, ":", address_.port(), "/chat");
  }

  // One that the server knows is served after whatever came before.
  void ExpectServed() {
    Client client = MakeClient(trusting_.get());
    const auto stream = client.Connect(Url("wss", "localhost"), Soon());
    ASSERT_THAT(stream, IsOk());
    EXPECT_EQ(ReceiveText(stream->get()), "welcome");
    EXPECT_THAT((*stream)->Close(1000, "", Soon()), IsOk());
  }

  // Until the server has refused so many connections without an answer, of which its clients may
  // know before.
  void AwaitRefused(uint64_t count) {
    const Deadline bound = Soon();
    while (server_.counts().refused[0] < count && !bound.ExpiredAt(runtime_.clock().NowNanos())) {
      ASSERT_EQ(runtime_.SleepUntil(Deadline::In(absl::Milliseconds(1))), 0);
    }
    EXPECT_EQ(server_.counts().refused[0], count);
  }

  FdLeakCheck leaks_;
  const std::unique_ptr<TlsContext> trusting_ = Trusting(TestCerts::Get().ca);
  std::unique_ptr<TlsContext> server_tls_;
  Runtime runtime_;
  Server server_{&runtime_, {}};
  IpAddress address_;
};

TEST_F(ServerTlsTest, MessagesBothWays) {
  Client client = MakeClient(trusting_.get());
  // The certificate is for the address too.
  for (const char* host : {"localhost", "127.0.0.1"}) {
    const auto stream = client.Connect(Url("wss", host), Soon());
    ASSERT_THAT(stream, IsOk());
    EXPECT_EQ(client.response().status, 101);
    EXPECT_EQ(ReceiveText(stream->get()), "welcome");
    // In one record and in many.
    for (const size_t size : {0, 5, 16'384, 100'000}) {
      const std::string text(size, 'x');
      ASSERT_THAT((*stream)->SendText(text, Soon()), IsOk());
      EXPECT_EQ(ReceiveText(stream->get()), text);
    }
    EXPECT_THAT((*stream)->Close(1000, "", Soon()), IsOk());
  }
  EXPECT_EQ(server_.counts().upgraded, 2u);
}

// A client that has its TLS and says nothing has no coroutine.
TEST_F(ServerTlsTest, HalfOpenBehindTls) {
  auto tcp = TcpConnect(&runtime_, address_, Soon());
  ASSERT_THAT(tcp, IsOk());
  auto tls =
      TlsStream::Connect(&runtime_, BytestreamPtr(tcp->release()), *trusting_, "localhost", Soon());
  ASSERT_THAT(tls, IsOk());
  while (server_.counts().accepted == 0 || server_.counts().at_work > 0) {
    ASSERT_EQ(runtime_.SleepUntil(Deadline::In(absl::Milliseconds(1))), 0);
  }
  EXPECT_EQ(server_.counts().connections, 1u);
  ClientUpgradeOptions request;
  request.target = "/chat";
  request.host = "localhost";
  ClientUpgradeResult result;
  BytestreamPtr lower(tls->release());
  EXPECT_THAT(ClientUpgrade(&runtime_, lower.get(), request, &result, Soon()), IsOk());
  EXPECT_EQ(server_.counts().upgraded, 1u);
  lower.reset();
}

TEST_F(ServerTlsTest, ADrainSays1001) {
  Client client = MakeClient(trusting_.get());
  const auto stream = client.Connect(Url("wss", "localhost"), Soon());
  ASSERT_THAT(stream, IsOk());
  EXPECT_EQ(ReceiveText(stream->get()), "welcome");
  // The server hears of the drain first, whenever this coroutine has its turns.
  server_.Drain(absl::Seconds(60));
  ASSERT_THAT((*stream)->SendText("on its way", Soon()), IsOk());
  EXPECT_EQ(ReceiveText(stream->get()), std::nullopt);
  ASSERT_TRUE((*stream)->peer_close().has_value());
  EXPECT_EQ((*stream)->peer_close()->code, 1001);
  EXPECT_THAT((*stream)->Close(1000, "", Soon()), IsOk());
  EXPECT_TRUE(server_.Wait(Soon()).ok());
  const ServerCounts counts = server_.counts();
  EXPECT_EQ(counts.drained, 1u);
  EXPECT_EQ(counts.aborted, 0u);
  EXPECT_EQ(counts.messages_received, 1u);
}

TEST_F(ServerTlsTest, NobodyTalksToAServerThatIsNotTrusted) {
  const auto other = Trusting(TestCerts::Get().other_ca);
  // Null: the system's roots, which know nothing of a test's certificates.
  for (const TlsContext* const tls :
       {const_cast<const TlsContext*>(other.get()), static_cast<const TlsContext*>(nullptr)}) {
    Client client = MakeClient(tls);
    for (int i = 0; i < 2; ++i) {
      EXPECT_THAT(client.Connect(Url("wss", "localhost"), Soon()), IsErrno(EACCES));
      EXPECT_EQ(client.response().status, 0);
    }
  }
  ExpectServed();
  EXPECT_EQ(server_.counts().upgraded, 1u);
  AwaitRefused(4);
}

TEST_F(ServerTlsTest, NorToOneWithACertificateForAnother) {
  const auto tls = ServerTls(TestCerts::Get().wrong_host);
  ASSERT_THAT(tls, IsOk());
  Server server(&runtime_, {});
  server.Handle("/chat", EchoHandler());
  const auto address = server.ListenTcp(IpAddress::Loopback(IpFamily::kIpv4, 0), tls->get());
  ASSERT_THAT(address, IsOk());
  ASSERT_THAT(server.Start(), IsOk());
  Client client = MakeClient(trusting_.get());
  EXPECT_THAT(client.Connect(absl::StrCat("wss://localhost:", address->port(), "/chat"), Soon()),
              IsErrno(EACCES));
  server.Stop();
}

// What speaks no TLS is gone at once, not when its time is over.
TEST_F(ServerTlsTest, PlainHttpAtItsPort) {
  auto tcp = TcpConnect(&runtime_, address_, Soon());
  ASSERT_THAT(tcp, IsOk());
  const IoSlice slice("GET /chat HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ASSERT_THAT((*tcp)->Write(absl::MakeConstSpan(&slice, 1), false, Soon()), IsOk());
  std::string answer;
  absl::Status status;
  for (;;) {
    const auto bytes = (*tcp)->Peek(1, Soon());
    status = bytes.status();
    if (!bytes.ok() || bytes->empty()) break;
    answer.append(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    (*tcp)->Consume(bytes->size());
  }
  EXPECT_TRUE(status.ok() || StatusErrno(status) == EPIPE || StatusErrno(status) == ECONNRESET)
      << status;
  EXPECT_FALSE(absl::StrContains(answer, "HTTP")) << answer;
  AwaitRefused(1);

  Client client = MakeClient(nullptr);
  const absl::Status refused = client.Connect(Url("ws", "localhost"), Soon()).status();
  EXPECT_TRUE(StatusErrno(refused) == EPROTO || StatusErrno(refused) == ECONNRESET) << refused;
  EXPECT_EQ(client.response().status, 0);
  AwaitRefused(2);
  ExpectServed();
}

// And the other way round: TLS to a port without it.
TEST_F(ServerTlsTest, TlsWhereThereIsNone) {
  Server server(&runtime_, {});
  server.Handle("/chat", EchoHandler());
  const auto address = server.ListenTcp(IpAddress::Loopback(IpFamily::kIpv4, 0));
  ASSERT_THAT(address, IsOk());
  ASSERT_THAT(server.Start(), IsOk());
  Client client = MakeClient(trusting_.get());
  EXPECT_THAT(client.Connect(absl::StrCat("wss://localhost:", address->port(), "/chat"), Soon()),
              IsErrno(EPROTO));
  EXPECT_EQ(client.response().status, 0);
  server.Drain(absl::Seconds(60));
  EXPECT_THAT(server.Wait(Soon()), IsOk());
  EXPECT_EQ(server.counts().upgraded, 0u);
}

}  // namespace
}  // namespace halfpipe::websocket
