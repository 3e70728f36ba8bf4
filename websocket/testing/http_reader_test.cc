#include "websocket/testing/http_reader.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace halfpipe::websocket {
namespace {

const char kAcceptance[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

const char kRequest[] =
    "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n";

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(HttpReaderTest, ReadsAHead) {
  const HttpHead head = ReadHttpHead("HTTP/1.1 200 OK\r\nA: 1\r\na:2 \r\nB:\r\n\r\nbody");
  EXPECT_EQ(head.breach, "");
  EXPECT_EQ(head.start_line, "HTTP/1.1 200 OK");
  EXPECT_EQ(head.Count("a"), 2u);
  EXPECT_EQ(head.Value("a"), "2");
  EXPECT_EQ(head.Value("b"), "");
  EXPECT_EQ(head.size, 35u);
}

TEST(HttpReaderTest, NamesTheBreachOfAHead) {
  for (const std::string& bad :
       {std::string("HTTP/1.1 200 OK\r\nA: 1\r\n"), std::string("HTTP/1.1 200 OK\nA: 1\r\n\r\n"),
        std::string("X\r\nA : 1\r\n\r\n"), std::string("X\r\n A: 1\r\n\r\n"),
        std::string("X\r\nA 1\r\n\r\n"), std::string("X\r\nA: 1\rB: 2\r\n\r\n"),
        std::string("X\r\nA: \0\r\n\r\n", 11), std::string("X\r\n: 1\r\n\r\n"),
        std::string("\r\n\r\n"), std::string("")}) {
    EXPECT_NE(ReadHttpHead(bad).breach, "") << bad;
  }
}

TEST(HttpReaderTest, ReadsResponseAfterResponse) {
  const std::string wire = std::string("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab") +
                           "HTTP/1.1 204 No Content\r\n\r\n" + kAcceptance + "frames";
  const ServerOutput output = ReadServerOutput(wire);
  EXPECT_EQ(output.breach, "");
  EXPECT_EQ(output.statuses, (std::vector<int>{200, 204, 101}));
  EXPECT_EQ(output.behind_101, "frames");
  EXPECT_EQ(ReadServerOutput("").breach, "");
  EXPECT_TRUE(ReadServerOutput("").statuses.empty());
}

TEST(HttpReaderTest, NamesTheBreachOfAResponse) {
  for (const std::string& bad :
       {std::string("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
        std::string("HTTP/1.1 99 OK\r\nContent-Length: 0\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na"),
        Replaced(kAcceptance, "Upgrade: websocket\r\n", ""),
        Replaced(kAcceptance, "Connection: Upgrade\r\n", ""), Replaced(kAcceptance, "xOo=", "xOo"),
        Replaced(kAcceptance, "xOo=", "x-o="),
        Replaced(kAcceptance, "\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n")}) {
    EXPECT_NE(ReadServerOutput(bad).breach, "") << bad;
  }
}

TEST(HttpReaderTest, JudgesARequest) {
  size_t size = 0;
  EXPECT_EQ(JudgeClientHead(std::string(kRequest) + "frames", &size), "");
  EXPECT_EQ(size, sizeof(kRequest) - 1);
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"GET", "POST"},
           {"/chat", "chat"},
           {"/chat", "/ch at"},
           {"HTTP/1.1", "HTTP/1.0"},
           {"Host: server.example.com\r\n", ""},
           {"Host", "Host: a\r\nHost"},
           {"Upgrade: websocket", "Upgrade: other"},
           {"Connection: Upgrade\r\n", ""},
           {"Version: 13", "Version: 8"},
           {"ZQ==", "ZQ="},
           {"ZQ==", "ZQAA"},
           {"\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n"},
           {"\r\n\r\n", "\r\n"}}) {
    EXPECT_NE(JudgeClientHead(Replaced(kRequest, from, to), &size), "") << from << " " << to;
  }
}

}  // namespace
}  // namespace halfpipe::websocket
