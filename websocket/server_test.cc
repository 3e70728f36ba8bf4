#include "websocket/server.h"

#include <cerrno>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/sim_clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/core/response.h"
#include "websocket/handshake/origin_policy.h"
#include "websocket/server_test_support.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/wire_builder.h"

namespace halfpipe::websocket {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What has been called, in order.
struct Log {
  std::vector<std::string> lines;
  void Add(std::string line) { lines.push_back(std::move(line)); }
};

Handler LoggingHandler(Log* log) {
  return {.on_open = [log](Connection& c) { log->Add(absl::StrCat("open ", c.resource())); },
          .on_message =
              [log](Connection& c, MessageView message) {
                log->Add(absl::StrCat("message ", message.text()));
                static_cast<void>(c.Send(message));
              },
          .on_close =
              [log](Connection&, const CloseReport& report) {
                log->Add(absl::StrCat("close ", report.code, " ", report.reason, " ",
                                      report.error == 0 ? "" : ErrnoName(report.error)));
              }};
}

class ServerTest : public testing::Test {
 protected:
  // Lets everything happen that is due, but no time pass beyond that.
  void Settle() { runtime_.SleepUntil(Deadline::In(absl::Milliseconds(1))); }
  absl::Duration Elapsed(Deadline since) {
    return absl::Nanoseconds(runtime_.sim_clock().NowNanos() - since.nanos());
  }
  Deadline Now() { return Deadline::AtNanos(runtime_.sim_clock().NowNanos()); }

  FdLeakCheck leaks_;
  SimRuntime runtime_;
  Log log_;
};

TEST_F(ServerTest, MessagesComeBack) {
  Server server(&runtime_, {});
  server.Handle("/echo", EchoHandler());
  ASSERT_TRUE(server.Start().ok());
  auto client = OpenPair(&runtime_, &server, "/echo?x=1");
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client->SendText(absl::StrCat("hello ", i), Soon()).ok());
    EXPECT_EQ(ReceiveText(client.get()), absl::StrCat("hello ", i));
  }
  const std::string large(300'000, 'x');
  Bundle sender(&runtime_);
  ASSERT_TRUE(sender.Go([&] { ASSERT_TRUE(client->SendText(large, Soon()).ok()); }).ok());
  EXPECT_EQ(ReceiveText(client.get()), large);
  EXPECT_EQ(sender.Wait(Soon()), 0);
  EXPECT_TRUE(client->Close(1000, "bye", Soon()).ok());
  Settle();
  const ServerCounts counts = server.counts();
  EXPECT_EQ(counts.connections, 0u);
  EXPECT_EQ(counts.open, 0u);
  EXPECT_EQ(counts.accepted, 1u);
  EXPECT_EQ(counts.upgraded, 1u);
  EXPECT_EQ(counts.messages_received, 4u);
  EXPECT_EQ(counts.messages_sent, 4u);
  EXPECT_EQ(counts.bytes_received, 3 * 7 + large.size());
  EXPECT_EQ(counts.bytes_sent, counts.bytes_received);
}

TEST_F(ServerTest, HandlersAreCalledInOrderAndCloseOnce) {
  Server server(&runtime_, {});
  server.Handle("/", LoggingHandler(&log_));
  ASSERT_TRUE(server.Start().ok());
  auto client = OpenPair(&runtime_, &server, "/");
  ASSERT_TRUE(client->SendText("a", Soon()).ok());
  ASSERT_TRUE(client->SendText("b", Soon()).ok());
  EXPECT_EQ(ReceiveText(client.get()), "a");
  EXPECT_EQ(ReceiveText(client.get()), "b");
  EXPECT_TRUE(client->Close(4000, "why not", Soon()).ok());
  client.reset();
  Settle();
  server.Stop();
  EXPECT_THAT(log_.lines, ElementsAre("open /", "message a", "message b", "close 4000 why not "));
}

// A connection at rest has no coroutine and holds no block of the pool.
TEST_F(ServerTest, AtRestThereIsNoCoroutine) {
#if defined(__SANITIZE_THREAD__)
  constexpr size_t kConnections = 1'000;
#else
  constexpr size_t kConnections = 10'000;
#endif
  Server server(&runtime_, {});
  server.Handle("/", EchoHandler());
  ASSERT_TRUE(server.Start().ok());
  std::vector<std::unique_ptr<Stream>> clients;
  for (size_t i = 0; i < kConnections; ++i) {
    clients.push_back(OpenPair(&runtime_, &server, "/"));
    ASSERT_NE(clients.back(), nullptr);
  }
  Settle();
  EXPECT_EQ(server.counts().parked, kConnections);
  EXPECT_EQ(server.counts().at_work, 0u);
  EXPECT_EQ(runtime_.coroutine_count(), 0u);
  EXPECT_EQ(runtime_.buffer_pool().blocks_in_use(), 0u);
  // All of them wake, and go to rest again.
  for (auto& client : clients) ASSERT_TRUE(client->SendText("ping", Soon()).ok());
  for (auto& client : clients) ASSERT_EQ(ReceiveText(client.get()), "ping");
  for (auto& client : clients) client->WhenReadable({});
  Settle();
  EXPECT_EQ(server.counts().messages_received, kConnections);
  EXPECT_EQ(server.counts().parked, kConnections);
  EXPECT_EQ(runtime_.coroutine_count(), 0u);
  clients.clear();
  Settle();
  EXPECT_EQ(server.counts().connections, 0u);
  EXPECT_EQ(runtime_.buffer_pool().blocks_in_use(), 0u);
}

TEST_F(ServerTest, PathsExactAndByPrefix) {
  Server server(&runtime_, {});
  const auto named = [](std::string name) {
    return Handler{.on_open = [name](Connection& c) { static_cast<void>(c.SendText(name)); }};
  };
  server.Handle("/a", named("exact"));
  server.HandlePrefix("/a", named("short"));
  server.HandlePrefix("/a/b/", named("long"));
  ASSERT_TRUE(server.Start().ok());
  for (const auto& [path, name] :
       std::vector<std::pair<std::string, std::string>>{{"/a", "exact"},
                                                        {"/a?b", "exact"},
                                                        {"/ab", "short"},
                                                        {"/a/b", "short"},
                                                        {"/a/b/", "long"},
                                                        {"/a/b/c?d", "long"}}) {
    auto client = OpenPair(&runtime_, &server, path);
    ASSERT_NE(client, nullptr);
    EXPECT_EQ(ReceiveText(client.get()), name) << path;
  }
  int status = 0;
  EXPECT_EQ(UpgradeClient(&runtime_, ConnectPair(&runtime_, &server), "/b", &status), nullptr);
  EXPECT_EQ(status, 404);
  EXPECT_EQ(UpgradeClient(&runtime_, ConnectPair(&runtime_, &server), "/A", &status), nullptr);
  EXPECT_EQ(status, 404);
  Settle();
  EXPECT_EQ(server.counts().refused[404], 2u);
}

TEST_F(ServerTest, AHookMayRefuse) {
  Server server(&runtime_, {});
  Handler handler = EchoHandler();
  handler.on_upgrade = [](const UpgradeRequest& request) {
    return request.resource == "/in" ? UpgradeDecision::Accept() : UpgradeDecision::Refuse(403);
  };
  server.HandlePrefix("/", std::move(handler));
  ASSERT_TRUE(server.Start().ok());
  int status = 0;
  EXPECT_EQ(UpgradeClient(&runtime_, ConnectPair(&runtime_, &server), "/out", &status), nullptr);
  EXPECT_EQ(status, 403);
  EXPECT_NE(UpgradeClient(&runtime_, ConnectPair(&runtime_, &server), "/in", &status), nullptr);
  Settle();
  EXPECT_EQ(server.counts().refused[403], 1u);
  EXPECT_EQ(server.counts().connections, 0u);
}

// Each path has its own idea of whose pages are welcome, and is not asked about others.
TEST_F(ServerTest, OriginsByPath) {
  Server server(&runtime_, {});
  Handler strict = EchoHandler();
  static constexpr absl::string_view kAllowed[] = {"https://page.example"};
  strict.origin.kind = OriginPolicy::Kind::kAllowList;
  strict.origin.allowed = kAllowed;
  server.Handle("/strict", std::move(strict));
  server.Handle("/open", EchoHandler());
  ASSERT_TRUE(server.Start().ok());
  const auto ask = [&](absl::string_view path, absl::string_view origin) {
    auto lower = ConnectPair(&runtime_, &server);
    ClientUpgradeOptions options = {.target = path, .host = "a"};
    options.origin = origin;
    ClientUpgradeResult result;
    static_cast<void>(ClientUpgrade(&runtime_, lower.get(), options, &result, Soon()));
    return result.status;
  };
  EXPECT_EQ(ask("/strict", "https://page.example"), 101);
  EXPECT_EQ(ask("/strict", "https://other.example"), 403);
  EXPECT_EQ(ask("/strict", ""), 403);
  EXPECT_EQ(ask("/open", "https://other.example"), 101);
  Settle();
  EXPECT_EQ(server.counts().refused[403], 2u);
}

// The lists of hosts and origins are the server's own: those that it was given may go at once.
TEST_F(ServerTest, KeepsItsLists) {
  std::optional<Server> server;
  {
    std::string host = "server.example";
    std::string page = "https://page.example";
    std::vector<absl::string_view> hosts = {host};
    std::vector<absl::string_view> pages = {page};
    ServerOptions options;
    options.hosts.hosts = hosts;
    server.emplace(&runtime_, std::move(options));
    Handler exact = EchoHandler();
    exact.origin = {.kind = OriginPolicy::Kind::kAllowList, .allowed = pages};
    server->Handle("/exact", std::move(exact));
    Handler prefix = EchoHandler();
    prefix.origin = {.kind = OriginPolicy::Kind::kAllowList, .allowed = pages};
    server->HandlePrefix("/below/", std::move(prefix));
    host.assign(host.size(), 'x');
    page.assign(page.size(), 'x');
  }
  ASSERT_TRUE(server->Start().ok());
  const auto ask = [&](absl::string_view path, absl::string_view host, absl::string_view origin) {
    auto lower = ConnectPair(&runtime_, &*server);
    ClientUpgradeOptions options = {.target = path, .host = host};
    options.origin = origin;
    ClientUpgradeResult result;
    static_cast<void>(ClientUpgrade(&runtime_, lower.get(), options, &result, Soon()));
    return result.status;
  };
  for (const absl::string_view path : {"/exact", "/below/all"}) {
    EXPECT_EQ(ask(path, "server.example", "https://page.example"), 101);
    EXPECT_EQ(ask(path, "server.example", "https://other.example"), 403);
    EXPECT_EQ(ask(path, "other.example", "https://page.example"), 421);
  }
}

// A handler sees only requests of its own path, and its compression holds for that alone.
TEST_F(ServerTest, CompressionByPath) {
  Server server(&runtime_, {});
  Handler compressed = EchoHandler();
  compressed.options.deflate.enabled = true;
  server.Handle("/deflate", std::move(compressed));
  server.Handle("/plain", EchoHandler());
  ASSERT_TRUE(server.Start().ok());
  DeflateOptions deflate;
  deflate.enabled = true;
  for (const bool wanted : {true, false}) {
    auto client = UpgradeClient(&runtime_, ConnectPair(&runtime_, &server),
                                wanted ? "/deflate" : "/plain", nullptr, deflate);
    ASSERT_NE(client, nullptr);
    EXPECT_EQ(client->options().deflate_params.has_value(), wanted);
    const std::string text(1000, 'x');
    ASSERT_TRUE(client->SendText(text, Soon()).ok());
    EXPECT_EQ(ReceiveText(client.get()), text);
  }
}

// What the path has to say about the upgrade holds behind plain requests too.
TEST_F(ServerTest, PlainRequestsBesideAndBeforeAnUpgrade) {
  Server server(&runtime_, {});
  Handler handler = EchoHandler();
  handler.subprotocols = {"chat"};
  handler.options.deflate.enabled = true;
  server.Handle("/ws", std::move(handler));
  server.HandlePlain([](const http::RequestHead& head) {
    return head.target == "/health" ? http::TextResponse(200, "fine\n")
                                    : http::TextResponse(404, "nothing\n");
  });
  ASSERT_TRUE(server.Start().ok());
  auto lower = ConnectPair(&runtime_, &server);
  for (int i = 0; i < 2; ++i) {
    const absl::string_view request = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n";
    const IoSlice slice(request);
    ASSERT_TRUE(lower->Write(absl::MakeConstSpan(&slice, 1), false, Soon()).ok());
    std::string answer;
    while (answer.find("fine\n") == std::string::npos) {
      auto bytes = lower->Peek(1, Soon());
      ASSERT_TRUE(bytes.ok() && !bytes->empty()) << answer;
      answer += std::string(AsChars(*bytes));
      lower->Consume(bytes->size());
    }
    EXPECT_THAT(answer, HasSubstr("HTTP/1.1 200 OK\r\n"));
  }
  DeflateOptions deflate;
  deflate.enabled = true;
  auto client = UpgradeClient(&runtime_, std::move(lower), "/ws", nullptr, deflate);
  ASSERT_NE(client, nullptr);
  EXPECT_TRUE(client->options().deflate_params.has_value());
  const std::string text(1000, 'x');
  ASSERT_TRUE(client->SendText(text, Soon()).ok());
  EXPECT_EQ(ReceiveText(client.get()), text);
  EXPECT_EQ(server.counts().plain_requests, 2u);
}

TEST_F(ServerTest, SubprotocolAndData) {
  struct Name final : ConnectionData {
    std::string name;
  };
  Server server(&runtime_, {});
  Handler handler;
  handler.subprotocols = {"v2", "v1"};
  handler.on_open = [](Connection& c) {
    auto name = std::make_unique<Name>();
    name->name = absl::StrCat(c.subprotocol(), " at ", c.resource());
    c.data = std::move(name);
  };
  handler.on_message = [](Connection& c, MessageView) {
    static_cast<void>(c.SendText(static_cast<Name&>(*c.data).name));
  };
  server.Handle("/", std::move(handler));
  ASSERT_TRUE(server.Start().ok());
  auto lower = ConnectPair(&runtime_, &server);
  const absl::string_view offers[] = {"v1", "v2"};
  ASSERT_TRUE(
      ClientUpgrade(&runtime_, lower.get(), {.host = "a", .subprotocols = offers}, nullptr, Soon())
          .ok());
  Stream client(&runtime_, std::move(lower), {.role = Role::kClient});
  ASSERT_TRUE(client.SendText("who?", Soon()).ok());
  EXPECT_EQ(ReceiveText(&client), "v1 at /");
}

TEST_F(ServerTest, ASessionOwnsItsCoroutine) {
  Server server(&runtime_, {});
  bool ended = false;
  server.Handle("/", {.session = [&](Connection&, Stream& stream) {
                  for (;;) {
                    const auto message = stream.ReceiveView(Deadline::Never());
                    if (!message.ok() || !message->has_value()) break;
                    if ((*message)->text() == "bye") break;
                    EXPECT_TRUE(stream.SendText((*message)->text(), Soon()).ok());
                  }
                  ended = true;
                }});
  ASSERT_TRUE(server.Start().ok());
  auto client = OpenPair(&runtime_, &server, "/");
  ASSERT_TRUE(client->SendText("one", Soon()).ok());
  EXPECT_EQ(ReceiveText(client.get()), "one");
  EXPECT_EQ(runtime_.coroutine_count(), 1u);
  EXPECT_EQ(server.counts().at_work, 1u);
  ASSERT_TRUE(client->SendText("bye", Soon()).ok());
  EXPECT_EQ(ReceiveText(client.get()), std::nullopt);
  EXPECT_TRUE(ended);
  ASSERT_TRUE(client->peer_close().has_value());
  EXPECT_EQ(client->peer_close()->code, 1000);
  client.reset();
  Settle();
  EXPECT_EQ(runtime_.coroutine_count(), 0u);
  EXPECT_EQ(server.counts().connections, 0u);
}

// A client that connects and says nothing has no coroutine, and is gone after the handshake time.
TEST_F(ServerTest, HalfOpenHandshakeEndsInTime) {
  Server server(&runtime_, {.handshake_time = absl::Seconds(7)});
  server.Handle("/", EchoHandler());
  ASSERT_TRUE(server.Start().ok());
  const Deadline start = Now();
  auto silent = ConnectPair(&runtime_, &server);
  EXPECT_EQ(runtime_.coroutine_count(), 0u);
  auto bytes = silent->Peek(1, Soon());
  EXPECT_TRUE(bytes.ok() && bytes->empty());
  EXPECT_EQ(Elapsed(start), absl::Seconds(7));
  EXPECT_EQ(server.counts().timed_out, 1u);
  EXPECT_EQ(server.counts().connections, 0u);
}

// A head that does not come to its end is answered in the handshake time, and others are served.
TEST_F(ServerTest, SlowHeadIsAnsweredInTime) {
  Server server(&runtime_, {.handshake_time = absl::Seconds(7)});
  server.Handle("/", EchoHandler());
  ASSERT_TRUE(server.Start().ok());
  const Deadline start = Now();
  auto slow = ConnectPair(&runtime_, &server);
  const IoSlice half("GET / HTTP/1.1\r\nHo");
  ASSERT_TRUE(slow->Write(absl::MakeConstSpan(&half, 1), false, Soon()).ok());
  auto client = OpenPair(&runtime_, &server, "/");
  ASSERT_TRUE(client->SendText("x", Soon()).ok());
  EXPECT_EQ(ReceiveText(client.get()), "x");
  auto answer = slow->Peek(12, Soon());
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(std::string(AsChars(*answer)).substr(0, 12), "HTTP/1.1 408");
  EXPECT_LE(Elapsed(start), absl::Seconds(7) + absl::Milliseconds(2));
  EXPECT_EQ(server.counts().refused[408], 1u);
  slow.reset();
  Settle();
  EXPECT_EQ(server.counts().connections, 1u);
}

TEST_F(ServerTest, IdleConnectionsAreClosed) {
  Server server(&runtime_, {.dead_after = absl::InfiniteDuration()});
  Handler handler = LoggingHandler(&log_);
  handler.options.idle_time_max = absl::Minutes(10);
  server.Handle("/", std::move(handler));
  ASSERT_TRUE(server.Start().ok());
  auto client = OpenPair(&runtime_, &server, "/");
  runtime_.SleepUntil(Deadline::In(absl::Minutes(9)));
  ASSERT_TRUE(client->SendText("x", Soon()).ok());
  EXPECT_EQ(ReceiveText(client.get()), "x");
  const Deadline start = Now();
  EXPECT_EQ(ReceiveText(client.get(), Deadline::In(absl::Hours(1))), std::nullopt);
  EXPECT_EQ(Elapsed(start), absl::Minutes(10));
  ASSERT_TRUE(client->peer_close().has_value());
  EXPECT_EQ(client->peer_close()->code, 1001);
  Settle();
  EXPECT_EQ(server.counts().open, 0u);
}

// The bound for closing is the same where idleness has begun it.
TEST_F(ServerTest, AnIdleCloseIsNotWaitedForLonger) {
  Server server(&runtime_, {});
  Handler handler = LoggingHandler(&log_);
  handler.options.close_time_max = absl::Seconds(3);
  handler.options.idle_time_max = absl::Minutes(1);
  server.Handle("/", std::move(handler));
  ASSERT_TRUE(server.Start().ok());
  auto client = OpenPair(&runtime_, &server, "/");
  runtime_.SleepUntil(Deadline::In(absl::Milliseconds(62'999)));
  EXPECT_EQ(server.counts().connections, 1u);
  runtime_.SleepUntil(Deadline::In(absl::Milliseconds(2)));
  EXPECT_EQ(server.counts().connections, 0u);
  EXPECT_THAT(log_.lines, ElementsAre("open /", "close 1006  ECONNRESET"));
}

// A message that comes in parts is put together, whether it is compressed or not.
TEST_F(ServerTest, MessagesInPieces) {
  Server server(&runtime_, {});
  Handler handler = EchoHandler();
  handler.options.deflate.enabled = true;
  server.Handle("/", std::move(handler));
  ASSERT_TRUE(server.Start().ok());
  for (const bool compressed : {false, true}) {
    DeflateOptions deflate;
    deflate.enabled = compressed;
    auto client = UpgradeClient(&runtime_, ConnectPair(&runtime_, &server, {.capacity_bytes = 700}),
                                "/", nullptr, deflate);
    ASSERT_NE(client, nullptr);
    std::string text;
    for (int i = 0; text.size() < 50'000; ++i) absl::StrAppend(&text, i, " ");
    Bundle sender(&runtime_);
    ASSERT_TRUE(sender.Go([&] { EXPECT_TRUE(client->SendText(text, Soon()).ok()); }).ok());
    EXPECT_EQ(ReceiveText(client.get()), text);
    EXPECT_EQ(sender.Wait(Soon()), 0);
    client.reset();
    Settle();
    EXPECT_EQ(server.counts().message_bytes, 0u);
  }
}

// A peer that has vanished without a word is found by pings.
TEST_F(ServerTest, DeadPeersAreFound) {
  Server server(&runtime_, {});
  server.Handle("/", LoggingHandler(&log_));
  ASSERT_TRUE(server.Start().ok());
  auto dead = OpenPair(&runtime_, &server, "/");
  auto alive = OpenPair(&runtime_, &server, "/");
  Bundle receiver(&runtime_);
  ASSERT_TRUE(receiver.Go([&] { ReceiveText(alive.get(), Deadline::Never()); }).ok());
  runtime_.SleepUntil(Deadline::In(absl::Seconds(119)));
  EXPECT_EQ(server.counts().connections, 2u);
  runtime_.SleepUntil(Deadline::In(absl::Seconds(2)));
  EXPECT_EQ(server.counts().connections, 1u);
  EXPECT_EQ(log_.lines.back(), "close 1006  ECONNRESET");
  runtime_.SleepUntil(Deadline::In(absl::Hours(1)));
  EXPECT_EQ(server.counts().connections, 1u);
  EXPECT_EQ(runtime_.coroutine_count(), 1u) << "of this test";
}

// A handler's own times win, also where it names one of them alone.
TEST_F(ServerTest, LivenessIsTheHandlersOrElseTheServers) {
  Server server(&runtime_, {.ping_after_idle = absl::Seconds(20), .dead_after = absl::Seconds(60)});
  const struct {
    const char* path;
    absl::Duration ping_after_idle, dead_after;  // the handler's
    absl::Duration ended;                        // infinite: never
  } kCases[] = {
      {"/server", absl::InfiniteDuration(), absl::InfiniteDuration(), absl::Seconds(60)},
      {"/both", absl::Seconds(3), absl::Seconds(7), absl::Seconds(7)},
      {"/dead", absl::InfiniteDuration(), absl::Seconds(90), absl::Seconds(90)},
      {"/ping", absl::Seconds(3), absl::InfiniteDuration(), absl::InfiniteDuration()},
  };
  std::map<std::string, absl::Duration> ended;
  Deadline start = Now();
  for (const auto& c : kCases) {
    Handler handler;
    handler.options.ping_after_idle = c.ping_after_idle;
    handler.options.dead_after = c.dead_after;
    handler.on_close = [&](Connection& connection, const CloseReport& report) {
      if (report.error == ECONNRESET) ended[std::string(connection.resource())] = Elapsed(start);
    };
    server.Handle(c.path, std::move(handler));
  }
  ASSERT_TRUE(server.Start().ok());
  // They say nothing, not even pongs.
  std::vector<std::unique_ptr<Stream>> clients;
  for (const auto& c : kCases) clients.push_back(OpenPair(&runtime_, &server, c.path));
  ASSERT_EQ(Elapsed(start), absl::ZeroDuration());
  // Which of them have had a ping.
  const auto pinged = [&] {
    std::string paths;
    for (size_t i = 0; i < clients.size(); ++i) {
      if (clients[i]->lower()->Peek(1, Deadline::Immediately()).ok()) paths += kCases[i].path;
    }
    return paths;
  };
  runtime_.SleepUntil(Deadline::In(absl::Seconds(4)));
  EXPECT_EQ(pinged(), "/both/ping");
  runtime_.SleepUntil(Deadline::In(absl::Seconds(20)));
  EXPECT_EQ(pinged(), "/server/both/ping");
  runtime_.SleepUntil(Deadline::In(absl::Minutes(10)));
  for (const auto& c : kCases) {
    const auto it = ended.find(c.path);
    EXPECT_EQ(it == ended.end() ? absl::InfiniteDuration() : it->second, c.ended) << c.path;
  }
  EXPECT_EQ(server.counts().connections, 1u);
  clients.clear();
  Settle();
}

TEST_F(ServerTest, ABreachOfTheProtocolIsReported) {
  Server server(&runtime_, {});
  server.Handle("/", LoggingHandler(&log_));
  ASSERT_TRUE(server.Start().ok());
  auto client = OpenPair(&runtime_, &server, "/");
  const std::string bad = WireBuilder(Role::kClient).Text("\xff");
  const IoSlice slice(bad);
  ASSERT_TRUE(client->lower()->Write(absl::MakeConstSpan(&slice, 1), false, Soon()).ok());
  EXPECT_EQ(ReceiveText(client.get()), std::nullopt);
  ASSERT_TRUE(client->peer_close().has_value());
  EXPECT_EQ(client->peer_close()->code, 1007);
  Settle();
  EXPECT_THAT(log_.lines, ElementsAre("open /", "close 1006  EPROTO"));
}

TEST_F(ServerTest, AHandlerMayCloseAndAbort) {
  Server server(&runtime_, {});
  Handler handler = LoggingHandler(&log_);
  handler.on_message = [](Connection& c, MessageView message) {
    if (message.text() == "close") {
      EXPECT_EQ(StatusErrno(c.Close(999, "")), EINVAL);
      EXPECT_EQ(StatusErrno(c.Close(1000, std::string(124, 'x'))), EMSGSIZE);
      EXPECT_TRUE(c.open());
      EXPECT_TRUE(c.Close(4001, "done").ok());
      EXPECT_TRUE(c.Close(4002, "again").ok());
      EXPECT_FALSE(c.open());
      EXPECT_EQ(StatusErrno(c.SendText("x")), EPIPE);
    } else {
      c.Abort();
      EXPECT_EQ(StatusErrno(c.SendText("x")), EBADF);
      EXPECT_EQ(StatusErrno(c.Close(1000, "")), EBADF);
    }
  };
  server.Handle("/", std::move(handler));
  ASSERT_TRUE(server.Start().ok());
  auto first = OpenPair(&runtime_, &server, "/");
  ASSERT_TRUE(first->SendText("close", Soon()).ok());
  EXPECT_EQ(ReceiveText(first.get()), std::nullopt);
  EXPECT_EQ(first->peer_close()->code, 4001);
  first.reset();
  auto second = OpenPair(&runtime_, &server, "/");
  ASSERT_TRUE(second->SendText("abort", Soon()).ok());
  EXPECT_EQ(ReceiveText(second.get()), std::nullopt);
  Settle();
  EXPECT_EQ(server.counts().connections, 0u);
  EXPECT_THAT(log_.lines, ElementsAre("open /", "close 4001  ", "open /", "close 1006  EBADF"));
}

// A peer that does not answer our Close is given close_time_max.
TEST_F(ServerTest, AnUnansweredCloseEndsInTime) {
  Server server(&runtime_, {});
  Handler handler = LoggingHandler(&log_);
  handler.options.close_time_max = absl::Seconds(3);
  handler.on_open = [](Connection& c) { EXPECT_TRUE(c.Close(1000, "").ok()); };
  server.Handle("/", std::move(handler));
  ASSERT_TRUE(server.Start().ok());
  auto client = OpenPair(&runtime_, &server, "/");
  EXPECT_EQ(runtime_.coroutine_count(), 0u);
  runtime_.SleepUntil(Deadline::In(absl::Milliseconds(2999)));
  EXPECT_EQ(server.counts().connections, 1u);
  runtime_.SleepUntil(Deadline::In(absl::Milliseconds(2)));
  EXPECT_EQ(server.counts().connections, 0u);
  EXPECT_EQ(server.counts().timed_out, 1u);
  EXPECT_THAT(log_.lines, ElementsAre("close 1006  ETIMEDOUT"));
}

// The time of a Close is over for a connection that has been broken since; its handler may last.
TEST_F(ServerTest, TheTimeOfACloseEndsWithTheConnection) {
  Server server(&runtime_, {});
  Handler handler = LoggingHandler(&log_);
  handler.options.close_time_max = absl::Seconds(3);
  handler.on_message = [](Connection& c, MessageView) {
    EXPECT_TRUE(c.Close(1000, "").ok());
    c.Abort();
    c.runtime()->SleepUntil(Deadline::In(absl::Seconds(10)));
  };
  server.Handle("/", std::move(handler));
  ASSERT_TRUE(server.Start().ok());
  auto client = OpenPair(&runtime_, &server, "/");
  ASSERT_TRUE(client->SendText("x", Soon()).ok());
  runtime_.SleepUntil(Deadline::In(absl::Seconds(11)));
  EXPECT_EQ(server.counts().connections, 0u);
  EXPECT_EQ(server.counts().timed_out, 0u);
  EXPECT_THAT(log_.lines, ElementsAre("open /", "close 1006  EBADF"));
}

// A peer that closes, and keeps its stream open, is given close_time_max without a coroutine.
TEST_F(ServerTest, ALingeringPeerEndsInTime) {
  Server server(&runtime_, {});
  Handler handler = LoggingHandler(&log_);
  handler.options.close_time_max = absl::Seconds(3);
  server.Handle("/", std::move(handler));
  ASSERT_TRUE(server.Start().ok());
  auto client = OpenPair(&runtime_, &server, "/");
  ASSERT_TRUE(client->Done(1000, "", Soon()).ok());
  EXPECT_EQ(ReceiveText(client.get()), std::nullopt);
  Settle();
  EXPECT_EQ(runtime_.coroutine_count(), 0u);
  EXPECT_EQ(server.counts().connections, 1u);
  EXPECT_EQ(server.counts().open, 0u);
  runtime_.SleepUntil(Deadline::In(absl::Seconds(4)));
  EXPECT_EQ(server.counts().connections, 0u);
  EXPECT_EQ(log_.lines.size(), 2u);
}

TEST_F(ServerTest, AcceptsOnlyWhileAConnectionPermitIsFree) {
  for (const bool per_thread : {false, true}) {
    ServerOptions options;
    (per_thread ? options.connections_per_thread_max : options.connections_max) = 2;
    Server server(&runtime_, options);
    server.Handle("/", EchoHandler());
    ASSERT_TRUE(server.Start().ok());
    auto first = OpenPair(&runtime_, &server, "/");
    auto second = OpenPair(&runtime_, &server, "/");
    auto [third, theirs] = MakePair(&runtime_);
    EXPECT_EQ(StatusErrno(server.Serve(std::move(theirs))), EMFILE);
    first.reset();
    Settle();
    EXPECT_NE(OpenPair(&runtime_, &server, "/"), nullptr);
  }
}

TEST_F(ServerTest, StartAndOptionsAreChecked) {
  for (int i = 0; i < 4; ++i) {
    ServerOptions options;
    if (i == 0) options.handshakes_max = 0;
    if (i == 1) options.at_work_max = 0;
    if (i == 2) options.connections_max = 0;
    if (i == 3) options.connections_per_thread_max = 0;
    Server server(&runtime_, options);
    EXPECT_EQ(StatusErrno(server.Start()), EINVAL);
  }
  for (const absl::Duration time : {absl::ZeroDuration(), absl::Seconds(-1)}) {
    for (int i = 0; i < 7; ++i) {
      ServerOptions options;
      Handler handler = EchoHandler();
      if (i == 0) options.handshake_time = time;
      if (i == 1) options.message_time = time;
      if (i == 2) options.keep_alive_time = time;
      if (i == 3) handler.options.close_time_max = time;
      if (i == 4) options.connection.send_time = time;
      if (i == 5) options.ping_after_idle = time;
      if (i == 6) options.dead_after = options.ping_after_idle + time;  // the ping comes first
      Server server(&runtime_, options);
      server.Handle("/", std::move(handler));
      EXPECT_EQ(StatusErrno(server.Start()), EINVAL) << i << " " << time;
    }
  }
  static constexpr absl::string_view kNoOrigin[] = {"page.example"};
  static constexpr absl::string_view kNoHost[] = {"no host"};
  for (int i = 0; i < 4; ++i) {
    ServerOptions options;
    if (i == 0) options.hosts.hosts = kNoHost;
    Handler handler = EchoHandler();
    if (i == 1) handler.options.send_frame_bytes_max = 0;
    if (i == 2) handler.options.deflate.server_max_window_bits = 7;
    if (i == 3) handler.origin = {.kind = OriginPolicy::Kind::kAllowList, .allowed = kNoOrigin};
    Server server(&runtime_, options);
    server.HandlePrefix("/", std::move(handler));
    EXPECT_EQ(StatusErrno(server.Start()), EINVAL);
  }
  // Paths that no request can have.
  for (const char* path : {"", "chat", "/chat?room=1", "ws://host/chat"}) {
    for (const bool prefix : {false, true}) {
      Server server(&runtime_, {});
      server.Handle("/good", EchoHandler());
      prefix ? server.HandlePrefix(path, EchoHandler()) : server.Handle(path, EchoHandler());
      const absl::Status status = server.Start();
      EXPECT_EQ(StatusErrno(status), EINVAL) << path;
      EXPECT_THAT(std::string(status.message()),
                  testing::HasSubstr(absl::StrCat("\"", path, "\"")));
    }
  }
  Server server(&runtime_, {});
  EXPECT_EQ(StatusErrno(server.Wait(Soon())), EINVAL);
  auto [client, theirs] = MakePair(&runtime_);
  EXPECT_EQ(StatusErrno(server.Serve(std::move(theirs))), EINVAL);
  EXPECT_TRUE(server.Start().ok());
  EXPECT_EQ(StatusErrno(server.Start()), EINVAL);
  EXPECT_EQ(StatusErrno(server.Wait(Deadline::In(absl::Seconds(1)))), ETIMEDOUT);
  server.Stop();
  server.Stop();
  EXPECT_TRUE(server.Wait(Deadline::Never()).ok());
  auto [other, others] = MakePair(&runtime_);
  EXPECT_EQ(StatusErrno(server.Serve(std::move(others))), ECANCELED);
}

}  // namespace
}  // namespace halfpipe::websocket
