// What a peer can do to a server with the head of its request, and what a caller of ours can do with
// the parts of a head: every refusal however the bytes are cut, floods, smuggling, injection.

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <iterator>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/testing/forwarding_bytestream.h"
#include "bytestream/testing/scripted_bytestream.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "http/core/basic_auth.h"
#include "http/core/cookie.h"
#include "http/core/header_list.h"
#include "http/core/message.h"
#include "http/core/redirect.h"
#include "http/core/response.h"
#include "websocket/testing/bytes.h"
#include "websocket/upgrade.h"
#include "websocket/upgrade_test_support.h"

namespace halfpipe::websocket {
namespace {

const Deadline kNever = Deadline::Never();

// "\n" stands for CRLF.
std::string Lines(absl::string_view text) {
  std::string wire;
  for (const char c : text) {
    if (c == '\n') wire.push_back('\r');
    wire.push_back(c);
  }
  return wire;
}

struct Attack {
  std::string name;
  std::string request;
  int status;
};

std::string Repeat(int count, absl::string_view text) {
  std::string all;
  for (int i = 0; i < count; ++i) absl::StrAppend(&all, text);
  return all;
}

std::string With(absl::string_view field) { return Request(Lines(field)); }

// A good request with the line of `field` in place of its own of that name.
std::string InPlaceOf(absl::string_view line, absl::string_view other) {
  return Replaced(Request(), Lines(absl::StrCat(line, "\n")), Lines(absl::StrCat(other, "\n")));
}

const char kHost[] = "Host: example.org";
const char kUpgrade[] = "Upgrade: websocket";
const char kConnection[] = "Connection: Upgrade";
const char kVersion[] = "Sec-WebSocket-Version: 13";

std::string KeyLine() { return absl::StrCat("Sec-WebSocket-Key: ", kKey); }

std::vector<Attack> Attacks() {
  const std::string key = KeyLine();
  return {
      // Content, which would leave open where the frames begin (RFC 9112 section 11.2).
      {"length", With("Content-Length: 5\n"), 400},
      {"length that is huge", With("Content-Length: 18446744073709551616\n"), 400},
      {"length that is negative", With("Content-Length: -1\n"), 400},
      {"length in hexadecimal", With("Content-Length: 0x0\n"), 400},
      {"lengths that differ", With("Content-Length: 0\nContent-Length: 5\n"), 400},
      {"lengths alike", With("Content-Length: 0\nContent-Length: 0\n"), 400},
      {"list of lengths", With("Content-Length: 0, 0\n"), 400},
      {"chunked", With("Transfer-Encoding: chunked\n"), 400},
      {"chunked and a length", With("Transfer-Encoding: chunked\nContent-Length: 0\n"), 400},
      {"identity", With("Transfer-Encoding: identity\n"), 400},
      {"coding in disguise", With("Transfer-Encoding: xchunked\n"), 400},
      {"empty coding", With("Transfer-Encoding:\n"), 400},
      // What there may be one of.
      {"two Hosts alike", With("Host: example.org\n"), 400},
      {"two Hosts", With("host: evil.com\n"), 400},
      {"no Host", Without(Request(), Lines("Host: example.org\n")), 400},
      {"empty Host", InPlaceOf(kHost, "Host:"), 400},
      {"list of Hosts", InPlaceOf(kHost, "Host: a, b"), 400},
      {"Host with a user", InPlaceOf(kHost, "Host: user@example.org"), 400},
      {"Host with a path", InPlaceOf(kHost, "Host: example.org/x"), 400},
      {"two Keys alike", With(absl::StrCat(key, "\n")), 400},
      {"two Keys", With("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\n"), 400},
      {"list of Keys", InPlaceOf(key, absl::StrCat(key, ", ", kKey)), 400},
      {"no Key", Without(Request(), Lines(absl::StrCat(key, "\n"))), 400},
      {"empty Key", InPlaceOf(key, "Sec-WebSocket-Key:"), 400},
      {"two Versions alike", With("Sec-WebSocket-Version: 13\n"), 400},
      {"two Versions", With("Sec-WebSocket-Version: 8\n"), 400},
      {"list of Versions", InPlaceOf(kVersion, "Sec-WebSocket-Version: 13, 8"), 426},
      {"Version with a zero", InPlaceOf(kVersion, "Sec-WebSocket-Version: 013"), 426},
      {"Version with a sign", InPlaceOf(kVersion, "Sec-WebSocket-Version: +13"), 426},
      {"empty Version", InPlaceOf(kVersion, "Sec-WebSocket-Version:"), 426},
      {"two Origins alike", With("Origin: http://example.org\nOrigin: http://example.org\n"), 400},
      {"two Origins", With("Origin: http://example.org\norigin: http://evil.com\n"), 400},
      // Of Upgrade and Connection, which are lists, there may be several; each must be right.
      {"other protocol", InPlaceOf(kUpgrade, "Upgrade: websockets"), 426},
      {"protocol with more behind", InPlaceOf(kUpgrade, "Upgrade: websocket x"), 426},
      {"quoted protocol", InPlaceOf(kUpgrade, "Upgrade: \"websocket\""), 426},
      {"empty Upgrade", InPlaceOf(kUpgrade, "Upgrade:"), 426},
      {"Upgrade of commas", InPlaceOf(kUpgrade, "Upgrade: ,,,"), 426},
      {"Connection without upgrade", InPlaceOf(kConnection, "Connection: keep-alive"), 400},
      {"Connection of nearly that", InPlaceOf(kConnection, "Connection: upgrades"), 400},
      {"no Connection", Without(Request(), Lines("Connection: Upgrade\n")), 400},
      // Keys of wrong length or alphabet (RFC 6455 section 4.2.1).
      {"Key of 15 bytes", InPlaceOf(key, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA"), 400},
      {"Key of 17 bytes", InPlaceOf(key, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA="), 400},
      {"Key without padding", InPlaceOf(key, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA"), 400},
      {"Key of the URL alphabet", InPlaceOf(key, "Sec-WebSocket-Key: AAAAAAAAAAA_AAAAAAAA-A=="),
       400},
      {"Key with stray bits", InPlaceOf(key, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAB=="), 400},
      {"Key with a blank", InPlaceOf(key, "Sec-WebSocket-Key: AAAAAAAAAAA AAAAAAAAAA=="), 400},
      {"Key above 0x7f",
       InPlaceOf(key,
                 "Sec-WebSocket-Key: AAAAAAAAAAA\xc1"
                 "AAAAAAAAAA=="),
       400},
      {"Key of 4096", InPlaceOf(key, absl::StrCat("Sec-WebSocket-Key: ", std::string(4096, 'A'))),
       400},
      // Lines.
      {"bare LF", Replaced(Request(), "\r\n", "\n"), 400},
      {"bare LF at the end", Request().substr(0, Request().size() - 2) + "\n", 400},
      {"bare CR", With("A: 1\r2\n"), 400},
      {"CR CR LF", With("A: 1\r\n"), 400},
      {"folded line", With("A: 1\n 2\n"), 400},
      {"folded with a tab", With("A: 1\n\t2\n"), 400},
      {"folded Host", InPlaceOf(kHost, "Host:\n example.org"), 400},
      {"folded first line", Replaced(Request(), "Host:", " Host:"), 400},
      {"space before the colon", With("A : 1\n"), 400},
      {"tab before the colon", With("A\t: 1\n"), 400},
      {"space before the colon of Host", InPlaceOf(kHost, "Host : example.org"), 400},
      {"no colon", With("A\n"), 400},
      {"no name", With(": 1\n"), 400},
      {"name with a space", With("A B: 1\n"), 400},
      {"name that is quoted", With("\"A\": 1\n"), 400},
      {"NUL in a value", With(absl::string_view("A: \0\n", 5)), 400},
      {"NUL in a name", With(absl::string_view("A\0: 1\n", 6)), 400},
      {"NUL in the target", Replaced(Request(), "/chat", std::string("/\0", 2)), 400},
      {"NUL first", std::string(1, '\0') + Request(), 400},
      {"DEL in a value", With("A: \x7f\n"), 400},
      {"escape in a value", With("A: \x1b[31m\n"), 400},
      {"two spaces", Replaced(Request(), "GET ", "GET  "), 400},
      {"tab in the start line", Replaced(Request(), "GET ", "GET\t"), 400},
      {"space at the start", " " + Request(), 400},
      {"space at the end of the start line", Replaced(Request(), "HTTP/1.1\r", "HTTP/1.1 \r"), 400},
      {"two empty lines first", "\r\n\r\n" + Request(), 400},
      {"no version", Replaced(Request(), " HTTP/1.1", ""), 400},
      {"lower-case version", Replaced(Request(), "HTTP/1.1", "http/1.1"), 400},
      {"other version", Replaced(Request(), "HTTP/1.1", "HTTP/2.0"), 505},
      {"old version", Replaced(Request(), "HTTP/1.1", "HTTP/1.0"), 505},
      {"long version", Replaced(Request(), "HTTP/1.1", "HTTP/1.10"), 400},
      {"preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"TLS", Lines("\x16\x03\x01\x02\n\n"), 400},
      {"lower-case method", Replaced(Request(), "GET", "get"), 405},
      {"CONNECT", "CONNECT example.org:80 HTTP/1.1\r\nHost: example.org\r\n\r\n", 405},
      {"space in the target", Replaced(Request(), "/chat", "/a b"), 400},
      {"fragment in the target", Replaced(Request(), "/chat", "/chat#f"), 400},
      {"target without a slash", Replaced(Request(), "/chat", "chat"), 400},
      {"byte above 0x7f in the target", Replaced(Request(), "/chat", "/\xc3\xa9"), 400},
      {"absolute target with a user", Replaced(Request(), "/chat", "http://u@h/chat"), 400},
      {"absolute target of another scheme", Replaced(Request(), "/chat", "ftp://h/chat"), 400},
      // Too much.
      {"long target", Replaced(Request(), "/chat", "/" + std::string(8192, 'x')), 414},
      {"long method", Replaced(Request(), "GET", std::string(8200, 'M')), 501},
      {"long value", With(absl::StrCat("A: ", std::string(8190, 'x'), "\n")), 431},
      {"long name", With(absl::StrCat(std::string(8192, 'x'), ": 1\n")), 431},
      {"long blanks", With(absl::StrCat("A:", std::string(8192, ' '), "1\n")), 431},
      {"many fields", With(Repeat(96, "A: 1\n")), 431},
      {"many empty fields", With(Repeat(96, "A:\n")), 431},
      {"long head", With(Repeat(5, absl::StrCat("A: ", std::string(4000, 'x'), "\n"))), 431},
      // Lists.
      {"many subprotocols",
       With(absl::StrCat("Sec-WebSocket-Protocol: a", Repeat(3000, ",a"), "\n")), 400},
      {"subprotocol twice", With("Sec-WebSocket-Protocol: a, a\n"), 400},
      {"subprotocols of commas",
       With(absl::StrCat("Sec-WebSocket-Protocol: ", Repeat(8000, ","), "\n")), 400},
      {"many extensions",
       With(absl::StrCat("Sec-WebSocket-Extensions: a", Repeat(3000, ",a"), "\n")), 400},
      {"many parameters",
       With(absl::StrCat("Sec-WebSocket-Extensions: a", Repeat(3000, ";b"), "\n")), 400},
      {"extension that never ends", With("Sec-WebSocket-Extensions: a; b=\"c\n"), 400},
  };
}

// Reads from another stream, and takes all that is written.
class ReplyTaker final : public ForwardingBytestream {
 public:
  using ForwardingBytestream::ForwardingBytestream;

  absl::Status Write(absl::Span<const IoSlice> slices, bool, Deadline) override {
    for (const IoSlice& slice : slices) absl::StrAppend(&written_, AsText(slice));
    return absl::OkStatus();
  }
  absl::Status Done(Deadline) override { return absl::OkStatus(); }

  const std::string& written() const { return written_; }

 private:
  static absl::string_view AsText(const IoSlice& slice) {
    return AsChars(absl::MakeConstSpan(slice.data, slice.size));
  }

  std::string written_;
};

class HardeningTest : public testing::Test {
 protected:
  // Serves `pieces`, one after the other, and returns the status of the answer.
  int Serve(const std::vector<std::string>& pieces, bool or_plain) {
    ServerUpgradeResult result;
    ScriptedBytestreamPtr script = MakeScripted(&runtime_);
    for (const std::string& piece : pieces) script->Deliver(piece);
    script->End();
    ReplyTaker taker(std::move(script));
    const auto hook = [this](const UpgradeRequest&) {
      ++accepted_;
      return UpgradeDecision::Accept();
    };
    const absl::Status status =
        or_plain ? ServerUpgradeOrPlain(
                       &runtime_, &taker, options_, hook,
                       [this](const http::RequestHead&) {
                         ++plain_;
                         return http::TextResponse(200, "page");
                       },
                       kNever, &result)
                 : ServerUpgrade(&runtime_, &taker, options_, hook, kNever, &result);
    error_ = StatusErrno(status);
    answer_ = taker.written();
    ReadToEnd(&taker);
    return result.status;
  }

  SimRuntime runtime_;
  ServerUpgradeOptions options_{.unix_seconds = nullptr};
  int accepted_ = 0;
  int plain_ = 0;
  int error_ = 0;
  std::string answer_;
};

std::vector<std::string> Cut(const std::string& text, size_t size) {
  std::vector<std::string> pieces;
  for (size_t i = 0; i < text.size(); i += size) pieces.push_back(text.substr(i, size));
  return pieces;
}

std::vector<std::string> SeededCut(const std::string& text, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::string> pieces;
  for (size_t i = 0; i < text.size();) {
    const size_t size = 1 + random() % (random() % 8 == 0 ? 5000 : 60);
    pieces.push_back(text.substr(i, size));
    i += size;
  }
  return pieces;
}

// The status does not depend on the cuts, and nothing behind the head becomes a request.
TEST_F(HardeningTest, EveryRefusalHoweverTheBytesAreCut) {
  for (const Attack& attack : Attacks()) {
    SCOPED_TRACE(attack.name);
    const std::string input =
        absl::StrCat(attack.request, "GET /smuggled HTTP/1.1\r\nHost: example.org\r\n\r\n");
    std::vector<std::vector<std::string>> cuts = {{input}, Cut(input, 1), {attack.request}};
    for (unsigned seed = 1; seed <= 4; ++seed) cuts.push_back(SeededCut(input, seed));
    for (size_t i = 0; i < cuts.size(); ++i) {
      SCOPED_TRACE(testing::Message() << "cut " << i);
      EXPECT_EQ(Serve(cuts[i], /*or_plain=*/false), attack.status);
      EXPECT_EQ(error_, EPROTO);
      EXPECT_TRUE(absl::StartsWith(answer_, absl::StrCat("HTTP/1.1 ", attack.status, " ")));
      EXPECT_TRUE(absl::EndsWith(answer_, "close\r\nContent-Length: 0\r\n\r\n"));
      EXPECT_EQ(answer_.find("HTTP/1.1", 1), std::string::npos) << "one answer";
    }
  }
  EXPECT_EQ(accepted_, 0);
}

// The same on a port that serves plain requests: nothing but a well-formed GET or HEAD that does not
// ask for an upgrade gets a page.
TEST_F(HardeningTest, PlainRequestsOpenNoOtherWay) {
  const std::vector<Attack> attacks = Attacks();
  for (const Attack& attack : attacks) {
    SCOPED_TRACE(attack.name);
    // These are plain requests: they do not ask for a WebSocket.
    constexpr absl::string_view kPlain[] = {
        "empty Upgrade",  "Upgrade of commas",         "old version",
        "other protocol", "protocol with more behind", "quoted protocol"};
    if (std::count(std::begin(kPlain), std::end(kPlain), attack.name) != 0) continue;
    EXPECT_EQ(Serve({attack.request}, /*or_plain=*/true), attack.status);
    EXPECT_EQ(error_, EPROTO);
  }
  EXPECT_EQ(accepted_, 0);
  EXPECT_EQ(plain_, 0);
}

// What looks odd and is right (RFC 9110 sections 5.5, 5.6.1 and 7.8).
TEST_F(HardeningTest, GoodRequestsHoweverTheBytesAreCut) {
  for (const std::string& request : std::vector<std::string>{
           Request(),
           "\r\n" + Request(),
           With("Content-Length: 0\n"),
           With("Origin: nonsense\n"),
           With("A:\nA: \x80\xff\n"),
           With(Repeat(94, "A: 1\n")),
           With("Sec-WebSocket-Protocol: a,, b ,\n"),
           With("Sec-WebSocket-Extensions: foo; bar=\"baz\", ,x\n"),
           InPlaceOf(kUpgrade, "Upgrade: h2c/13, WebSocket"),
           InPlaceOf(kUpgrade, "Upgrade: h2c\nUpgrade: websocket"),
           InPlaceOf(kConnection, "connection: keep-alive, UPGRADE"),
           InPlaceOf(kConnection, "Connection: keep-alive\nConnection: upgrade"),
           InPlaceOf(kHost, "HOST:   example.org:81  "),
           Replaced(Request(), "/chat", "http://other.org/chat"),
           Replaced(Request(), "/chat", "/{}|\\^`[]"),
           Replaced(Request(), "HTTP/1.1", "HTTP/1.2"),
       }) {
    SCOPED_TRACE(request);
    const int before = accepted_;
    EXPECT_EQ(Serve({request}, false), 101);
    EXPECT_EQ(Serve(Cut(request, 1), false), 101);
    EXPECT_EQ(Serve(SeededCut(request, 1), true), 101);
    EXPECT_EQ(accepted_, before + 3);
  }
}

// Whatever a hook, an option or a name holds, a line of ours stays one line. Each byte that could end
// one, at each place.
TEST_F(HardeningTest, NothingIsInjectedIntoARequest) {
  FixedEntropy entropy;
  for (const std::string& evil : {std::string("\r\nEvil: 1"), std::string("\n"), std::string("\r"),
                                  std::string("\0", 1), std::string("\r\n\r\nGET / HTTP/1.1")}) {
    const std::string word = absl::StrCat("a", evil);
    const std::string target = absl::StrCat("/", word);
    const std::string host = absl::StrCat("h", evil);
    const std::string origin = absl::StrCat("https://h", evil);
    const absl::string_view names[] = {word};
    const http::Field bad_name[] = {{word, "1"}};
    const http::Field bad_value[] = {{"A", word}};
    const http::Cookie cookie_name[] = {{word, "1"}};
    const http::Cookie cookie_value[] = {{"a", word}};
    std::vector<ClientUpgradeOptions> cases(11, {.host = "h"});
    cases[0].target = target;
    cases[1].host = host;
    cases[2].subprotocols = names;
    cases[3].extra_fields = bad_name;
    cases[4].extra_fields = bad_value;
    cases[5].cookies = cookie_name;
    cases[6].cookies = cookie_value;
    cases[7].basic = http::BasicCredentials{word, "p"};
    cases[8].basic = http::BasicCredentials{"u", word};
    cases[9].bearer = word;
    cases[10].origin = origin;
    for (size_t i = 0; i < cases.size(); ++i) {
      SCOPED_TRACE(i);
      cases[i].entropy = &entropy;
      ScriptedBytestreamPtr untouched = MakeScripted(&runtime_);
      EXPECT_THAT(ClientUpgrade(&runtime_, untouched.get(), cases[i], nullptr, kNever),
                  IsErrno(EINVAL));
    }
  }
}

// A client that was redirected asks for nothing but what the URL's grammar allows.
TEST_F(HardeningTest, NothingIsInjectedByARedirect) {
  for (const std::string& evil : {std::string("/\r\nEvil: 1"), std::string("//h\r\nEvil: 1/"),
                                  std::string("/\n"), std::string("/\0", 2), std::string("/ x"),
                                  std::string("ws://h:80\r\n/"), std::string("?\r\n")}) {
    http::RedirectChain chain("ws://example.org/");
    EXPECT_EQ(chain.Follow(302, evil), http::RedirectError::kBadLocation) << evil;
    EXPECT_EQ(chain.url(), "ws://example.org/");
  }
}

// Heads that never end cost each connection its read buffer and nothing else, and that is given back
// when their time is over.
TEST_F(HardeningTest, HeaderFloodIsBoundedAndComesBack) {
  constexpr size_t kPeers = 50;
  const std::string flood =
      Request(Repeat(90, absl::StrCat("A: ", std::string(100, 'x'), "\r\n"))).substr(0, 9000);
  std::vector<ScriptedBytestreamPtr> peers;
  Bundle bundle(&runtime_);
  int timed_out = 0;
  for (size_t i = 0; i < kPeers; ++i) {
    peers.push_back(MakeScripted(&runtime_));
    peers.back()->Deliver(flood).AwaitReader().ExpectWrite(
        "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    peers.back()->ExpectDone();
    ASSERT_THAT(bundle.Go([&, peer = peers.back().get()] {
      const absl::Status status = ServerUpgrade(
          &runtime_, peer, options_,
          [](const UpgradeRequest&) { return UpgradeDecision::Accept(); }, kNever);
      timed_out += StatusErrno(status) == ETIMEDOUT ? 1 : 0;
    }),
                IsOk());
  }
  EXPECT_EQ(runtime_.SleepUntil(Deadline::In(options_.head_time_max / 2)), 0);
  EXPECT_EQ(timed_out, 0);
  EXPECT_LE(runtime_.buffer_pool().blocks_in_use(), kPeers);
  EXPECT_EQ(bundle.Wait(kNever), 0);
  EXPECT_EQ(timed_out, static_cast<int>(kPeers));
  EXPECT_EQ(runtime_.buffer_pool().blocks_in_use(), 0u);
  for (const ScriptedBytestreamPtr& peer : peers) EXPECT_EQ(peer->steps_left(), 0u);
}

}  // namespace
}  // namespace halfpipe::websocket
