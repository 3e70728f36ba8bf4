// Every row of the handshake's tables, whole, byte by byte and in seeded cuts: against a peer that
// has said everything already, and, in one way each, over a pair in memory. What a good handshake
// leads to is tried out with a message behind the head.

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "bytestream/base/entropy.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/sim_clock.h"
#include "gtest/gtest.h"
#include "websocket/core/role.h"
#include "websocket/testing/conformance/handshake_case.h"
#include "websocket/testing/endpoint.h"
#include "websocket/testing/http_reader.h"
#include "websocket/testing/play.h"
#include "websocket/testing/replay_bytestream.h"
#include "websocket/testing/tcp_pairs.h"
#include "websocket/testing/wire_builder.h"
#include "websocket/testing/wire_reader.h"
#include "websocket/upgrade.h"

namespace halfpipe::websocket::conformance {
namespace {

constexpr uint32_t kSeeds[] = {1, 20110, 76920};

std::vector<std::vector<std::string>> AllCuts(const std::string& bytes) {
  std::vector<std::vector<std::string>> cuts = {OnePiece(bytes), SingleBytes(bytes)};
  for (const uint32_t seed : kSeeds) cuts.push_back(SeededPieces(bytes, seed));
  return cuts;
}

// ---- Requests -----------------------------------------------------------------------------------

// Frames behind a request that is to be accepted.
std::string BehindRequest() { return WireBuilder(Role::kClient).Text("Hello").Close(1000); }

std::string BytesIn(const RequestCase& row) {
  return RequestBytes(row.head) + (row.status == 101 ? BehindRequest() : "");
}

ServerUpgradeOptions OptionsOf(const RequestCase& row) {
  ServerUpgradeOptions options;
  if (row.options != nullptr) row.options(&options);
  return options;
}

// IMF-fixdate, "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7).
bool IsFixDate(absl::string_view date) {
  constexpr absl::string_view kPattern = "aaa, dd aaa dddd dd:dd:dd GMT";
  return date.size() == kPattern.size() &&
         std::equal(date.begin(), date.end(), kPattern.begin(), [](char c, char pattern) {
           const unsigned char byte = static_cast<unsigned char>(c);
           if (pattern == 'a') return absl::ascii_isalpha(byte);
           return pattern == 'd' ? absl::ascii_isdigit(byte) : c == pattern;
         });
}

void CheckAnswer(const RequestCase& row, const EndpointRun& run) {
  EXPECT_EQ(run.upgrade_errno, row.error);
  EXPECT_EQ(run.server.status, row.status);
  const ServerOutput output = ReadServerOutput(run.written);
  EXPECT_EQ(output.breach, "");
  EXPECT_EQ(output.statuses.empty() ? 0 : output.statuses.back(), row.status);
  if (!row.statuses.empty()) {
    EXPECT_EQ(output.statuses, row.statuses);
  }
  if (row.status >= 200) {
    EXPECT_TRUE(IsFixDate(output.last.Value("date"))) << output.last.Value("date");
    EXPECT_EQ(output.last.Count("date"), 1u);
  }
  for (const std::string& field : row.answer) {
    const size_t colon = field.find(": ");
    EXPECT_EQ(output.last.Value(field.substr(0, colon)), field.substr(colon + 2));
  }
  if (row.status != 101) {
    // Nobody is to take what follows for another request.
    if (row.status != 0 && row.status != 200) {
      EXPECT_TRUE(absl::StrContains(output.last.Value("connection"), "close"));
    }
    EXPECT_EQ(output.last.Count("sec-websocket-accept"), 0u);
    return;
  }
  EXPECT_EQ(run.server.resource, row.resource);
  EXPECT_EQ(run.server.host, row.host);
  EXPECT_EQ(run.server.subprotocol, row.subprotocol);
  EXPECT_EQ(output.last.Value("sec-websocket-protocol"), row.subprotocol);
  EXPECT_EQ(output.last.Value("sec-websocket-extensions"), row.extension);
  EXPECT_EQ(run.server.deflate.has_value(), !row.extension.empty());
  EXPECT_EQ(run.messages, std::vector<std::string>{"text Hello"});
  EXPECT_EQ(ReadWire(output.behind_101, Role::kServer, run.deflate).breach, "");
}

TEST(HandshakeConformanceTest, Requests) {
  SimRuntime runtime;
  for (const RequestCase& row : RequestCases()) {
    SCOPED_TRACE(absl::StrCat(row.name, " (", row.section, ")"));
    EchoOptions echo;
    echo.plain = row.plain;
    for (const std::vector<std::string>& pieces : AllCuts(BytesIn(row))) {
      CheckAnswer(row, RunServer(&runtime, OptionsOf(row), echo, pieces));
    }
  }
  EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 0u);
}

void PlayRequests(Runtime* runtime, const Connect& connect, absl::Span<const uint32_t> seeds) {
  for (const RequestCase& row : RequestCases()) {
    SCOPED_TRACE(absl::StrCat(row.name, " (", row.section, ")"));
    EchoOptions echo;
    echo.plain = row.plain;
    for (const uint32_t seed : seeds) {
      EndpointRun run;
      const std::string written =
          PlayAgainst(runtime, connect, SeededPieces(BytesIn(row), seed), [&](BytestreamPtr lower) {
            run = RunServerOn(runtime, OptionsOf(row), echo, std::move(lower));
          });
      run.written = written;
      CheckAnswer(row, run);
    }
  }
}

TEST(HandshakeConformanceTest, RequestsOverAPair) {
  SimRuntime runtime;
  PlayRequests(
      &runtime, [&runtime] { return MakePair(&runtime); }, kSeeds);
}

TEST(HandshakeConformanceTest, RequestsOverTcp) {
  FdLeakCheck leaks;
  Runtime runtime;
  TcpPairs pairs(&runtime);
  PlayRequests(&runtime, [&pairs] { return pairs.Make(); }, {kSeeds, 1});
}

// ---- Answers ------------------------------------------------------------------------------------

// The nonce of the RFC's example, then zeroes.
class SampleEntropy final : public Entropy {
 public:
  void Fill(absl::Span<uint8_t> out) override {
    constexpr absl::string_view kNonce = "the sample nonce";
    for (uint8_t& byte : out) {
      byte = used_ < kNonce.size() ? static_cast<uint8_t>(kNonce[used_]) : 0;
      ++used_;
    }
  }

 private:
  size_t used_ = 0;
};

std::string BytesIn(const AnswerCase& row) {
  return AnswerBytes(row.head) +
         (row.error == 0 ? WireBuilder(Role::kServer).Text("Hello").Close(1000).str() : "");
}

EndpointRun Ask(Runtime* runtime, const AnswerCase& row, const Connect* connect,
                const std::vector<std::string>& pieces) {
  SampleEntropy entropy;
  const absl::string_view subprotocols[] = {"chat", "superchat"};
  ClientUpgradeOptions options;
  options.target = "/chat";
  options.host = "server.example.com";
  options.subprotocols = subprotocols;
  options.entropy = &entropy;
  if (row.options != nullptr) row.options(&options);
  if (connect == nullptr) return RunClient(runtime, options, {}, pieces);
  EndpointRun run;
  const std::string written = PlayAgainst(runtime, *connect, pieces, [&](BytestreamPtr lower) {
    run = RunClientOn(runtime, options, {}, std::move(lower));
  });
  run.written = written;
  return run;
}

void CheckOutcome(const AnswerCase& row, const EndpointRun& run) {
  EXPECT_EQ(run.upgrade_errno, row.error);
  EXPECT_EQ(run.client.status, row.status);
  size_t size = 0;
  EXPECT_EQ(JudgeClientHead(run.written, &size), "");
  EXPECT_TRUE(absl::StrContains(run.written, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"));
  EXPECT_EQ(run.client.body, row.body);
  if (row.error != 0) {
    // Nothing is said to what does not speak WebSocket.
    EXPECT_EQ(run.written.size(), size);
    EXPECT_EQ(run.client.subprotocol, "");
    EXPECT_FALSE(run.client.deflate.has_value());
    return;
  }
  EXPECT_EQ(run.client.subprotocol, row.subprotocol);
  EXPECT_EQ(run.client.deflate.has_value(), row.deflate);
  EXPECT_EQ(run.messages, std::vector<std::string>{"text Hello"});
  const WireContent content =
      ReadWire(absl::string_view(run.written).substr(size), Role::kClient, run.deflate);
  EXPECT_EQ(content.breach, "");
  ASSERT_EQ(content.frames.size(), 3u);
  EXPECT_EQ(content.frames[0].payload, "first");
}

TEST(HandshakeConformanceTest, Answers) {
  SimRuntime runtime;
  for (const AnswerCase& row : AnswerCases()) {
    SCOPED_TRACE(absl::StrCat(row.name, " (", row.section, ")"));
    for (const std::vector<std::string>& pieces : AllCuts(BytesIn(row))) {
      CheckOutcome(row, Ask(&runtime, row, nullptr, pieces));
    }
  }
  EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 0u);
}

void PlayAnswers(Runtime* runtime, const Connect& connect, absl::Span<const uint32_t> seeds) {
  for (const AnswerCase& row : AnswerCases()) {
    SCOPED_TRACE(absl::StrCat(row.name, " (", row.section, ")"));
    for (const uint32_t seed : seeds) {
      CheckOutcome(row, Ask(runtime, row, &connect, SeededPieces(BytesIn(row), seed)));
    }
  }
}

TEST(HandshakeConformanceTest, AnswersOverAPair) {
  SimRuntime runtime;
  PlayAnswers(
      &runtime, [&runtime] { return MakePair(&runtime); }, kSeeds);
}

TEST(HandshakeConformanceTest, AnswersOverTcp) {
  FdLeakCheck leaks;
  Runtime runtime;
  TcpPairs pairs(&runtime);
  PlayAnswers(&runtime, [&pairs] { return pairs.Make(); }, {kSeeds, 1});
}

// ---- The tables ---------------------------------------------------------------------------------

TEST(HandshakeTablesTest, NamesAreUniqueAndSectionsAreCovered) {
  std::set<std::string> requests;
  std::set<std::string> answers;
  std::map<std::string, int> sections;
  for (const RequestCase& row : RequestCases()) {
    EXPECT_TRUE(requests.insert(row.name).second) << row.name;
    ++sections[row.section];
  }
  for (const AnswerCase& row : AnswerCases()) {
    EXPECT_TRUE(answers.insert(row.name).second) << row.name;
    ++sections[row.section];
  }
  for (const char* section :
       {"6455 4.1",     "6455 4.2.1",   "6455 4.2.2",   "6455 4.4", "6455 9.1", "6455 11.3.1",
        "6455 11.3.3",  "6455 11.3.4",  "6455 11.3.5",  "7692 5.1", "7692 7.1", "7692 7.1.1.1",
        "7692 7.1.1.2", "7692 7.1.2.1", "7692 7.1.2.2", "9110 7.2", "9110 7.8", "9110 15.2",
        "9112 2.2",     "9112 2.3",     "9112 3.2",     "9112 5.1", "9112 5.2", "9112 6.1",
        "9112 6.3",     "9112 11.2"}) {
    EXPECT_GT(sections[section], 0) << section;
  }
  RecordProperty("rows", static_cast<int>(requests.size() + answers.size()));
  EXPECT_GE(requests.size(), 150u);
  EXPECT_GE(answers.size(), 80u);
}

}  // namespace
}  // namespace halfpipe::websocket::conformance
