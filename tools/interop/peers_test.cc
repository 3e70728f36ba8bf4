// Our programs and the page's example with implementations that others wrote, both ways.

#include <csignal>
#include <string>
#include <utility>
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

// ---- Compression --------------------------------------------------------------------------------

struct DeflateCase {
  std::string theirs;              // As in Peer::Deflate.
  std::vector<std::string> flags;  // Ours.
  std::vector<std::string> words;  // What the agreement says.
};

std::vector<DeflateCase> DeflateCases(const Peer& peer) {
  const std::string no_context[] = {"server_no_context_takeover", "client_no_context_takeover"};
  return {
      {peer.deflate.plain, {}, {}},
      {peer.deflate.no_context, {}, {no_context[0]}},
      {peer.deflate.windows, {}, {"server_max_window_bits=9"}},
      {peer.deflate.plain,
       {"--deflate_server_no_context_takeover", "--deflate_client_no_context_takeover"},
       {no_context[0]}},
      {peer.deflate.plain, {"--deflate_server_max_window_bits=10"}, {"server_max_window_bits=10"}},
  };
}

std::vector<std::string> WithFlags(std::vector<std::string> command, const DeflateCase& c) {
  command.push_back("--deflate");
  command.push_back("--deflate_min_bytes=0");
  return With(std::move(command), c.flags);
}

TEST_P(PeersTest, ExchangesCompressedWithWsecho) {
  for (const DeflateCase& c : DeflateCases(GetParam())) {
    SCOPED_TRACE(testing::Message() << c.theirs << testing::PrintToString(c.flags));
    ChildProcess server(WithFlags({kWsecho, "--listen=127.0.0.1:0"}, c));
    const std::string url = After("listening on ", server.ReadLine());
    ChildProcess client(With(GetParam().client, {"deflate", url, c.theirs}));
    const std::string agreed = client.ReadLine();
    EXPECT_THAT(agreed, HasSubstr("permessage-deflate"));
    for (const std::string& word : c.words) EXPECT_THAT(agreed, HasSubstr(word));
    EXPECT_EQ(client.Finish(""), 0) << client.errors();
    server.Signal(SIGTERM);
    EXPECT_EQ(server.Wait(), 0);
  }
}

TEST_P(PeersTest, ServesWscatCompressed) {
  for (const DeflateCase& c : DeflateCases(GetParam())) {
    SCOPED_TRACE(testing::Message() << c.theirs << testing::PrintToString(c.flags));
    ChildProcess server(With(GetParam().server, {c.theirs}));
    const std::string host = absl::StrCat("127.0.0.1:", After("port ", server.ReadLine()));
    ChildProcess cat(WithFlags({kWscat, absl::StrCat("ws://", host, "/")}, c));
    EXPECT_EQ(server.ReadLine(), absl::StrCat("connection / ", host));
    const std::string agreed = server.ReadLine();
    EXPECT_THAT(agreed, HasSubstr("permessage-deflate"));
    for (const std::string& word : c.words) EXPECT_THAT(agreed, HasSubstr(word));
    for (int i = 0; i < 5; ++i) {
      cat.Write("hello, hello\n");
      EXPECT_EQ(cat.ReadLine(), "hello, hello");
    }
    cat.Write("cut it\n");
    EXPECT_EQ(cat.ReadLine(), "in three pieces");
    cat.Write("ping me\n");
    EXPECT_EQ(server.ReadLine(), "pong from the server");
    std::string large;
    for (int i = 0; large.size() < 1 << 20; ++i) absl::StrAppend(&large, i * 7919, ",");
    cat.Write(large + "\n\n");
    EXPECT_TRUE(cat.ReadLine() == large);
    EXPECT_EQ(cat.ReadLine(), "");
    EXPECT_EQ(cat.Finish(""), 0) << cat.errors();
    EXPECT_EQ(After("closed 1000", server.ReadLine()).substr(0, 1), " ");
  }
}

// One side alone does not compress.
TEST_P(PeersTest, OneSideAloneDoesNotCompress) {
  const DeflateCase plain = DeflateCases(GetParam())[0];
  ChildProcess wsecho({kWsecho, "--listen=127.0.0.1:0"});
  const std::string url = After("listening on ", wsecho.ReadLine());
  ChildProcess client(With(GetParam().client, {"deflate", url, plain.theirs}));
  EXPECT_THAT(client.ReadLine(), ::testing::Not(HasSubstr("permessage-deflate")));
  EXPECT_EQ(client.Finish(""), 0) << client.errors();
  ChildProcess server(GetParam().server);
  const std::string port = After("port ", server.ReadLine());
  ChildProcess cat(WithFlags({kWscat, absl::StrCat("ws://127.0.0.1:", port, "/")}, plain));
  EXPECT_EQ(server.ReadLine(), absl::StrCat("connection / 127.0.0.1:", port));
  cat.Write("hello\n");
  EXPECT_EQ(cat.ReadLine(), "hello");
  EXPECT_EQ(cat.Finish(""), 0) << cat.errors();
}

INSTANTIATE_TEST_SUITE_P(All, PeersTest, ::testing::Values(NpmWs(), PythonWebsockets()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace halfpipe::tools
