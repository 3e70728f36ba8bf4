#include "http/core/head_parser.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "http/core/grammar.h"
#include "http/core/head_error.h"
#include "http/core/header_list.h"
#include "http/core/limits.h"
#include "http/core/message.h"

namespace halfpipe::http {
namespace {

std::string Describe(const RequestHead& head) {
  return std::string(head.method) + "|" + std::string(head.target) + "|" +
         std::to_string(head.version_minor) + "|";
}

std::string Describe(const ResponseHead& head) {
  return std::to_string(head.version_minor) + "|" + std::to_string(head.status) + "|" +
         std::string(head.reason) + "|";
}

// What came of a head, in words that can be compared.
template <typename Head>
std::string Describe(const ParseResult& result, const Head& head) {
  if (result.status == ParseStatus::kNeedMore) return "more";
  if (result.status == ParseStatus::kInvalid) {
    return "invalid: " + std::string(HeadErrorText(result.error));
  }
  std::string text = Describe(head);
  for (const Field& field : head.fields) {
    text += std::string(field.name) + "=" + std::string(field.value) + ";";
  }
  return text + " " + std::to_string(result.consumed);
}

struct Outcome {
  std::string text;
  size_t bytes_examined = 0;
};

// Feeds `wire` up to each of `cuts` in turn. Every call sees a buffer of its own and of the exact
// size, so that a byte too far or a view into an old buffer shows under asan.
template <typename Parser, typename Head>
Outcome Feed(absl::string_view wire, const std::vector<size_t>& cuts, const Limits& limits) {
  Parser parser(limits);
  std::unique_ptr<char[]> buffer;
  ParseResult result;
  Head head;
  size_t min_bytes = 0;
  for (const size_t cut : cuts) {
    if (cut < min_bytes) continue;
    std::unique_ptr<char[]> moved(new char[cut]);
    std::copy_n(wire.data(), cut, moved.get());
    buffer = std::move(moved);
    result = parser.Parse(absl::string_view(buffer.get(), cut), &head);
    if (result.status != ParseStatus::kNeedMore) break;
    EXPECT_GT(result.min_bytes, cut);
    EXPECT_LE(result.min_bytes, limits.head_bytes_max);
    min_bytes = result.min_bytes;
  }
  return {Describe(result, head), parser.bytes_examined()};
}

// Replays `wire` whole, byte by byte and with seeded cuts; the outcomes must be one.
template <typename Parser, typename Head>
std::string Replay(absl::string_view wire, const Limits& limits = Limits()) {
  const Outcome whole = Feed<Parser, Head>(wire, {wire.size()}, limits);

  std::vector<size_t> every;
  for (size_t i = 0; i <= wire.size(); ++i) every.push_back(i);
  const Outcome bytes = Feed<Parser, Head>(wire, every, limits);
  EXPECT_EQ(bytes.text, whole.text) << "byte by byte: " << wire;
  EXPECT_LE(bytes.bytes_examined, 2 * wire.size());

  for (uint32_t seed = 1; seed <= 5; ++seed) {
    std::mt19937 random(seed);
    std::vector<size_t> cuts = {wire.size()};
    for (int i = 0; i < 6; ++i) cuts.push_back(random() % (wire.size() + 1));
    std::sort(cuts.begin(), cuts.end());
    const Outcome cut = Feed<Parser, Head>(wire, cuts, limits);
    EXPECT_EQ(cut.text, whole.text) << "seed " << seed << ": " << wire;
    EXPECT_LE(cut.bytes_examined, 2 * wire.size());
  }
  return whole.text;
}

std::string Request(absl::string_view wire, const Limits& limits = Limits()) {
  return Replay<RequestHeadParser, RequestHead>(wire, limits);
}

std::string Response(absl::string_view wire, const Limits& limits = Limits()) {
  return Replay<ResponseHeadParser, ResponseHead>(wire, limits);
}

std::string Invalid(HeadError error) { return "invalid: " + std::string(HeadErrorText(error)); }

// A string literal with its NULs.
template <size_t size>
absl::string_view Literal(const char (&text)[size]) {
  return absl::string_view(text, size - 1);
}

TEST(RequestHeadTest, Accepts) {
  const struct {
    absl::string_view wire;
    absl::string_view head;
  } kRows[] = {
      {"GET / HTTP/1.1\r\n\r\n", "GET|/|1| 18"},
      {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "GET|/|1|Host=h; 27"},
      // What follows the head is left alone.
      {"GET / HTTP/1.1\r\n\r\n\x81\x05hello\r\n\r\n", "GET|/|1| 18"},
      // One empty line before it (RFC 9112 section 2.2).
      {"\r\nGET / HTTP/1.1\r\na:\r\n\r\n", "GET|/|1|a=; 24"},
      {"GET / HTTP/1.0\r\n\r\n", "GET|/|0| 18"},
      {"GET / HTTP/1.9\r\n\r\n", "GET|/|9| 18"},
      {"get! * HTTP/1.1\r\n\r\n", "get!|*|1| 19"},
      {"CONNECT [::1]:443 HTTP/1.1\r\n\r\n", "CONNECT|[::1]:443|1| 30"},
      {"GET http://h/a?b HTTP/1.1\r\n\r\n", "GET|http://h/a?b|1| 29"},
      {"GET /a|b{c}^`\\[] HTTP/1.1\r\n\r\n", "GET|/a|b{c}^`\\[]|1| 29"},
      // White space round a value is no part of it; inside it is.
      {"GET / HTTP/1.1\r\na:b\r\nc: \t d \te \t\r\nf: \r\n\r\n", "GET|/|1|a=b;c=d \te;f=; 41"},
      {"GET / HTTP/1.1\r\na::b: c\r\n\r\n", "GET|/|1|a=:b: c; 27"},
      {"GET / HTTP/1.1\r\na: \xc3\xa9\xff\r\n\r\n", "GET|/|1|a=\xc3\xa9\xff; 26"},
      {"GET / HTTP/1.1\r\n!#$%&'*+-.^_`|~9: v\r\n\r\n", "GET|/|1|!#$%&'*+-.^_`|~9=v; 39"},
      {"GET / HTTP/1.1\r\na: 1\r\na: 2\r\nA: 3\r\n\r\n", "GET|/|1|a=1;a=2;A=3; 36"},
  };
  for (const auto& row : kRows) EXPECT_EQ(Request(row.wire), row.head) << row.wire;
}

TEST(RequestHeadTest, Refuses) {
  const struct {
    absl::string_view wire;
    HeadError error;
  } kRows[] = {
      // Ends of lines.
      {"GET / HTTP/1.1\n\n", HeadError::kBareLineFeed},
      {"GET / HTTP/1.1\r\n\n", HeadError::kBareLineFeed},
      {"GET / HTTP/1.1\r\na: b\nc: d\r\n\r\n", HeadError::kBareLineFeed},
      {"\nGET / HTTP/1.1\r\n\r\n", HeadError::kBareLineFeed},
      {"GET / HTTP/1.1\r\r\n\r\n", HeadError::kBadVersion},
      {"GET / HTTP/1.1\r\na: b\rc: d\r\n\r\n", HeadError::kBareCarriageReturn},
      {"GET / HTTP/1.1\r\na: b\r\r\n\r\n", HeadError::kBareCarriageReturn},
      {"GET / HTTP/1.1\r\n\r\r\n\r\n", HeadError::kBareCarriageReturn},
      {"GET / HTTP/1.1\r\na\rb: c\r\n\r\n", HeadError::kBareCarriageReturn},
      {"GET /\r HTTP/1.1\r\n\r\n", HeadError::kBareCarriageReturn},
      {"G\rT / HTTP/1.1\r\n\r\n", HeadError::kBareCarriageReturn},
      // NUL and other controls.
      {Literal("GET / HTTP/1.1\r\na: \0\r\n\r\n"), HeadError::kControlCharacter},
      {Literal("GET / HTTP/1.1\r\n\0: b\r\n\r\n"), HeadError::kControlCharacter},
      {Literal("GET /\0 HTTP/1.1\r\n\r\n"), HeadError::kControlCharacter},
      {Literal("\0\r\n"), HeadError::kControlCharacter},
      {"GET / HTTP/1.1\r\na: \x7f\r\n\r\n", HeadError::kControlCharacter},
      {"GET / HTTP/1.1\r\na: \x1b[1m\r\n\r\n", HeadError::kControlCharacter},
      // Start lines.
      {"\r\n\r\nGET / HTTP/1.1\r\n\r\n", HeadError::kEmptyStartLine},
      {"GET\r\n", HeadError::kMalformedRequestLine},
      {"GET /\r\n", HeadError::kMalformedRequestLine},
      {" GET / HTTP/1.1\r\n", HeadError::kMalformedRequestLine},
      {"   \r\n", HeadError::kMalformedRequestLine},
      {"GET  / HTTP/1.1\r\n", HeadError::kMalformedRequestLine},
      {"GET /  HTTP/1.1\r\n", HeadError::kMalformedRequestLine},
      {"GET / x HTTP/1.1\r\n", HeadError::kMalformedRequestLine},
      {"GET  HTTP/1.1\r\n", HeadError::kMalformedRequestLine},
      {"GET / HTTP/1.1 \r\n", HeadError::kMalformedRequestLine},
      {"GET\t/\tHTTP/1.1\r\n", HeadError::kMalformedRequestLine},
      {"G(T / HTTP/1.1\r\n", HeadError::kBadMethod},
      {"\x80 / HTTP/1.1\r\n", HeadError::kBadMethod},
      {"GET /#f HTTP/1.1\r\n", HeadError::kBadTarget},
      {"GET /\" HTTP/1.1\r\n", HeadError::kBadTarget},
      {"GET /<> HTTP/1.1\r\n", HeadError::kBadTarget},
      {"GET /\xc3\xa9 HTTP/1.1\r\n", HeadError::kBadTarget},
      {"GET /\t HTTP/1.1\r\n", HeadError::kBadTarget},
      {"GET / http/1.1\r\n", HeadError::kBadVersion},
      {"GET / HTTP/1\r\n", HeadError::kBadVersion},
      {"GET / HTTP/1.\r\n", HeadError::kBadVersion},
      {"GET / HTTP/1.10\r\n", HeadError::kBadVersion},
      {"GET / HTTP/11.1\r\n", HeadError::kBadVersion},
      {"GET / HTTP/a.1\r\n", HeadError::kBadVersion},
      {"GET / HTTPS1.1\r\n", HeadError::kBadVersion},
      {"GET / HTTP/1,1\r\n", HeadError::kBadVersion},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HeadError::kVersionNotSupported},
      {"GET / HTTP/0.9\r\n", HeadError::kVersionNotSupported},
      // TLS to a plain port: no line at all, but a LF sooner or later.
      {Literal("\x16\x03\x01\x02\x00\x01\n"), HeadError::kBareLineFeed},
      // Field lines.
      {"GET / HTTP/1.1\r\n a: b\r\n\r\n", HeadError::kLeadingWhiteSpace},
      {"GET / HTTP/1.1\r\na: b\r\n c\r\n\r\n", HeadError::kLeadingWhiteSpace},
      {"GET / HTTP/1.1\r\na: b\r\n\tc\r\n\r\n", HeadError::kLeadingWhiteSpace},
      {"GET / HTTP/1.1\r\n \r\n\r\n", HeadError::kLeadingWhiteSpace},
      {"GET / HTTP/1.1\r\na : b\r\n\r\n", HeadError::kSpaceBeforeColon},
      {"GET / HTTP/1.1\r\na\t \t: b\r\n\r\n", HeadError::kSpaceBeforeColon},
      {"GET / HTTP/1.1\r\n: b\r\n\r\n", HeadError::kEmptyFieldName},
      {"GET / HTTP/1.1\r\na\r\n\r\n", HeadError::kNoColon},
      {"GET / HTTP/1.1\r\na b\r\n\r\n", HeadError::kNoColon},
      {"GET / HTTP/1.1\r\na b: c\r\n\r\n", HeadError::kBadFieldName},
      {"GET / HTTP/1.1\r\n(a): c\r\n\r\n", HeadError::kBadFieldName},
      {"GET / HTTP/1.1\r\n\xc3\xa9: c\r\n\r\n", HeadError::kBadFieldName},
  };
  for (const auto& row : kRows) EXPECT_EQ(Request(row.wire), Invalid(row.error)) << row.wire;
}

TEST(RequestHeadTest, NothingIsDoneBeforeTheEnd) {
  const absl::string_view wire = "\r\nGET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n";
  for (size_t size = 0; size < wire.size(); ++size) {
    EXPECT_EQ(Request(wire.substr(0, size)), "more") << size;
  }
}

TEST(ResponseHeadTest, Table) {
  const struct {
    absl::string_view wire;
    std::string head;
  } kRows[] = {
      {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
       "1|101|Switching Protocols|Upgrade=websocket; 56"},
      {"HTTP/1.0 200 OK\r\n\r\n", "0|200|OK| 19"},
      {"HTTP/1.1 599 \r\n\r\n", "1|599|| 17"},
      // The space may be missing with the reason.
      {"HTTP/1.1 100\r\n\r\n", "1|100|| 16"},
      {"HTTP/1.1 404 \ta \xc3\xa9 \r\n\r\n", "1|404|\ta \xc3\xa9 | 23"},
      {"HTTP/2 200 OK\r\n", Invalid(HeadError::kBadVersion)},
      {"HTTP/2.0 200 OK\r\n", Invalid(HeadError::kVersionNotSupported)},
      {"ICY 200 OK\r\n", Invalid(HeadError::kBadVersion)},
      {"\r\nHTTP/1.1 200 OK\r\n", Invalid(HeadError::kEmptyStartLine)},
      {"HTTP/1.1\r\n", Invalid(HeadError::kMalformedStatusLine)},
      {"HTTP/1.1 \r\n", Invalid(HeadError::kMalformedStatusLine)},
      {"HTTP/1.1 20\r\n", Invalid(HeadError::kMalformedStatusLine)},
      {"HTTP/1.1  200 OK\r\n", Invalid(HeadError::kBadStatusCode)},
      {"HTTP/1.1\t200 OK\r\n", Invalid(HeadError::kMalformedStatusLine)},
      {"HTTP/1.1 2000 OK\r\n", Invalid(HeadError::kMalformedStatusLine)},
      {"HTTP/1.1 200OK\r\n", Invalid(HeadError::kMalformedStatusLine)},
      {"HTTP/1.1 099 x\r\n", Invalid(HeadError::kBadStatusCode)},
      {"HTTP/1.1 600 x\r\n", Invalid(HeadError::kBadStatusCode)},
      {"HTTP/1.1 +10 x\r\n", Invalid(HeadError::kBadStatusCode)},
      {"HTTP/1.1 20a x\r\n", Invalid(HeadError::kBadStatusCode)},
      {"HTTP/1.1 200 a\rb\r\n", Invalid(HeadError::kBareCarriageReturn)},
      {Literal("HTTP/1.1 200 a\0b\r\n"), Invalid(HeadError::kControlCharacter)},
      {"HTTP/1.1 200 OK\n\r\n", Invalid(HeadError::kBareLineFeed)},
      {"HTTP/1.1 200 OK\r\na : b\r\n", Invalid(HeadError::kSpaceBeforeColon)},
      {"HTTP/1.1 200 OK\r\n\tb\r\n", Invalid(HeadError::kLeadingWhiteSpace)},
  };
  for (const auto& row : kRows) EXPECT_EQ(Response(row.wire), row.head) << row.wire;
}

// Each limit, from one below to one above.

TEST(LimitTest, HeadBytes) {
  for (const absl::string_view lead : {"", "\r\n"}) {
    const std::string wire = std::string(lead) + "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n";
    for (int over = -1; over <= 1; ++over) {
      Limits limits;
      limits.head_bytes_max = static_cast<size_t>(static_cast<int>(wire.size()) - over);
      const std::string text = Request(wire + "following bytes", limits);
      if (over <= 0) {
        EXPECT_EQ(text, "GET|/|1|Host=h;A=b; " + std::to_string(wire.size()));
      } else {
        EXPECT_EQ(text, Invalid(HeadError::kHeadTooLong));
      }
    }
  }
}

TEST(LimitTest, StartLineBytes) {
  const Limits limits;
  for (int over = -1; over <= 1; ++over) {
    const size_t size = static_cast<size_t>(static_cast<int>(limits.start_line_bytes_max) + over);
    const std::string target(size - Literal("GET  HTTP/1.1").size(), '/');
    const std::string wire = "GET " + target + " HTTP/1.1\r\n\r\n";
    const std::string head = "GET|" + target + "|1| " + std::to_string(size + 4);
    EXPECT_EQ(Request(wire), over <= 0 ? head : Invalid(HeadError::kTargetTooLong)) << over;

    const std::string method(size - Literal(" / HTTP/1.1").size(), 'M');
    const std::string method_head = method + "|/|1| " + std::to_string(size + 4);
    EXPECT_EQ(Request(method + " / HTTP/1.1\r\n\r\n"),
              over <= 0 ? method_head : Invalid(HeadError::kTargetTooLong));

    const std::string reason(size - Literal("HTTP/1.1 200 ").size(), 'r');
    const std::string response = "1|200|" + reason + "| " + std::to_string(size + 4);
    EXPECT_EQ(Response("HTTP/1.1 200 " + reason + "\r\n\r\n"),
              over <= 0 ? response : Invalid(HeadError::kStatusLineTooLong));
  }
}

// RFC 9112 section 3: 501 for a method that is too long, 414 for a target.
TEST(LimitTest, LongMethod) {
  Limits limits;
  limits.start_line_bytes_max = 20;
  EXPECT_EQ(Request(std::string(19, 'M') + " / HTTP/1.1\r\n\r\n", limits),
            Invalid(HeadError::kTargetTooLong));
  EXPECT_EQ(Request(std::string(20, 'M') + " / HTTP/1.1\r\n\r\n", limits),
            Invalid(HeadError::kMethodTooLong));
  EXPECT_EQ(Request(std::string(22, 'M'), limits), Invalid(HeadError::kMethodTooLong));
  EXPECT_EQ(Request(std::string(21, 'M'), limits), "more");
}

TEST(LimitTest, FieldLineBytes) {
  const Limits limits;
  for (int over = -1; over <= 1; ++over) {
    const size_t size = static_cast<size_t>(static_cast<int>(limits.field_line_bytes_max) + over);
    const std::string value(size - 3, 'v');
    const std::string wire = "GET / HTTP/1.1\r\nA: " + value + "\r\n\r\n";
    const std::string head = "GET|/|1|A=" + value + "; " + std::to_string(wire.size());
    EXPECT_EQ(Request(wire), over <= 0 ? head : Invalid(HeadError::kFieldLineTooLong)) << over;
  }
}

TEST(LimitTest, FieldCount) {
  const Limits limits;
  for (int over = -1; over <= 1; ++over) {
    const size_t count = static_cast<size_t>(static_cast<int>(limits.field_count_max) + over);
    std::string wire = "GET / HTTP/1.1\r\n";
    std::string head = "GET|/|1|";
    for (size_t i = 0; i < count; ++i) {
      wire += "A:\r\n";
      head += "A=;";
    }
    wire += "\r\n";
    head += " " + std::to_string(wire.size());
    EXPECT_EQ(Request(wire), over <= 0 ? head : Invalid(HeadError::kTooManyFields)) << over;
  }
}

// For every combination of small limits the outcome does not depend on the cuts.
TEST(LimitTest, EverySmallLimit) {
  const absl::string_view wire = "\r\nGET /abc HTTP/1.1\r\nA: 1\r\nB: 22\r\n\r\n";
  int done = 0;
  for (size_t head = 1; head <= wire.size() + 2; ++head) {
    for (size_t line = 0; line <= 20; ++line) {
      for (size_t count = 0; count <= 3; ++count) {
        const Limits limits = {head, line + 3, line, count};
        const std::string text = Request(wire, limits);
        EXPECT_NE(text, "more");
        const bool fits = head >= wire.size() && line + 3 >= 17 && line >= 5 && count >= 2;
        EXPECT_EQ(text == "GET|/abc|1|A=1;B=22; " + std::to_string(wire.size()), fits) << text;
        done += fits ? 1 : 0;
      }
    }
  }
  EXPECT_GT(done, 0);
}

// Work is linear: each byte is looked at at most twice, once for the end of its line and once by
// the line's parser, however many calls it takes.
TEST(RequestHeadTest, WorkIsLinearByteByByte) {
  std::string wire = "GET /" + std::string(4000, 'a') + " HTTP/1.1\r\n";
  for (int i = 0; i < 99; ++i) wire += "Name: " + std::string(110, 'v') + "\r\n";
  wire += "\r\n";
  ASSERT_LE(wire.size(), Limits().head_bytes_max);
  RequestHeadParser parser;
  RequestHead head;
  for (size_t size = 0; size < wire.size(); ++size) {
    const ParseResult result = parser.Parse(absl::string_view(wire).substr(0, size), &head);
    ASSERT_EQ(result.status, ParseStatus::kNeedMore);
    ASSERT_EQ(result.min_bytes, size + 1);
  }
  ASSERT_EQ(parser.Parse(wire, &head).status, ParseStatus::kDone);
  EXPECT_GE(parser.bytes_examined(), wire.size());
  EXPECT_LE(parser.bytes_examined(), 2 * wire.size());
  EXPECT_EQ(head.fields.Count("name"), 99u);
}

// The same for 64 KiB, with limits that let so much pass, and for as much of nothing: one line that
// never ends, fields without end, and empty lines.
TEST(RequestHeadTest, WorkOn64KiBIsLinearByteByByte) {
  constexpr size_t kSize = size_t{64} << 10;
  Limits limits;
  limits.head_bytes_max = 2 * kSize;
  limits.start_line_bytes_max = 2 * kSize;
  limits.field_line_bytes_max = 2 * kSize;
  limits.field_count_max = kSize;
  std::string fields = "GET / HTTP/1.1\r\n";
  while (fields.size() < kSize) fields += "A:\r\n";
  const std::string floods[] = {"GET /" + std::string(kSize, 'a'), fields,
                                "GET / HTTP/1.1\r\nA: " + std::string(kSize, 'x')};
  for (const std::string& flood : floods) {
    SCOPED_TRACE(flood.substr(0, 30));
    RequestHeadParser parser(limits);
    RequestHead head;
    for (size_t size = 1; size <= flood.size(); ++size) {
      ASSERT_EQ(parser.Parse(absl::string_view(flood).substr(0, size), &head).status,
                ParseStatus::kNeedMore);
    }
    EXPECT_GE(parser.bytes_examined(), kSize);
    EXPECT_LE(parser.bytes_examined(), 2 * flood.size());
  }
}

// A parser that is called again at the end says the same, with views into the new place.
TEST(RequestHeadTest, ViewsFollowTheBuffer) {
  const std::string first = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
  const std::string second = first + "more";
  RequestHeadParser parser;
  RequestHead head;
  ASSERT_EQ(parser.Parse(first, &head).status, ParseStatus::kDone);
  EXPECT_EQ(head.target.data(), first.data() + 4);
  const ParseResult again = parser.Parse(second, &head);
  ASSERT_EQ(again.status, ParseStatus::kDone);
  EXPECT_EQ(again.consumed, first.size());
  EXPECT_EQ(head.method.data(), second.data());
  EXPECT_EQ(head.target.data(), second.data() + 4);
  EXPECT_EQ(head.fields.Find("host")->data(), second.data() + 23);
}

TEST(RequestHeadTest, ErrorsAreFinalUntilReset) {
  RequestHeadParser parser;
  RequestHead head;
  head.target = "untouched";
  EXPECT_EQ(parser.Parse("GET /\r\n", &head).error, HeadError::kMalformedRequestLine);
  const ParseResult again = parser.Parse("GET / HTTP/1.1\r\n\r\n", &head);
  EXPECT_EQ(again.status, ParseStatus::kInvalid);
  EXPECT_EQ(again.error, HeadError::kMalformedRequestLine);
  EXPECT_EQ(head.target, "untouched");
  parser.Reset();
  EXPECT_EQ(parser.Parse("\r\nGET / HTTP/1.1\r\n\r\n", &head).status, ParseStatus::kDone);
  EXPECT_EQ(head.target, "/");
  parser.Reset();
  EXPECT_EQ(parser.Parse("\r\nGET /b HTTP/1.1\r\n\r\n", &head).consumed, 21u);
  EXPECT_EQ(head.target, "/b");
}

TEST(RequestHeadTest, FewerBytesThanBeforeAskForTheRest) {
  RequestHeadParser parser;
  RequestHead head;
  ASSERT_EQ(parser.Parse("GET / HTTP/1.1\r\nHost", &head).status, ParseStatus::kNeedMore);
  const ParseResult fewer = parser.Parse("GET", &head);
  EXPECT_EQ(fewer.status, ParseStatus::kNeedMore);
  EXPECT_GT(fewer.min_bytes, 3u);
  EXPECT_EQ(parser.Parse("GET / HTTP/1.1\r\nHost: h\r\n\r\n", &head).status, ParseStatus::kDone);
}

// ---- Lines -------------------------------------------------------------------------------------

TEST(LineTest, FieldLines) {
  Field field;
  EXPECT_EQ(ParseFieldLine("Name: value", &field), HeadError::kNone);
  EXPECT_EQ(field.name, "Name");
  EXPECT_EQ(field.value, "value");
  EXPECT_EQ(ParseFieldLine("N:", &field), HeadError::kNone);
  EXPECT_EQ(field.name, "N");
  EXPECT_EQ(field.value, "");
  EXPECT_EQ(ParseFieldLine("", &field), HeadError::kNoColon);
  EXPECT_EQ(ParseFieldLine("a: b\r\n", &field), HeadError::kBareCarriageReturn);
  EXPECT_EQ(ParseFieldLine("a: b\n", &field), HeadError::kBareLineFeed);
  EXPECT_EQ(field.name, "N") << "a refusal leaves the result alone";
}

// Every byte in every place of a field line, against the grammar.
TEST(LineTest, EveryByteInAFieldLine) {
  for (int i = 0; i < 256; ++i) {
    const char c = static_cast<char>(i);
    Field field;
    const std::string in_name = {'a', c, 'b', ':', 'v'};
    const bool name_ok = IsInClass(c, kTokenChar) || c == ':';
    EXPECT_EQ(ParseFieldLine(in_name, &field) == HeadError::kNone, name_ok) << i;
    const std::string in_value = {'n', ':', 'a', c, 'b'};
    EXPECT_EQ(ParseFieldLine(in_value, &field) == HeadError::kNone, IsInClass(c, kFieldValueChar))
        << i;
  }
}

TEST(LineTest, RequestAndStatusLines) {
  RequestLine request;
  ASSERT_EQ(ParseRequestLine("GET /x HTTP/1.0", &request), HeadError::kNone);
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.target, "/x");
  EXPECT_EQ(request.version_minor, 0);
  EXPECT_EQ(ParseRequestLine("", &request), HeadError::kMalformedRequestLine);
  EXPECT_EQ(ParseRequestLine("POST / HTTP/2.0", &request), HeadError::kVersionNotSupported);
  EXPECT_EQ(request.method, "GET");
  StatusLine status;
  ASSERT_EQ(ParseStatusLine("HTTP/1.1 404 Not Found", &status), HeadError::kNone);
  EXPECT_EQ(status.status, 404);
  EXPECT_EQ(status.reason, "Not Found");
  EXPECT_EQ(ParseStatusLine("", &status), HeadError::kBadVersion);
  EXPECT_EQ(status.status, 404);
}

TEST(LineScannerTest, LineAfterLine) {
  const absl::string_view wire = "one\r\n\r\nthree\r\nrest";
  // The whole at once, then from each line's begin byte by byte.
  for (const bool whole : {true, false}) {
    LineScanner scanner;
    std::vector<std::string> lines;
    absl::string_view rest = wire;
    size_t size = whole ? rest.size() : 0;
    while (size <= rest.size()) {
      const ParseResult result = scanner.Scan(rest.substr(0, size), 5);
      if (result.status == ParseStatus::kNeedMore) {
        EXPECT_EQ(result.min_bytes, size + 1);
        size = result.min_bytes;
        continue;
      }
      ASSERT_EQ(result.status, ParseStatus::kDone);
      lines.push_back(std::string(rest.substr(0, result.consumed - 2)));
      rest.remove_prefix(result.consumed);
      size = whole ? rest.size() : 0;
    }
    EXPECT_EQ(lines, (std::vector<std::string>{"one", "", "three"}));
    EXPECT_EQ(rest, "rest");
    EXPECT_EQ(scanner.bytes_examined(), wire.size()) << "each byte once";
  }
}

// A line of any size is either whole or refused; none is cut, and none goes past its limit. Fails
// where LineScanner::Scan takes the window for the end of a line, or leaves out the window.
TEST(LineScannerTest, LinesOfEverySizeRoundTheirLimit) {
  for (const size_t line_bytes_max : {size_t{0}, size_t{1}, size_t{1023}, size_t{1024}}) {
    for (size_t size = 0; size <= 2200; ++size) {
      LineScanner scanner;
      const ParseResult result = scanner.Scan(std::string(size, 'a') + "\r\n", line_bytes_max);
      if (size <= line_bytes_max) {
        ASSERT_EQ(result.status, ParseStatus::kDone) << size;
        ASSERT_EQ(result.consumed, size + 2);
      } else {
        ASSERT_EQ(result.status, ParseStatus::kInvalid) << size;
        ASSERT_EQ(result.error, HeadError::kLineTooLong);
      }
      ASSERT_LE(scanner.bytes_examined(), line_bytes_max + 2);
    }
  }
}

TEST(LineScannerTest, LimitAndBareLineFeed) {
  for (size_t size = 4; size <= 6; ++size) {
    LineScanner scanner;
    const ParseResult result = scanner.Scan(std::string(size, 'a') + "\r\n", 5);
    EXPECT_EQ(result.status, size <= 5 ? ParseStatus::kDone : ParseStatus::kInvalid);
    if (size > 5) {
      EXPECT_EQ(result.error, HeadError::kLineTooLong);
    }
  }
  EXPECT_EQ(LineScanner().Scan("\n", 5).error, HeadError::kBareLineFeed);
  EXPECT_EQ(LineScanner().Scan("a\nb\r\n", 5).error, HeadError::kBareLineFeed);
  EXPECT_EQ(LineScanner().Scan("", 0).min_bytes, 1u);
  EXPECT_EQ(LineScanner().Scan("\r\n", 0).status, ParseStatus::kDone);
  EXPECT_EQ(LineScanner().Scan("a\r\n", SIZE_MAX).status, ParseStatus::kDone);
}

}  // namespace
}  // namespace halfpipe::http
