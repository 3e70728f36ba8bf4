// wsecho and wscat with the WebSocket of browsers under node: node's own, and undici's. They are
// clients, and neither fragments nor pings.

#include <csignal>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/interop/peer.h"
#include "tools/interop/results.h"
#include "tools/wsecho/child_process.h"

namespace halfpipe::tools {
namespace {

using ::testing::AnyOf;
using ::testing::StartsWith;

constexpr char kWsecho[] = "tools/wsecho/wsecho";
constexpr char kWscat[] = "tools/wscat/wscat";

struct Runtime {
  std::string name;
  std::vector<std::string> client;
  std::string install;
  // Node has one of its own from 20.10 on.
  bool may_be_absent;
};

class NodeTest : public testing::TestWithParam<Runtime> {
 protected:
  void SetUp() override {
    const Runtime& runtime = GetParam();
    const std::vector<std::string> version = With(runtime.client, {"version"});
    if (runtime.may_be_absent) {
      ChildProcess process(version);
      if (process.Finish("") != 0) {
        RecordAbsence(runtime.name);
        GTEST_SKIP() << "this node has no WebSocket of its own";
      }
    }
    if (!Installed(runtime.name, version, runtime.install))
      GTEST_SKIP() << runtime.name << " is not installed";
  }

  // Starts wsecho, and a client in `mode` with it, which has to succeed. Returns what it agreed on.
  void Run(const std::string& mode, const std::vector<std::string>& flags,
           const std::vector<std::string>& arguments, const std::string& ours) {
    ChildProcess server(With({kWsecho, "--listen=127.0.0.1:0"}, flags));
    const std::string url = After("listening on ", server.ReadLine());
    ChildProcess client(With(With(GetParam().client, {mode, url}), arguments));
    const std::string agreed = After("extensions ", client.ReadLine());
    EXPECT_EQ(client.Finish(""), 0) << client.errors();
    server.Signal(SIGTERM);
    EXPECT_EQ(server.Wait(), 0);
    Record(ours, !flags.empty(), agreed, CasesIn(client.output()));
  }

  void Record(const std::string& ours, bool deflate, const std::string& agreed,
              const std::string& what) {
    EXPECT_THAT(agreed, AnyOf("", StartsWith("permessage-deflate")));
    if (!deflate) {
      EXPECT_EQ(agreed, "");
    }
    RecordResult({.peer = GetParam().name,
                  .version = VersionOf(GetParam().name),
                  .role = "client",
                  .ours = ours,
                  .compression = deflate ? "if the peer offers it" : "no",
                  .what = what,
                  .outcome = agreed});
  }
};

TEST_P(NodeTest, ExchangesWithWsecho) { Run("exchange", {}, {}, "wsecho"); }

TEST_P(NodeTest, ExchangesCompressedWithWsecho) {
  Run("exchange", {"--deflate", "--deflate_min_bytes=0"}, {}, "wsecho --deflate");
  Run("exchange",
      {"--deflate", "--deflate_min_bytes=0", "--deflate_server_no_context_takeover",
       "--deflate_client_no_context_takeover"},
      {}, "wsecho --deflate, without takeover");
}

TEST_P(NodeTest, IsToldThatAMessageIsTooLarge) {
  Run("too-large", {"--message_bytes_max=100000", "--deflate"}, {"100000"},
      "wsecho --message_bytes_max --deflate");
}

TEST_P(NodeTest, SeesTheCloseOfWsecho) {
  ChildProcess server({kWsecho, "--listen=127.0.0.1:0", "--drain_timeout=60"});
  const std::string url = After("listening on ", server.ReadLine());
  ChildProcess client(
      With(GetParam().client, {"await-close", url, "1001", "the server is stopping"}));
  EXPECT_EQ(client.ReadLine(), "extensions ");
  EXPECT_EQ(client.ReadLine(), "open");
  server.Signal(SIGTERM);
  EXPECT_EQ(client.Finish(""), 0) << client.errors();
  EXPECT_EQ(server.Wait(), 0);
  Record("wsecho, SIGTERM", false, "", "close from our side");
}

TEST_P(NodeTest, SeesCodeAndReasonOfWscat) {
  ChildProcess cat({kWscat, "--listen=127.0.0.1:0", "--close=4003,au revoir \xc3\xa0 tous"});
  const std::string url = After("listening on ", cat.ReadErrorLine());
  ChildProcess client(
      With(GetParam().client, {"await-close", url, "4003", "au revoir \xc3\xa0 tous"}));
  EXPECT_EQ(client.ReadLine(), "extensions ");
  EXPECT_EQ(client.ReadLine(), "open");
  cat.CloseInput();
  EXPECT_EQ(client.Finish(""), 0) << client.errors();
  EXPECT_EQ(cat.Wait(), 0);
  Record("wscat --listen --close", false, "", "close from our side with code and reason");
}

constexpr char kScript[] = "tools/interop/node_client.js";
// npm asks the network for it; where there is none, the package may come from elsewhere.
constexpr char kInstallUndici[] =
    "apt-get install nodejs npm && npm install undici@6, and its directory "
    "node_modules/undici in HALFPIPE_UNDICI_MODULE";

INSTANTIATE_TEST_SUITE_P(
    All, NodeTest,
    testing::Values(
        Runtime{"Node",
                {"node", "--no-warnings", "--experimental-websocket", kScript, "own"},
                "apt-get install nodejs",
                true},
        Runtime{"Undici", {"node", "--no-warnings", kScript, "undici"}, kInstallUndici, false}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace halfpipe::tools
