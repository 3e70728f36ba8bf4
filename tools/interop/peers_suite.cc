#include "tools/interop/peers_suite.h"

#include <csignal>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/interop/results.h"
#include "tools/wsecho/child_process.h"

namespace halfpipe::tools {

using ::testing::HasSubstr;

namespace {

constexpr char kWsecho[] = "tools/wsecho/wsecho";
constexpr char kWscat[] = "tools/wscat/wscat";
constexpr char kExample[] = "tools/interop/ws_done_example";

}  // namespace

void PeersTest::SetUp() {
  if (!Ready(GetParam())) GTEST_SKIP() << GetParam().name << " is not here";
}

void PeersTest::Record(const std::string& role, const std::string& ours,
                       const std::string& compression, const std::string& what,
                       const std::string& outcome) {
  RecordResult({.peer = GetParam().name,
                .version = VersionOf(GetParam().name),
                .role = role,
                .ours = ours,
                .compression = compression,
                .what = what,
                .outcome = outcome});
}

std::string NameOfPeer(const testing::TestParamInfo<Peer>& info) { return info.param.name; }

TEST_P(PeersTest, ExchangesWithWsecho) {
  ChildProcess server({kWsecho, "--listen=127.0.0.1:0"});
  const std::string url = After("listening on ", server.ReadLine());
  ChildProcess client(With(GetParam().client, {"exchange", url}));
  EXPECT_EQ(client.Finish(""), 0) << client.errors();
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0);
  Record("client", "wsecho", "no", CasesIn(client.output()));
}

TEST_P(PeersTest, SeesTheCloseOfWsecho) {
  ChildProcess server({kWsecho, "--listen=127.0.0.1:0", "--drain_timeout=60"});
  const std::string url = After("listening on ", server.ReadLine());
  ChildProcess client(
      With(GetParam().client, {"await-close", url, "1001", "the server is stopping"}));
  EXPECT_EQ(client.ReadLine(), "open");
  server.Signal(SIGTERM);
  EXPECT_EQ(client.Finish(""), 0) << client.errors();
  EXPECT_EQ(server.Wait(), 0);
  Record("client", "wsecho, SIGTERM", "no", "close from our side");
}

// The message is larger than the limit, by its length or once it is inflated.
TEST_P(PeersTest, IsToldThatAMessageIsTooLarge) {
  for (const std::string& deflate : {std::string(), GetParam().client_deflate.plain}) {
    SCOPED_TRACE(deflate);
    ChildProcess server({kWsecho, "--listen=127.0.0.1:0", "--message_bytes_max=100000", "--deflate",
                         "--deflate_min_bytes=0"});
    const std::string url = After("listening on ", server.ReadLine());
    const std::vector<std::string> limit = {"too-large", url, "100000"};
    ChildProcess client(With(GetParam().client, deflate.empty() ? limit : With(limit, {deflate})));
    EXPECT_EQ(client.Finish(""), 0) << client.errors();
    server.Signal(SIGTERM);
    EXPECT_EQ(server.Wait(), 0);
    Record("client", "wsecho --message_bytes_max", deflate.empty() ? "no" : "yes",
           CasesIn(client.output()));
  }
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
  Record("client", "wscat --listen --close", "no", "close from our side with code and reason");
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
  Record("server", "wscat", "no",
         "text, fragments, ping from the peer, 1 MiB, close with code and reason");
}

TEST_P(PeersTest, TakesBinaryFromWscat) {
  ChildProcess server(GetParam().server);
  const std::string port = After("port ", server.ReadLine());
  ChildProcess cat({kWscat, "--binary", "--ping", absl::StrCat("ws://127.0.0.1:", port, "/")});
  cat.Write(absl::string_view("\0\xff\n\n", 4));
  EXPECT_EQ(cat.ReadLine(), std::string("\0\xff", 2));
  EXPECT_EQ(cat.ReadLine(), "");
  EXPECT_EQ(cat.Finish(""), 0) << cat.errors();
  Record("server", "wscat --binary --ping", "no", "ping, binary, empty, close");
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
  Record("server", "wscat", "no", "close from the peer with code and reason");
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
  Record("server", "the example of ws_done(3)", "no", "binary, close");
}

// ---- Compression --------------------------------------------------------------------------------

namespace {

struct DeflateCase {
  std::string name;                // For the table.
  std::string theirs;              // As in Peer::Deflate.
  std::vector<std::string> flags;  // Ours.
  std::vector<std::string> words;  // What the agreement says.
};

std::vector<DeflateCase> DeflateCases(const Peer::Deflate& peer) {
  const std::vector<std::string> no_context = {"server_no_context_takeover",
                                               "client_no_context_takeover"};
  std::vector<DeflateCase> cases = {
      {"yes", peer.plain, {}, {}},
      {"without takeover, asked for by the peer", peer.no_context, {}, no_context},
      {"small windows, asked for by the peer", peer.windows, {}, {"server_max_window_bits=9"}},
      {"without takeover, asked for by ours",
       peer.plain,
       {"--deflate_server_no_context_takeover", "--deflate_client_no_context_takeover"},
       no_context},
      {"a small window, asked for by ours",
       peer.plain,
       {"--deflate_server_max_window_bits=10"},
       {"server_max_window_bits=10"}},
  };
  std::vector<DeflateCase> possible;
  for (DeflateCase& c : cases) {
    if (!c.theirs.empty()) possible.push_back(std::move(c));
  }
  return possible;
}

std::vector<std::string> WithFlags(std::vector<std::string> command, const DeflateCase& c) {
  command.push_back("--deflate");
  command.push_back("--deflate_min_bytes=0");
  return With(std::move(command), c.flags);
}

// What a line of the peer says was agreed on, if it names the extension and what `c` wants of it.
std::string AgreedIn(absl::string_view line, const DeflateCase& c) {
  EXPECT_THAT(std::string(line), HasSubstr("permessage-deflate"));
  for (const std::string& word : c.words) EXPECT_THAT(std::string(line), HasSubstr(word));
  const size_t at = line.find("permessage-deflate");
  return std::string(at == absl::string_view::npos ? line : line.substr(at));
}

}  // namespace

TEST_P(PeersTest, ExchangesCompressedWithWsecho) {
  for (const DeflateCase& c : DeflateCases(GetParam().client_deflate)) {
    SCOPED_TRACE(testing::Message() << c.theirs << testing::PrintToString(c.flags));
    ChildProcess server(WithFlags({kWsecho, "--listen=127.0.0.1:0"}, c));
    const std::string url = After("listening on ", server.ReadLine());
    ChildProcess client(With(GetParam().client, {"deflate", url, c.theirs}));
    const std::string agreed = AgreedIn(client.ReadLine(), c);
    EXPECT_EQ(client.Finish(""), 0) << client.errors();
    server.Signal(SIGTERM);
    EXPECT_EQ(server.Wait(), 0);
    Record("client", "wsecho --deflate", c.name, CasesIn(client.output()), agreed);
  }
}

TEST_P(PeersTest, ServesWscatCompressed) {
  const bool whole = GetParam().whole_with_deflate;
  for (DeflateCase& c : DeflateCases(GetParam().server_deflate)) {
    if (!GetParam().takes_first_offer) c.words.clear();
    SCOPED_TRACE(testing::Message() << c.theirs << testing::PrintToString(c.flags));
    ChildProcess server(With(GetParam().server, {c.theirs}));
    const std::string host = absl::StrCat("127.0.0.1:", After("port ", server.ReadLine()));
    ChildProcess cat(WithFlags({kWscat, absl::StrCat("ws://", host, "/")}, c));
    EXPECT_EQ(server.ReadLine(), absl::StrCat("connection / ", host));
    const std::string agreed = AgreedIn(server.ReadLine(), c);
    for (int i = 0; i < 5; ++i) {
      cat.Write("hello, hello\n");
      EXPECT_EQ(cat.ReadLine(), "hello, hello");
    }
    cat.Write("cut it\n");
    EXPECT_EQ(cat.ReadLine(), "in three pieces");
    std::string large;
    for (int i = 0; large.size() < 1 << 20; ++i) absl::StrAppend(&large, i * 7919, ",");
    cat.Write(large + "\n");
    EXPECT_TRUE(cat.ReadLine() == large);
    if (whole) {
      cat.Write("ping me\n");
      EXPECT_EQ(server.ReadLine(), "pong from the server");
      cat.Write("\n");
      EXPECT_EQ(cat.ReadLine(), "");
    }
    EXPECT_EQ(cat.Finish(""), 0) << cat.errors();
    EXPECT_EQ(After("closed 1000", server.ReadLine()).substr(0, 1), " ");
    Record("server", "wscat --deflate", c.name,
           absl::StrCat("text, fragments, 1 MiB, ", whole ? "ping from the peer, empty, " : "",
                        "close"),
           agreed);
  }
}

// One side alone does not compress.
TEST_P(PeersTest, OneSideAloneDoesNotCompress) {
  const DeflateCase plain = DeflateCases(GetParam().client_deflate)[0];
  ChildProcess wsecho({kWsecho, "--listen=127.0.0.1:0"});
  const std::string url = After("listening on ", wsecho.ReadLine());
  ChildProcess client(With(GetParam().client, {"deflate", url, plain.theirs}));
  EXPECT_THAT(client.ReadLine(), ::testing::Not(HasSubstr("permessage-deflate")));
  EXPECT_EQ(client.Finish(""), 0) << client.errors();
  Record("client", "wsecho", "offered by the peer alone", CasesIn(client.output()));
  ChildProcess server(GetParam().server);
  const std::string port = After("port ", server.ReadLine());
  ChildProcess cat(WithFlags({kWscat, absl::StrCat("ws://127.0.0.1:", port, "/")}, plain));
  EXPECT_EQ(server.ReadLine(), absl::StrCat("connection / 127.0.0.1:", port));
  cat.Write("hello\n");
  EXPECT_EQ(cat.ReadLine(), "hello");
  EXPECT_EQ(cat.Finish(""), 0) << cat.errors();
  Record("server", "wscat --deflate", "offered by ours alone", "text, close");
}

}  // namespace halfpipe::tools
