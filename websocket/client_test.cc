#include "websocket/client.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/listener.h"
#include "bytestream/net/pair.h"
#include "bytestream/net/tcp.h"
#include "bytestream/proxy/socks5.h"
#include "bytestream/proxy/socks5_codec.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/refusing_port.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/test_certs.h"
#include "bytestream/testing/unique_name.h"
#include "bytestream/testing/wait_sweep.h"
#include "bytestream/tls/tls_context.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "websocket/server_test_support.h"

namespace halfpipe::websocket {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Servers in memory, by host and port, as dialled.
class Net {
 public:
  explicit Net(Runtime* runtime) : runtime_(runtime) {}

  void Add(absl::string_view host, Server* server, const TlsContext* tls = nullptr) {
    places_.push_back({std::string(host), server, tls});
  }

  absl::StatusOr<BytestreamPtr> Dial(absl::string_view host, uint16_t port) {
    dialled.push_back(absl::StrCat(host, ":", port));
    for (const Place& place : places_) {
      if (place.host != host) continue;
      auto [client, theirs] = MakePair(runtime_);
      absl::Status status = place.server->Serve(std::move(theirs), place.tls);
      if (!status.ok()) return status;
      return std::move(client);
    }
    return ErrnoStatus(ECONNREFUSED, "nobody is there");
  }

  ClientOptions Options() {
    ClientOptions options;
    options.dial = [this](absl::string_view host, uint16_t port, Deadline) {
      return Dial(host, port);
    };
    return options;
  }

  std::vector<std::string> dialled;

 private:
  struct Place {
    std::string host;
    Server* server;
    const TlsContext* tls;
  };
  Runtime* const runtime_;
  std::vector<Place> places_;
};

// Notes what credentials each request has, and redirects where `to` says.
Handler Noting(std::vector<std::string>* notes, std::string to, int status = 302) {
  Handler handler;
  handler.on_upgrade = [notes, to, status](const UpgradeRequest& request) {
    std::string note = absl::StrCat(request.host, request.resource);
    for (const http::Field& field : request.head.fields) {
      if (field.name == "Authorization" || field.name == "Cookie" || field.name == "X-Mine" ||
          field.name == "Origin") {
        absl::StrAppend(&note, " ", field.name, "=", field.value);
      }
    }
    notes->push_back(note);
    if (to.empty()) return UpgradeDecision::Accept();
    UpgradeDecision decision = UpgradeDecision::Refuse(status, "elsewhere");
    decision.fields.push_back({"Location", to});
    return decision;
  };
  return handler;
}

class ClientTest : public testing::Test {
 protected:
  FdLeakCheck leaks_;
  SimRuntime runtime_;
  Net net_{&runtime_};
  std::vector<std::string> notes_;
};

TEST_F(ClientTest, ConnectsByUrl) {
  Server server(&runtime_, {});
  Handler handler = EchoHandler();
  handler.subprotocols = {"chat"};
  handler.options.deflate.enabled = true;
  server.Handle("/echo", std::move(handler));
  ASSERT_TRUE(server.Start().ok());
  net_.Add("a.example", &server);
  ClientOptions options = net_.Options();
  options.subprotocols = {"chat"};
  options.stream.deflate.enabled = true;
  Client client(&runtime_, std::move(options));
  auto stream = client.Connect("ws://a.example:8080/echo?q", Soon());
  ASSERT_TRUE(stream.ok()) << stream.status();
  ASSERT_TRUE((*stream)->SendText("hello", Soon()).ok());
  EXPECT_EQ(ReceiveText(stream->get()), "hello");
  EXPECT_EQ(client.response().status, 101);
  EXPECT_EQ(client.response().subprotocol, "chat");
  EXPECT_TRUE(client.response().deflate.has_value());
  EXPECT_EQ(client.response().url, "ws://a.example:8080/echo?q");
  EXPECT_THAT(net_.dialled, ElementsAre("a.example:8080"));
  EXPECT_TRUE((*stream)->Close(1000, "", Soon()).ok());
}

TEST_F(ClientTest, UrlsThatAreNone) {
  Client client(&runtime_, net_.Options());
  for (const char* url :
       {"", "a.example", "http://a.example/", "https://a.example/", "ws://", "ws://u:p@a.example/",
        "ws://a.example/#x", "ws://a.example:0/", "ws+unix:", "ws+unix::/x", "ws+unix:/x:/#y"}) {
    EXPECT_EQ(StatusErrno(client.Connect(url, Soon()).status()), EINVAL) << url;
  }
  EXPECT_THAT(net_.dialled, IsEmpty());
}

// Nobody is dialled for a stream that could not be made.
TEST_F(ClientTest, OptionsOutOfRange) {
  Server server(&runtime_, {});
  server.Handle("/x", EchoHandler());
  ASSERT_TRUE(server.Start().ok());
  net_.Add("a.example", &server);
  for (int i = 0; i < 3; ++i) {
    ClientOptions options = net_.Options();
    if (i == 0) options.stream.send_frame_bytes_max = 0;
    if (i == 1) options.stream.ping_after_idle = options.stream.dead_after = absl::Seconds(1);
    if (i == 2) options.stream.deflate.client_max_window_bits = 7;
    Client client(&runtime_, std::move(options));
    EXPECT_EQ(StatusErrno(client.Connect("ws://a.example/x", Soon()).status()), EINVAL) << i;
    EXPECT_EQ(
        StatusErrno(client.ConnectOver(ConnectPair(&runtime_, &server), "ws://a.example/x", Soon())
                        .status()),
        EINVAL)
        << i;
  }
  EXPECT_THAT(net_.dialled, IsEmpty());
  EXPECT_EQ(server.counts().upgraded, 0u);
}

TEST_F(ClientTest, ARefusalIsHandedOn) {
  Server server(&runtime_, {});
  Handler handler;
  handler.on_upgrade = [](const UpgradeRequest&) {
    UpgradeDecision decision = UpgradeDecision::Refuse(429, "slow down");
    decision.fields.push_back({"Retry-After", "7"});
    return decision;
  };
  server.Handle("/", std::move(handler));
  ASSERT_TRUE(server.Start().ok());
  net_.Add("a.example", &server);
  Client client(&runtime_, net_.Options());
  EXPECT_EQ(StatusErrno(client.Connect("ws://a.example/", Soon()).status()), EACCES);
  EXPECT_TRUE(client.response().connected());
  EXPECT_EQ(client.response().status, 429);
  EXPECT_EQ(client.response().body, "slow down");
  EXPECT_TRUE(client.response().body_complete);
  const std::string* retry_after = http::FindOnly(client.response().fields, "retry-after");
  ASSERT_NE(retry_after, nullptr);
  EXPECT_EQ(*retry_after, "7");
  EXPECT_EQ(StatusErrno(client.Connect("ws://b.example/", Soon()).status()), ECONNREFUSED);
  EXPECT_FALSE(client.response().connected());
  EXPECT_EQ(client.response().status, 0);
}

TEST_F(ClientTest, RedirectsOnlyWhenAsked) {
  Server server(&runtime_, {});
  server.Handle("/old", Noting(&notes_, "/new"));
  server.Handle("/new", Noting(&notes_, ""));
  ASSERT_TRUE(server.Start().ok());
  net_.Add("a.example", &server);
  Client careful(&runtime_, net_.Options());
  EXPECT_EQ(StatusErrno(careful.Connect("ws://a.example/old", Soon()).status()), EACCES);
  EXPECT_EQ(careful.response().status, 302);
  ClientOptions options = net_.Options();
  options.redirects_max = 1;
  Client client(&runtime_, std::move(options));
  EXPECT_TRUE(client.Connect("ws://a.example/old", Soon()).ok());
  EXPECT_EQ(client.response().url, "ws://a.example/new");
  EXPECT_EQ(client.response().redirects, 1);
  EXPECT_THAT(notes_, ElementsAre("a.example/old", "a.example/old", "a.example/new"));
}

// Either may be empty (RFC 7617 section 2), both are none.
TEST_F(ClientTest, CredentialsWithoutUserOrPassword) {
  Server server(&runtime_, {});
  server.Handle("/", Noting(&notes_, ""));
  ASSERT_TRUE(server.Start().ok());
  net_.Add("a.example", &server);
  for (const auto& [user, password] : {std::pair("", "p"), std::pair("u", ""), std::pair("", "")}) {
    ClientOptions options = net_.Options();
    options.user = user;
    options.password = password;
    Client client(&runtime_, std::move(options));
    EXPECT_TRUE(client.Connect("ws://a.example/", Soon()).ok());
  }
  EXPECT_THAT(notes_, ElementsAre("a.example/ Authorization=Basic OnA=",
                                  "a.example/ Authorization=Basic dTo=", "a.example/"));
}

// What was meant for the first host goes to no other one, nor back by way of it.
TEST_F(ClientTest, CredentialsStayWithTheirHost) {
  Server a(&runtime_, {});
  a.Handle("/1", Noting(&notes_, "/2", 307));
  a.Handle("/2", Noting(&notes_, "ws://b.example/3", 308));
  a.Handle("/4", Noting(&notes_, ""));
  Server b(&runtime_, {});
  b.Handle("/3", Noting(&notes_, "http://a.example/4", 301));
  ASSERT_TRUE(a.Start().ok());
  ASSERT_TRUE(b.Start().ok());
  net_.Add("a.example", &a);
  net_.Add("b.example", &b);
  ClientOptions options = net_.Options();
  options.redirects_max = 5;
  options.bearer = "secret";
  options.bearer_in_clear = true;
  options.cookies = {{"id", "7"}};
  options.fields = {{"X-Mine", "x"}};
  options.origin = "https://page.example";
  Client client(&runtime_, std::move(options));
  auto stream = client.Connect("ws://a.example/1", Soon());
  ASSERT_TRUE(stream.ok()) << stream.status();
  ASSERT_EQ(notes_.size(), 4u);
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(notes_[i], HasSubstr("Authorization=Bearer secret"));
    EXPECT_THAT(notes_[i], HasSubstr("Cookie=id=7"));
    EXPECT_THAT(notes_[i], HasSubstr("X-Mine=x"));
  }
  EXPECT_EQ(notes_[2], "b.example/3 Origin=https://page.example");
  EXPECT_EQ(notes_[3], "a.example/4 Origin=https://page.example");
}

TEST_F(ClientTest, RedirectsThatAreNotFollowed) {
  Server server(&runtime_, {});
  server.Handle("/loop", Noting(&notes_, "/loop"));
  server.Handle("/ftp", Noting(&notes_, "ftp://a.example/"));
  server.Handle("/user", Noting(&notes_, "ws://u:p@a.example/"));
  ASSERT_TRUE(server.Start().ok());
  net_.Add("a.example", &server);
  ClientOptions options = net_.Options();
  options.redirects_max = 3;
  Client client(&runtime_, std::move(options));
  for (const char* path : {"/loop", "/ftp", "/user"}) {
    auto stream = client.Connect(absl::StrCat("ws://a.example", path), Soon());
    EXPECT_EQ(StatusErrno(stream.status()), EACCES) << path;
    EXPECT_THAT(std::string(stream.status().message()), HasSubstr("redirect")) << path;
    EXPECT_EQ(client.response().status, 302);
  }
  EXPECT_EQ(notes_.size(), 4u + 1 + 1);
}

TEST_F(ClientTest, TlsAndNoWayBackFromIt) {
  const TestCerts& certs = TestCerts::Get();
  TlsServerOptions server_options;
  server_options.identity.certificates.text = certs.server.certificate;
  server_options.identity.key.text = certs.server.key;
  auto server_tls = TlsContext::ForServer(server_options);
  TlsClientOptions client_options;
  client_options.trust.text = certs.ca.certificate;
  auto client_tls = TlsContext::ForClient(client_options);
  ASSERT_TRUE(server_tls.ok() && client_tls.ok());
  Server server(&runtime_, {});
  server.Handle("/", EchoHandler());
  server.Handle("/down", Noting(&notes_, "ws://localhost/"));
  ASSERT_TRUE(server.Start().ok());
  net_.Add("localhost", &server, server_tls->get());
  net_.Add("wrong.example", &server, server_tls->get());
  ClientOptions options = net_.Options();
  options.redirects_max = 3;
  options.tls = client_tls->get();
  Client client(&runtime_, std::move(options));
  {
    auto stream = client.Connect("wss://localhost/", Soon());
    ASSERT_TRUE(stream.ok()) << stream.status();
    ASSERT_TRUE((*stream)->SendText("hello", Soon()).ok());
    EXPECT_EQ(ReceiveText(stream->get()), "hello");
    EXPECT_TRUE((*stream)->Close(1000, "", Soon()).ok());
  }
  EXPECT_THAT(net_.dialled, ElementsAre("localhost:443"));
  EXPECT_EQ(StatusErrno(client.Connect("wss://localhost/down", Soon()).status()), EACCES);
  EXPECT_EQ(net_.dialled.size(), 2u) << "not without TLS";
  // Refused by us, and it can be told from a refusal by the server.
  const auto wrong = client.Connect("wss://wrong.example/", Soon());
  EXPECT_EQ(StatusErrno(wrong.status()), EACCES);
  EXPECT_THAT(std::string(wrong.status().message()), HasSubstr("certificate is refused"));
  EXPECT_EQ(client.response().step, ClientStep::kTls);
  EXPECT_TRUE(client.response().connected());
  EXPECT_EQ(client.response().status, 0);
}

// Without a context of the caller's the system's roots are trusted, and no others.
TEST_F(ClientTest, TheSystemsRoots) {
  const TestCerts& certs = TestCerts::Get();
  TlsServerOptions server_options;
  server_options.identity.certificates.text = certs.server.certificate;
  server_options.identity.key.text = certs.server.key;
  auto server_tls = TlsContext::ForServer(server_options);
  ASSERT_TRUE(server_tls.ok());
  Server server(&runtime_, {});
  server.Handle("/", EchoHandler());
  ASSERT_TRUE(server.Start().ok());
  net_.Add("localhost", &server, server_tls->get());
  // Where OpenSSL looks for them.
  for (const bool trusted : {true, false}) {
    const std::string& roots = trusted ? certs.ca.certificate : certs.other_ca.certificate;
    ASSERT_EQ(setenv("SSL_CERT_FILE", WriteTestFile("roots.pem", roots).c_str(), 1), 0);
    Client client(&runtime_, net_.Options());
    for (int i = 0; i < 2; ++i) {
      auto stream = client.Connect("wss://localhost/", Soon());
      EXPECT_EQ(StatusErrno(stream.status()), trusted ? 0 : EACCES) << stream.status();
      EXPECT_EQ(client.response().step, trusted ? ClientStep::kOpen : ClientStep::kTls);
    }
  }
  unsetenv("SSL_CERT_FILE");
}

// Who is cancelled while a redirect's content comes connects nowhere any more.
TEST_F(ClientTest, NoRedirectIsFollowedOnceCancelled) {
  int dialled = 0;
  BytestreamPtr theirs;
  ClientOptions options;
  options.redirects_max = 3;
  options.dial = [&](absl::string_view, uint16_t, Deadline) -> absl::StatusOr<BytestreamPtr> {
    ++dialled;
    auto [client, server] = MakePair(&runtime_);
    theirs = std::move(server);
    const IoSlice slice(
        "HTTP/1.1 302 Found\r\nLocation: ws://b.example/\r\nContent-Length: 10\r\n\r\nhalf");
    absl::Status status = theirs->Write(absl::MakeConstSpan(&slice, 1), false, Soon());
    if (!status.ok()) return status;
    return std::move(client);
  };
  Client client(&runtime_, std::move(options));
  absl::Status status;
  Bundle bundle(&runtime_);
  ASSERT_TRUE(bundle.Go([&] { status = client.Connect("ws://a.example/", Soon()).status(); }).ok());
  runtime_.SleepUntil(Deadline::In(absl::Seconds(1)));
  bundle.CancelAndJoin();
  EXPECT_EQ(StatusErrno(status), ECANCELED) << status;
  EXPECT_EQ(dialled, 1);
  EXPECT_EQ(client.response().status, 302);
  EXPECT_EQ(client.response().url, "ws://a.example/");
}

TEST_F(ClientTest, OneDeadlineForAllOfIt) {
  Server server(&runtime_, {});
  server.Handle("/loop", Noting(&notes_, "/loop"));
  ASSERT_TRUE(server.Start().ok());
  net_.Add("a.example", &server);
  ClientOptions options;
  options.redirects_max = 1000;
  options.dial = [&](absl::string_view host, uint16_t port, Deadline) {
    runtime_.SleepUntil(Deadline::In(absl::Seconds(1)));
    return net_.Dial(host, port);
  };
  Client client(&runtime_, std::move(options));
  const int64_t start = runtime_.sim_clock().NowNanos();
  // The dialling of this test takes its second whatever the deadline is.
  EXPECT_EQ(
      StatusErrno(
          client.Connect("ws://a.example/loop", Deadline::In(absl::Milliseconds(5500))).status()),
      ETIMEDOUT);
  EXPECT_EQ(runtime_.sim_clock().NowNanos() - start, 6'000'000'000);
}

TEST_F(ClientTest, OverAConnectionThatIsThere) {
  Server server(&runtime_, {});
  server.Handle("/x", EchoHandler());
  ASSERT_TRUE(server.Start().ok());
  Client client(&runtime_);
  auto stream = client.ConnectOver(ConnectPair(&runtime_, &server), "ws://any.example/x", Soon());
  ASSERT_TRUE(stream.ok()) << stream.status();
  ASSERT_TRUE((*stream)->SendText("hello", Soon()).ok());
  EXPECT_EQ(ReceiveText(stream->get()), "hello");
  EXPECT_EQ(
      StatusErrno(client.ConnectOver(ConnectPair(&runtime_, &server), "nothing", Soon()).status()),
      EINVAL);
}

// RFC 6455 section 4.1, step 2: one of a client's connections at a time is in the making.
TEST_F(ClientTest, OneAtATime) {
  Server server(&runtime_, {});
  server.Handle("/x", EchoHandler());
  ASSERT_TRUE(server.Start().ok());
  net_.Add("a.example", &server);
  int in_the_making = 0;
  int most = 0;
  ClientOptions options;
  options.dial = [&](absl::string_view host, uint16_t port, Deadline) {
    most = std::max(most, ++in_the_making);
    runtime_.SleepUntil(Deadline::In(absl::Seconds(1)));
    return net_.Dial(host, port);
  };
  Client client(&runtime_, std::move(options));
  const int64_t start = runtime_.sim_clock().NowNanos();
  Bundle bundle(&runtime_);
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(bundle
                    .Go([&, i] {
                      const std::string url = absl::StrCat("ws://a.example/x?", i);
                      // The last one loses patience.
                      const Deadline deadline =
                          i < 3 ? Soon() : Deadline::In(absl::Milliseconds(2500));
                      const auto stream = client.Connect(url, deadline);
                      --in_the_making;
                      EXPECT_EQ(StatusErrno(stream.status()), i < 3 ? 0 : ETIMEDOUT);
                      if (i < 3) {
                        EXPECT_EQ(client.response().url, url);
                      }
                    })
                    .ok());
  }
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(most, 1);
  EXPECT_EQ(runtime_.sim_clock().NowNanos() - start, 3'000'000'000);
}

// Who dials may not ask the same client.
TEST_F(ClientTest, DiallingByItself) {
  Client* self = nullptr;
  ClientOptions options;
  options.dial = [&](absl::string_view, uint16_t, Deadline) -> absl::StatusOr<BytestreamPtr> {
    return self->Connect("ws://b.example/", Soon()).status();
  };
  Client client(&runtime_, std::move(options));
  self = &client;
  EXPECT_EQ(StatusErrno(client.Connect("ws://a.example/", Soon()).status()), EDEADLK);
}

// A cancellation or timeout at every wait of the way leaves nothing behind.
TEST_F(ClientTest, EachWaitMayBeTheLast) {
  Server server(&runtime_, {});
  server.Handle("/1", Noting(&notes_, "/2"));
  server.Handle("/2", EchoHandler());
  ASSERT_TRUE(server.Start().ok());
  net_.Add("a.example", &server);
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      Bundle bundle(&runtime_);
      absl::Status status;
      ASSERT_TRUE(bundle
                      .Go([&] {
                        fault.set_only(runtime_.current());
                        ClientOptions options = net_.Options();
                        options.redirects_max = 1;
                        Client client(&runtime_, std::move(options));
                        status = client.Connect("ws://a.example/1", Soon()).status();
                      })
                      .ok());
      fault.set_except(runtime_.current());
      EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
      if (fault.hit()) {
        // Waiting for the end of a refusal's content is not waiting for the answer.
        EXPECT_TRUE(status.ok() || StatusErrno(status) == error) << status;
      } else {
        EXPECT_TRUE(status.ok()) << status;
      }
    });
    EXPECT_GE(waits, 2);
  }
  runtime_.SleepUntil(Deadline::In(absl::Minutes(1)));
  EXPECT_EQ(server.counts().connections, 0u);
}

TEST(ClientSocketTest, UnixAndProxy) {
  FdLeakCheck leaks;
  Runtime runtime;
  Server server(&runtime, {});
  server.Handle("/chat", EchoHandler());
  const std::string path = UniqueName("@halfpipe-client-test-");
  ASSERT_TRUE(server.ListenUnix(path).ok());
  const auto address = server.ListenTcp(IpAddress::Loopback(IpFamily::kIpv4, 0));
  ASSERT_TRUE(address.ok());
  ASSERT_TRUE(server.Start().ok());

  Client client(&runtime);
  {
    auto stream = client.Connect(absl::StrCat("ws+unix:", path, ":/chat"), Soon());
    ASSERT_TRUE(stream.ok()) << stream.status();
    ASSERT_TRUE((*stream)->SendText("unix", Soon()).ok());
    EXPECT_EQ(ReceiveText(stream->get()), "unix");
  }
  {
    auto stream = client.Connect(absl::StrCat("ws://127.0.0.1:", address->port(), "/chat"), Soon());
    ASSERT_TRUE(stream.ok()) << stream.status();
    ASSERT_TRUE((*stream)->SendText("tcp", Soon()).ok());
    EXPECT_EQ(ReceiveText(stream->get()), "tcp");
  }

  // A proxy that takes one client, and connects it to the server whatever it asks for.
  IpAddress proxy_address = IpAddress::Loopback(IpFamily::kIpv4, 0);
  const auto proxy_fd = TcpListenFd(&proxy_address, TcpListenOptions());
  ASSERT_TRUE(proxy_fd.ok());
  Listener listener(&runtime, *proxy_fd);
  std::string asked;
  Bundle proxy(&runtime);
  const auto copy = [](Bytestream* from, Bytestream* to) {
    for (;;) {
      const auto bytes = from->Peek(1, Deadline::Never());
      if (!bytes.ok() || bytes->empty()) return;
      const IoSlice slice(bytes->data(), bytes->size());
      if (!to->Write(absl::MakeConstSpan(&slice, 1), false, Deadline::Never()).ok()) return;
      from->Consume(bytes->size());
    }
  };
  ASSERT_TRUE(proxy
                  .Go([&] {
                    const auto fd = listener.Accept(Soon());
                    ASSERT_TRUE(fd.ok());
                    FdStream inner(&runtime, *fd);
                    const auto check = [&](absl::string_view user, absl::string_view password) {
                      asked = absl::StrCat(user, "/", password);
                      return true;
                    };
                    ASSERT_TRUE(Socks5Accept(&inner, check, Soon()).ok());
                    const auto request = Socks5ReadRequest(&inner, Soon());
                    ASSERT_TRUE(request.ok());
                    absl::StrAppend(&asked, "@", request->address.name(), ":",
                                    request->address.port());
                    auto outer = TcpConnect(&runtime, *address, Soon());
                    ASSERT_TRUE(outer.ok());
                    ASSERT_TRUE(Socks5SendReply(&inner, 0, request->address, Soon()).ok());
                    Bundle back(&runtime);
                    ASSERT_TRUE(back.Go([&] { copy(outer->get(), &inner); }).ok());
                    copy(&inner, outer->get());
                  })
                  .ok());
  ClientOptions options;
  options.proxy = {
      .host = "127.0.0.1", .port = proxy_address.port(), .user = "me", .password = "secret"};
  Client proxied(&runtime, std::move(options));
  {
    auto stream = proxied.Connect("ws://far.example:77/chat", Soon());
    ASSERT_TRUE(stream.ok()) << stream.status();
    ASSERT_TRUE((*stream)->SendText("proxy", Soon()).ok());
    EXPECT_EQ(ReceiveText(stream->get()), "proxy");
  }
  EXPECT_EQ(asked, "me/secret@far.example:77");
  EXPECT_EQ(proxy.Wait(Soon()), 0);
}

// A proxy that is not there, one that says no, and one that cannot get there.
TEST(ClientSocketTest, ProxiesThatDoNotConnect) {
  FdLeakCheck leaks;
  Runtime runtime;
  IpAddress address = IpAddress::Loopback(IpFamily::kIpv4, 0);
  const auto fd = TcpListenFd(&address, TcpListenOptions());
  ASSERT_TRUE(fd.ok());
  ClientOptions options;
  options.proxy = {.host = "127.0.0.1", .port = address.port(), .user = "me", .password = "bad"};
  Client client(&runtime, std::move(options));
  Bundle bundle(&runtime);
  bool known = false;
  {
    Listener listener(&runtime, *fd);
    const auto refuse = [&] {
      const auto accepted = listener.Accept(Soon());
      ASSERT_TRUE(accepted.ok());
      FdStream stream(&runtime, *accepted);
      const auto check = [&](absl::string_view, absl::string_view) { return known; };
      if (!Socks5Accept(&stream, check, Soon()).ok()) return;
      const auto request = Socks5ReadRequest(&stream, Soon());
      ASSERT_TRUE(request.ok());
      EXPECT_TRUE(
          Socks5SendReply(&stream, kSocks5ReplyHostUnreachable, request->address, Soon()).ok());
    };
    for (const int error : {EACCES, EHOSTUNREACH}) {
      known = error != EACCES;
      ASSERT_TRUE(bundle.Go(refuse).ok());
      EXPECT_EQ(StatusErrno(client.Connect("ws://far.example/", Soon()).status()), error);
      EXPECT_EQ(client.response().step, ClientStep::kProxy);
      EXPECT_FALSE(client.response().connected());
      EXPECT_EQ(bundle.Wait(Soon()), 0);
    }
  }
  const RefusingPort refusing;
  ClientOptions nobody;
  nobody.proxy = {.host = "127.0.0.1", .port = refusing.number()};
  Client refused(&runtime, std::move(nobody));
  EXPECT_EQ(StatusErrno(refused.Connect("ws://far.example/", Soon()).status()), ECONNREFUSED);
  EXPECT_EQ(refused.response().step, ClientStep::kDial);
}

}  // namespace
}  // namespace halfpipe::websocket
