// Our programs and the page's example with implementations that others wrote, both ways.

#include <csignal>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/interop/peer.h"
#include "tools/wsecho/child_process.h"

namespace halfpipe::tools {
namespace {

using ::testing::HasSubstr;

constexpr char kWsecho[] = "tools/wsecho/wsecho";
constexpr char kWscat[] = "tools/wscat/wscat";
constexpr char kExample[] = "tools/interop/ws_done_example";

std::string After(absl::string_view words, const std::string& line) {
  absl::string_view rest = line;
  EXPECT_TRUE(absl::ConsumePrefix(&rest, words)) << line;
  return std::string(rest);
}

class PeersTest : public ::testing::TestWithParam<Peer> {
 protected:
  void SetUp() override {
    if (!Installed(GetParam().name, GetParam().probe)) {
      GTEST_SKIP() << GetParam().name << " is not installed";
    }
  }
};

TEST_P(PeersTest, ExchangesWithWsecho) {
  ChildProcess server({kWsecho, "--listen=127.0.0.1:0"});
  const std::string url = After("listening on ", server.ReadLine());
  ChildProcess client(With(GetParam().client, {"exchange", url}));
  EXPECT_EQ(client.Finish(""), 0) << client.errors();
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0);
}

TEST_P(PeersTest, SeesTheCloseOfWsecho) {
  ChildProcess server({kWsecho, "--listen=127.0.0.1:0"});
  const std::string url = After("listening on ", server.ReadLine());
  ChildProcess client(
      With(GetParam().client, {"await-close", url, "1001", "the server is stopping"}));
  EXPECT_EQ(client.ReadLine(), "open");
  server.Signal(SIGTERM);
  EXPECT_EQ(client.Finish(""), 0) << client.errors();
  EXPECT_EQ(server.Wait(), 0);
}

TEST_P(PeersTest, SeesCodeAndReasonOfWscat) {
  ChildProcess cat({kWscat, "--listen=127.0.0.1:0", "--close=4003,au revoir \xc3\xa0 tous"});
  const std::string url = After("listening on ", cat.ReadErrorLine());
  ChildProcess client(
      With(GetParam().client, {"await-close", url, "4003", "au revoir \xc3\xa0 tous"}));
  EXPECT_EQ(client.ReadLine(), "open");
  cat.CloseInput();
  EXPECT_EQ(client.Finish(""), 0) << client.errors();
  EXPECT_EQ(cat.Wait(), 0);
}

TEST_P(PeersTest, ServesWscat) {
  ChildProcess server(GetParam().server);
  const std::string host = absl::StrCat("localhost:", After("port ", server.ReadLine()));
  ChildProcess cat({kWscat, "--close=4004,bye", absl::StrCat("ws://", host, "/path?query")});
  EXPECT_EQ(server.ReadLine(), absl::StrCat("connection /path?query ", host));
  cat.Write("hello\n");
  EXPECT_EQ(cat.ReadLine(), "hello");
  cat.Write("cut it\n");
  EXPECT_EQ(cat.ReadLine(), "in three pieces");
  cat.Write("ping me\n");
  EXPECT_EQ(server.ReadLine(), "pong from the server");
  const std::string large(1 << 20, 'm');
  // A peer may answer a Close before it has answered the messages in front of it.
  cat.Write(large + "\n");
  EXPECT_TRUE(cat.ReadLine() == large);
  EXPECT_EQ(cat.Finish(""), 0) << cat.errors();
  EXPECT_EQ(server.ReadLine(), "closed 4004 bye");
}

TEST_P(PeersTest, TakesBinaryFromWscat) {
  ChildProcess server(GetParam().server);
  const std::string port = After("port ", server.ReadLine());
  ChildProcess cat({kWscat, "--binary", "--ping", absl::StrCat("ws://127.0.0.1:", port, "/")});
  cat.Write(absl::string_view("\0\xff\n\n", 4));
  EXPECT_EQ(cat.ReadLine(), std::string("\0\xff", 2));
  EXPECT_EQ(cat.ReadLine(), "");
  EXPECT_EQ(cat.Finish(""), 0) << cat.errors();
}

TEST_P(PeersTest, ClosesOnWscat) {
  ChildProcess server(GetParam().server);
  const std::string port = After("port ", server.ReadLine());
  ChildProcess cat({kWscat, absl::StrCat("ws://127.0.0.1:", port, "/")});
  EXPECT_EQ(server.ReadLine(), absl::StrCat("connection / 127.0.0.1:", port));
  cat.Write("close me\n");
  EXPECT_EQ(cat.Wait(), 5);
  EXPECT_THAT(cat.errors(), HasSubstr("the peer closed with 4002 as asked"));
  EXPECT_EQ(After("closed 4002", server.ReadLine()).substr(0, 1), " ");
}

TEST_P(PeersTest, ServesThePagesExample) {
  ChildProcess server(GetParam().server);
  ChildProcess::Options options;
  options.environment = {absl::StrCat("HALFPIPE_EXAMPLE_PORT=", After("port ", server.ReadLine()))};
  ChildProcess example({kExample}, options);
  EXPECT_EQ(example.Finish(""), 0) << example.errors();
  EXPECT_EQ(example.output(), "the same 13 bytes came back\n");
  EXPECT_EQ(server.ReadLine(), "connection / www.example.org");
  EXPECT_EQ(After("closed 1000", server.ReadLine()).substr(0, 1), " ");
}

INSTANTIATE_TEST_SUITE_P(All, PeersTest, ::testing::Values(NpmWs(), PythonWebsockets()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace halfpipe::tools
