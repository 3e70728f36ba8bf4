#include "websocket/recipes.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/refusing_port.h"
#include "bytestream/testing/test_certs.h"
#include "gtest/gtest.h"
#include "websocket/client.h"
#include "websocket/server_test_support.h"

namespace recipes {
namespace {

using halfpipe::Bundle;
using halfpipe::Channel;
using halfpipe::Deadline;
using halfpipe::Runtime;
using halfpipe::websocket::Client;
using halfpipe::websocket::ClientOptions;
using halfpipe::websocket::Connection;
using halfpipe::websocket::EchoHandler;
using halfpipe::websocket::Handler;
using halfpipe::websocket::OpenPair;
using halfpipe::websocket::ReceiveText;
using halfpipe::websocket::Server;
using halfpipe::websocket::ServerOptions;
using halfpipe::websocket::Soon;
using halfpipe::websocket::Stream;

class RecipesTest : public testing::Test {
 protected:
  halfpipe::FdLeakCheck leaks_;
  Runtime runtime_;
};

// Serves on a port of its own; `url` is without a path.
struct Listening {
  explicit Listening(Server* server) {
    const auto address =
        server->ListenTcp(halfpipe::IpAddress::Loopback(halfpipe::IpFamily::kIpv4, 0));
    EXPECT_TRUE(address.ok()) << address.status();
    if (address.ok()) url = absl::StrCat("ws://", address->ToString());
  }
  std::string url;
};

TEST_F(RecipesTest, MessageOrCommand) {
  Server server(&runtime_, {});
  server.Handle("/", EchoHandler());
  ASSERT_TRUE(server.Start().ok());
  auto stream = OpenPair(&runtime_, &server, "/");
  ASSERT_NE(stream, nullptr);
  Channel<std::string> commands(&runtime_);
  std::string heard;
  Bundle bundle(&runtime_);
  ASSERT_TRUE(bundle
                  .Go([&] {
                    for (const char* command : {"a", "b", "c"}) {
                      EXPECT_TRUE(commands.Send(command, Soon()).ok());
                    }
                    while (heard.size() < 3 && runtime_.Yield() == 0) {
                    }
                    commands.Done();
                  })
                  .ok());
  const absl::Status status = Converse(&runtime_, stream.get(), &commands, &heard);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(heard, "abc");
}

TEST_F(RecipesTest, MessageOrCommandEndsWithThePeer) {
  Server server(&runtime_, {});
  server.Handle("/", {.on_open = [](Connection& c) {
                  EXPECT_TRUE(c.SendText("bye").ok());
                  EXPECT_TRUE(c.Close(1000, "").ok());
                }});
  ASSERT_TRUE(server.Start().ok());
  auto stream = OpenPair(&runtime_, &server, "/");
  ASSERT_NE(stream, nullptr);
  Channel<std::string> commands(&runtime_);
  std::string heard;
  EXPECT_TRUE(Converse(&runtime_, stream.get(), &commands, &heard).ok());
  EXPECT_EQ(heard, "bye");
}

// What one side closes with the other hears, and its answers still come back.
TEST_F(RecipesTest, ProxyHalfCloses) {
  Server back(&runtime_, {});
  Handler handler;
  handler.options.answer_close = false;
  handler.session = [](Connection& connection, Stream& stream) {
    EXPECT_EQ(connection.resource(), "/any?x=1");
    EXPECT_EQ(ReceiveText(&stream), "hello");
    EXPECT_EQ(ReceiveText(&stream), std::nullopt);
    ASSERT_TRUE(stream.peer_close().has_value());
    EXPECT_EQ(stream.peer_close()->code, 4001);
    EXPECT_EQ(stream.peer_close()->reason, "enough");
    EXPECT_TRUE(stream.SendText("the last word", Soon()).ok());
    EXPECT_TRUE(stream.Done(0, "", Soon()).ok());
  };
  back.Handle("/any", std::move(handler));
  const Listening backend(&back);
  ASSERT_TRUE(back.Start().ok());
  Server proxy(&runtime_, {});
  AddProxy(&proxy, backend.url);
  ASSERT_TRUE(proxy.Start().ok());

  auto stream = OpenPair(&runtime_, &proxy, "/any?x=1");
  ASSERT_NE(stream, nullptr);
  ASSERT_TRUE(stream->SendText("hello", Soon()).ok());
  ASSERT_TRUE(stream->Done(4001, "enough", Soon()).ok());
  EXPECT_EQ(ReceiveText(stream.get()), "the last word");
  EXPECT_EQ(ReceiveText(stream.get()), std::nullopt);
  ASSERT_TRUE(stream->peer_close().has_value());
  EXPECT_EQ(stream->peer_close()->code, 1005);

  const halfpipe::RefusingPort refusing;
  Server lonely(&runtime_, {});
  AddProxy(&lonely, absl::StrCat("ws://127.0.0.1:", refusing.number()));
  ASSERT_TRUE(lonely.Start().ok());
  stream = OpenPair(&runtime_, &lonely, "/");
  ASSERT_NE(stream, nullptr);
  EXPECT_EQ(ReceiveText(stream.get()), std::nullopt);
  ASSERT_TRUE(stream->peer_close().has_value());
  EXPECT_EQ(stream->peer_close()->code, 1014);
}

TEST_F(RecipesTest, Upload) {
  Server server(&runtime_, {});
  AddUploads(&server);
  ASSERT_TRUE(server.Start().ok());
  char name[] = "/tmp/recipes_test.XXXXXX";
  const int fd = mkstemp(name);
  ASSERT_GE(fd, 0);
  unlink(name);
  // Larger than the bound of messages that are received whole.
  constexpr uint64_t kSize = uint64_t{20} << 20;
  ASSERT_EQ(ftruncate(fd, kSize), 0);
  auto stream = OpenPair(&runtime_, &server, "/upload");
  ASSERT_NE(stream, nullptr);
  const auto answer = Upload(stream.get(), fd, Soon());
  EXPECT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer.value_or(""), absl::StrCat(kSize));
  close(fd);
}

TEST_F(RecipesTest, Members) {
  Server server(&runtime_, {});
  AddMembers(&server, "s3cret");
  const Listening listening(&server);
  ASSERT_TRUE(server.Start().ok());
  const auto ask = [&](absl::string_view path, std::string bearer, std::string origin) {
    ClientOptions options;
    options.bearer = std::move(bearer);
    options.origin = std::move(origin);
    Client client(&runtime_, std::move(options));
    auto stream = client.Connect(absl::StrCat(listening.url, path), Soon());
    return client.response().status;
  };
  EXPECT_EQ(ask("/members", "s3cret", ""), 101);
  EXPECT_EQ(ask("/members", "s3cret", "https://app.example"), 101);
  EXPECT_EQ(ask("/members", "s3cret", "https://other.example"), 403);
  EXPECT_EQ(ask("/members", "other", ""), 401);
  EXPECT_EQ(ask("/members", "", ""), 401);
  EXPECT_EQ(ask("/none", "s3cret", ""), 404);
}

TEST_F(RecipesTest, Tls) {
  const halfpipe::TestCerts& certs = halfpipe::TestCerts::Get();
  const std::string ca = halfpipe::WriteTestFile("ca.pem", certs.ca.certificate);
  const std::string chain = halfpipe::WriteTestFile("chain.pem", certs.server.certificate);
  const std::string key = halfpipe::WriteTestFile("key.pem", certs.server.key);
  std::unique_ptr<halfpipe::TlsContext> context;
  Server server(&runtime_, {});
  server.Handle("/", EchoHandler());
  auto address = halfpipe::IpAddress::Loopback(halfpipe::IpFamily::kIpv4, 0);
  auto listening = ListenWithTls(&server, &address, chain, key);
  ASSERT_TRUE(listening.ok()) << listening.status();
  context = *std::move(listening);
  ASSERT_TRUE(server.Start().ok());
  const std::string url = absl::StrCat("wss://localhost:", address.port(), "/");
  const auto answer = AskWithTls(&runtime_, url, ca, Soon());
  EXPECT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer.value_or(""), "?");
  // Whoever trusts others is told so.
  const std::string others = halfpipe::WriteTestFile("other.pem", certs.other_ca.certificate);
  EXPECT_EQ(halfpipe::StatusErrno(AskWithTls(&runtime_, url, others, Soon()).status()), EACCES);
  EXPECT_EQ(halfpipe::StatusErrno(ListenWithTls(&server, &address, ca, "/none").status()), ENOENT);
  server.Stop();
}

TEST_F(RecipesTest, Files) {
  Server server(&runtime_, {});
  AddFiles(&server);
  ASSERT_TRUE(server.Start().ok());
  char name[] = "/tmp/recipes_test.XXXXXX";
  const int fd = mkstemp(name);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(write(fd, "text", 4), 4);
  close(fd);
  auto stream = OpenPair(&runtime_, &server, "/files");
  ASSERT_NE(stream, nullptr);
  ASSERT_TRUE(stream->SendText(name, Soon()).ok());
  EXPECT_EQ(ReceiveText(stream.get()), "text");
  unlink(name);
  ASSERT_TRUE(stream->SendText(name, Soon()).ok());
  EXPECT_EQ(ReceiveText(stream.get()), std::nullopt);
  ASSERT_TRUE(stream->peer_close().has_value());
  EXPECT_EQ(stream->peer_close()->code, 4004);
  EXPECT_EQ(stream->peer_close()->reason, "no such file");
}

TEST_F(RecipesTest, EndsBySignal) {
  sigset_t before;
  ASSERT_EQ(pthread_sigmask(SIG_SETMASK, nullptr, &before), 0);
  ServerOptions options;
  options.threads = 2;
  Server server(std::move(options));
  server.Handle("/", EchoHandler());
  const Listening listening(&server);
  const pthread_t self = pthread_self();
  // Signals this thread alone, whether it waits for that already or not: it has been blocked since
  // before there was somebody to connect to.
  std::thread peer([&] {
    Runtime runtime;
    Client client(&runtime);
    auto stream = client.Connect(absl::StrCat(listening.url, "/"), Soon());
    ASSERT_TRUE(stream.ok()) << stream.status();
    ASSERT_TRUE((*stream)->SendText("x", Soon()).ok());
    EXPECT_EQ(ReceiveText(stream->get()), "x");
    pthread_kill(self, SIGTERM);
    EXPECT_EQ(ReceiveText(stream->get()), std::nullopt);
    ASSERT_TRUE((*stream)->peer_close().has_value());
    EXPECT_EQ((*stream)->peer_close()->code, 1001);
    EXPECT_TRUE((*stream)->Close(1000, "", Soon()).ok());
  });
  EXPECT_EQ(ServeUntilSignal(&server), 0);
  peer.join();
  EXPECT_EQ(server.counts().drained, 1u);
  EXPECT_EQ(pthread_sigmask(SIG_SETMASK, &before, nullptr), 0);
}

// Half of the connections never get an answer; it returns all the same.
TEST_F(RecipesTest, SurveyEndsAtItsDeadline) {
  Server server(&runtime_, {});
  int asked = 0;
  server.Handle("/", {.on_message = [&](Connection& connection, halfpipe::websocket::MessageView) {
                  if (++asked % 2 == 0) static_cast<void>(connection.SendText("yes"));
                }});
  const Listening listening(&server);
  ASSERT_TRUE(server.Start().ok());
  const int answers = Survey(&runtime_, absl::StrCat(listening.url, "/"), 10,
                             Deadline::In(absl::Milliseconds(300)));
  EXPECT_LE(answers, 5);
}

}  // namespace
}  // namespace recipes
