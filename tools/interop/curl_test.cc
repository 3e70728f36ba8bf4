// wsecho with curl: plain requests, and the opening handshake. Debian's curl speaks no WebSocket,
// so that it is over with the head of the 101.

#include <csignal>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/interop/peer.h"
#include "tools/interop/results.h"
#include "tools/wsecho/child_process.h"
#include "tools/wsecho/socket_directory.h"

namespace halfpipe::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// The example of section 1.3 of RFC 6455.
const std::vector<std::string> kHandshake = {
    "-H", "Connection: Upgrade",       "-H", "Upgrade: websocket",
    "-H", "Sec-WebSocket-Version: 13", "-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="};
constexpr char kAccept[] = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

class CurlTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!Installed("curl", {"curl", "--version"}, "apt-get install curl"))
      GTEST_SKIP() << "curl is not installed";
    const std::string line = server_.ReadLine();
    url_ = absl::StrCat("http://", After("listening on ws://", line));
  }

  void TearDown() override {
    server_.Signal(SIGTERM);
    EXPECT_EQ(server_.Wait(), 0);
  }

  // What curl writes with `arguments`, which ends well.
  static std::string Curl(const std::vector<std::string>& arguments) {
    ChildProcess curl(With({"curl", "-sS", "--max-time", "100"}, arguments));
    EXPECT_EQ(curl.Finish(""), 0) << curl.errors();
    return curl.output();
  }

  // The status, and the head.
  std::string Head(const std::vector<std::string>& arguments, int status) const {
    const std::string output = Curl(With({"-D", "-", "-o", "/dev/null", url_}, arguments));
    EXPECT_EQ(output.substr(0, 13), absl::StrCat("HTTP/1.1 ", status, " "));
    return output;
  }

  static void Record(const std::string& ours, const std::string& what) {
    RecordResult({.peer = "curl",
                  .version = VersionOf("curl"),
                  .role = "client",
                  .ours = ours,
                  .compression = "no",
                  .what = what,
                  .outcome = ""});
  }

  ChildProcess server_{{"tools/wsecho/wsecho", "--listen=127.0.0.1:0", "--deflate"}};
  std::string url_;
};

TEST_F(CurlTest, HasManyAnswersOnOneConnection) {
  const std::vector<std::string> nowhere = {"-o", "/dev/null"};
  std::vector<std::string> arguments = {"-w", "%{http_code} %{num_connects}\n"};
  for (const char* path : {"", "", "nothing", ""}) {
    arguments = With(With(arguments, nowhere), {url_ + path});
  }
  EXPECT_EQ(Curl(arguments), "200 1\n200 0\n404 0\n200 0\n");
  EXPECT_EQ(Curl(With(With(arguments, nowhere), {"-I"})), "200 1\n200 0\n404 0\n200 0\n");
  EXPECT_THAT(Curl({url_}), HasSubstr("</html>"));
  Record("wsecho", "the page, four GETs on one connection, four HEADs, 404");
}

TEST_F(CurlTest, HasOneAnswerInHttp10) {
  EXPECT_THAT(Head({"-0"}, 200), HasSubstr("Connection: close\r\n"));
  Record("wsecho", "a GET of HTTP/1.0");
}

// What it offers besides is no reason not to answer (section 7.8 of RFC 9110).
TEST_F(CurlTest, OffersHttp2AndGetsThePage) {
  EXPECT_THAT(Head({"--http2"}, 200), Not(HasSubstr("Connection: close")));
  Record("wsecho", "a GET that offers h2c");
}

TEST_F(CurlTest, ThroughAProxyFieldAndExpectations) {
  Head({"-x", absl::StrCat("http://", After("http://", url_))}, 200);
  Head({"-H", "Expect: 100-continue"}, 200);
  Head({"-r", "0-9", "--compressed"}, 200);
  Record("wsecho", "absolute-form, Expect, Range, Accept-Encoding");
}

TEST_F(CurlTest, BadRequestsAreRefused) {
  EXPECT_THAT(Head({"-d", "x=1"}, 405), HasSubstr("Allow: GET, HEAD\r\n"));
  EXPECT_THAT(Head({"-X", "OPTIONS"}, 405), HasSubstr("Allow: GET, HEAD\r\n"));
  Head({"-H", "Host: two hosts"}, 400);
  Head({"-H", "X-Large: " + std::string(100'000, 'x')}, 431);
  Record("wsecho", "405 with Allow, 400, 431");
}

TEST_F(CurlTest, IsUpgraded) {
  for (const bool deflate : {false, true}) {
    // What it says besides comes at once, and the output only at the end.
    std::vector<std::string> command =
        With({"curl", "-sSv", "--max-time", "100", "-o", "/dev/null", url_}, kHandshake);
    if (deflate) {
      command = With(command, {"-H", "Sec-WebSocket-Extensions: permessage-deflate"});
    }
    ChildProcess curl(command);
    std::string head;
    std::string line;
    do {
      line = curl.ReadErrorLine();
      if (absl::StartsWith(line, "< ")) absl::StrAppend(&head, line.substr(2), "\n");
    } while (!line.empty() && line != "< \r");
    EXPECT_THAT(head, AllOf(HasSubstr("HTTP/1.1 101 "), HasSubstr(kAccept)));
    EXPECT_EQ(absl::StrContains(head, "Sec-WebSocket-Extensions: permessage-deflate\r"), deflate);
  }
  Record("wsecho --deflate", "101 with the key's answer, the extension if offered");
}

TEST_F(CurlTest, BadHandshakesAreRefused) {
  const auto without = [](size_t field, const std::string& instead) {
    std::vector<std::string> arguments = kHandshake;
    arguments[2 * field + 1] = instead;
    return arguments;
  };
  EXPECT_THAT(Head(without(2, "Sec-WebSocket-Version: 12"), 426),
              HasSubstr("Sec-WebSocket-Version: 13\r\n"));
  Head(without(2, "X: y"), 426);
  Head(without(3, "X: y"), 400);
  Head(without(3, "Sec-WebSocket-Key: short"), 400);
  Head(With(kHandshake, {"-d", "content", "-X", "GET"}), 400);
  Head(With(kHandshake, {"-X", "POST"}), 405);
  Record("wsecho", "426 with the version, 400, 405 for bad handshakes");
}

TEST_F(CurlTest, OverAUnixSocket) {
  const SocketDirectory directory;
  const std::string path = directory.Path("socket");
  ChildProcess server({"tools/wsecho/wsecho", "--listen=unix:" + path});
  server.ReadLine();
  EXPECT_THAT(Curl({"--unix-socket", path, "http://localhost/"}), HasSubstr("</html>"));
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0);
  Record("wsecho --listen=unix:", "the page");
}

}  // namespace
}  // namespace halfpipe::tools
