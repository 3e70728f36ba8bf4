// Answers to a client: RFC 6455 section 4.1, RFC 7692 section 7.1, RFC 9110 sections 7.8 and 15.

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "websocket/testing/conformance/handshake_case.h"

namespace halfpipe::websocket::conformance {
namespace {

using Rows = std::vector<AnswerCase>;

const std::string kDeflate = "permessage-deflate";

Head With(std::vector<std::string> fields) { return {.with = std::move(fields)}; }

Head Other(const std::string& name, const std::string& value) {
  return {.without = {name}, .with = {absl::StrCat(name, ": ", value)}};
}

void WithDeflate(ClientUpgradeOptions* options) { options->deflate.enabled = true; }

// What the client says of its own messages.
void WithHints(ClientUpgradeOptions* options) {
  options->deflate.enabled = true;
  options->deflate.client_no_context_takeover = true;
  options->deflate.client_max_window_bits = 10;
}

// What it asks of the server's.
void WithDemands(ClientUpgradeOptions* options) {
  options->deflate.enabled = true;
  options->deflate.server_no_context_takeover = true;
  options->deflate.server_max_window_bits = 10;
  options->deflate.fallback = false;
}

void AddAnswers(Rows* rows) {
  const auto good = [rows](std::string name, const char* section, Head head,
                           std::string subprotocol = "") {
    rows->push_back({.name = std::move(name),
                     .section = section,
                     .head = std::move(head),
                     .subprotocol = std::move(subprotocol)});
  };
  good("the RFC's answer", "6455 4.1", {});
  good("without a reason", "9112 4", {.start_line = "HTTP/1.1 101 "});
  good("without a reason and its space", "9112 4", {.start_line = "HTTP/1.1 101"});
  good("with another reason", "9112 4", {.start_line = "HTTP/1.1 101 Caf\xe9 (yes)"});
  good("Upgrade in another case", "6455 4.1", Other("Upgrade", "WebSocket"));
  // RFC 9110 has such members ignored, which RFC 6455 did not know.
  good("an Upgrade with empty members", "9110 5.6.1", Other("Upgrade", ", websocket ,"));
  good("Connection in another case", "6455 4.1", Other("Connection", "upgrade"));
  good("Connection among others", "6455 4.1", Other("Connection", "keep-alive, Upgrade"));
  good("Connection in two lines", "9110 5.3",
       {.without = {"Connection"}, .with = {"Connection: keep-alive,", "Connection: ,upgrade"}});
  good("100 with fields of content first", "9110 15.2",
       {.raw = "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" +
               AnswerBytes({})});
  good("an unknown 1xx first", "9110 15.2",
       {.raw = "HTTP/1.1 199 Whatever\r\n\r\n" + AnswerBytes({})});
  good("further fields", "6455 4.1", With({"Server: x", "Set-Cookie: a=b", "Set-Cookie: c=d"}));
  good("blanks round the accept", "9112 5.1",
       Other("Sec-WebSocket-Accept", "  s3pPLMBiTxaQ9kYGzzhZRbK+xOo= \t"));
  good("a subprotocol of ours", "6455 4.1", With({"Sec-WebSocket-Protocol: chat"}), "chat");
  good("the other one", "6455 4.1", With({"Sec-WebSocket-Protocol: superchat"}), "superchat");
  good("100 first", "9110 15.2", {.raw = "HTTP/1.1 100 Continue\r\n\r\n" + AnswerBytes({})});
  good("103 twice first", "9110 15.2",
       {.raw = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" +
               AnswerBytes({})});
}

void AddBadAnswers(Rows* rows) {
  const auto bad = [rows](std::string name, const char* section, Head head, int status = 101) {
    rows->push_back({.name = std::move(name),
                     .section = section,
                     .head = std::move(head),
                     .status = status,
                     .error = EPROTO});
  };
  bad("no Upgrade", "6455 4.1", {.without = {"Upgrade"}});
  bad("an empty Upgrade", "6455 4.1", Other("Upgrade", ""));
  bad("an Upgrade to something else", "6455 4.1", Other("Upgrade", "h2c"));
  bad("an Upgrade to two things", "6455 4.1", Other("Upgrade", "websocket, h2c"));
  bad("an Upgrade in two lines", "6455 4.1", With({"Upgrade: websocket"}));
  bad("an Upgrade with a version", "6455 4.1", Other("Upgrade", "websocket/13"));
  bad("no Connection", "6455 4.1", {.without = {"Connection"}});
  bad("a Connection without upgrade", "6455 4.1", Other("Connection", "keep-alive"));
  bad("no accept", "6455 4.1", {.without = {"Sec-WebSocket-Accept"}});
  bad("the accept twice", "6455 11.3.3",
      With({"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}));
  for (const char* accept : {"", "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo",
                             "S3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "s3pPLMBiTxaQ9kYGzzhZRbK+xOp=",
                             "s3pPLMBiTxaQ9kYGzzhZRbK-xOo=", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=,",
                             "s3pPLMBiTxaQ9kYGzzhZRbK+xOo==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk=",
                             "s3pPLMBiTxaQ9kYGzzhZRbK+ xOo="}) {
    bad(absl::StrCat("the accept ", accept), "6455 4.1", Other("Sec-WebSocket-Accept", accept));
  }
  bad("a subprotocol that was not offered", "6455 4.1", With({"Sec-WebSocket-Protocol: other"}));
  bad("a subprotocol in another case", "6455 4.1", With({"Sec-WebSocket-Protocol: Chat"}));
  bad("an empty subprotocol", "6455 4.1", With({"Sec-WebSocket-Protocol:"}));
  bad("two subprotocols", "6455 4.1", With({"Sec-WebSocket-Protocol: chat, superchat"}));
  bad("two lines of subprotocols", "6455 11.3.4",
      With({"Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: chat"}));
  bad("an extension that was not offered", "6455 9.1",
      With({"Sec-WebSocket-Extensions: " + kDeflate}));
  bad("an unknown extension", "6455 9.1", With({"Sec-WebSocket-Extensions: foo"}));
  bad("a malformed extension", "6455 9.1", With({"Sec-WebSocket-Extensions: foo;"}));
  bad("an empty extension", "6455 9.1", With({"Sec-WebSocket-Extensions:"}));
  bad("a length", "9110 8.6", With({"Content-Length: 0"}));
  bad("a transfer coding", "9112 6.1", With({"Transfer-Encoding: chunked"}));
  bad("HTTP/1.0", "9110 7.8", {.start_line = "HTTP/1.0 101 Switching Protocols"});
  const std::string good = AnswerBytes({});
  const auto raw = [&bad](std::string name, const char* section, std::string bytes) {
    bad(std::move(name), section, {.raw = std::move(bytes)}, 0);
  };
  raw("HTTP/2.0", "9112 2.3", "HTTP/2.0 101 Switching Protocols\r\n\r\n");
  raw("a status of two digits", "9112 4", "HTTP/1.1 10 Switching\r\n\r\n");
  raw("a status of four digits", "9112 4", "HTTP/1.1 1010 Switching\r\n\r\n");
  raw("a status of 99", "9110 15", "HTTP/1.1 099 Switching\r\n\r\n");
  raw("a status of 600", "9110 15", "HTTP/1.1 600 Switching\r\n\r\n");
  raw("no HTTP", "9112 4", "SSH-2.0-OpenSSH\r\n\r\n");
  raw("a frame at once", "6455 4.1", "\x81\x05Hello\r\n");
  raw("an empty line in front", "9112 2.2", "\r\n" + good);
  raw("a bare LF", "9112 2.2", "HTTP/1.1 101 Switching\nUpgrade: websocket\n\n");
  raw("obs-fold", "9112 5.2", "HTTP/1.1 101 Switching\r\nX: a\r\n b\r\n\r\n");
  raw("a space before a colon", "9112 5.1",
      "HTTP/1.1 101 Switching\r\nUpgrade : websocket\r\n\r\n");
  raw("a NUL", "9110 5.5", std::string("HTTP/1.1 101 S\r\nX: a\0b\r\n\r\n", 25));
  raw("a line that is too long", "9110 5.4",
      "HTTP/1.1 101 S\r\nX: " + std::string(9000, 'x') + "\r\n\r\n");
  std::string interim;
  for (int i = 0; i < 16; ++i) interim += "HTTP/1.1 100 Continue\r\n\r\n";
  bad("interim responses without end", "9110 15.2", {.raw = interim + good}, 0);
}

void AddOthers(Rows* rows) {
  for (const char* status :
       {"200 OK", "204 No Content", "301 Moved", "302 Found", "400 Bad Request", "401 Unauthorized",
        "403 Forbidden", "404 Not Found", "407 Proxy", "426 Upgrade Required", "429 Slow",
        "500 Error", "503 Busy", "599 x"}) {
    const std::string text = status;
    rows->push_back(
        {.name = absl::StrCat("a refusal with ", text),
         .section = "6455 4.1",
         .head = {.raw = absl::StrCat("HTTP/1.1 ", text, "\r\nContent-Length: 0\r\n\r\n")},
         .status = std::stoi(text.substr(0, 3)),
         .error = EACCES});
  }
  rows->push_back({.name = "a refusal with content",
                   .section = "9112 6.2",
                   .head = {.raw = "HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\nnever"},
                   .status = 403,
                   .error = EACCES,
                   .body = "never"});
  rows->push_back({.name = "a refusal in chunks",
                   .section = "9112 7.1",
                   .head = {.raw = "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n"
                                   "3\r\nnev\r\n2;a=b\r\ner\r\n0\r\n\r\n"},
                   .status = 403,
                   .error = EACCES,
                   .body = "never"});
  rows->push_back({.name = "a refusal up to the end",
                   .section = "9112 6.3",
                   .head = {.raw = "HTTP/1.1 500 No\r\n\r\nnever"},
                   .status = 500,
                   .error = EACCES,
                   .body = "never"});
  rows->push_back({.name = "a 200 with all that a 101 has",
                   .section = "6455 4.1",
                   .head = {.start_line = "HTTP/1.1 200 OK", .with = {"Content-Length: 0"}},
                   .status = 200,
                   .error = EACCES});
  const std::string good = AnswerBytes({});
  for (const size_t size : {0u, 1u, 12u, 34u, 80u}) {
    // An empty `raw` would stand for the good answer.
    const Head head = size == 0 ? Head{.raw = "H"} : Head{.raw = good.substr(0, size)};
    rows->push_back({.name = absl::StrCat("the end after ", size, " bytes of an answer"),
                     .section = "9112 8",
                     .head = head,
                     .status = 0,
                     .error = ECONNRESET});
  }
  rows->push_back({.name = "the end behind an interim response",
                   .section = "9112 8",
                   .head = {.raw = "HTTP/1.1 100 Continue\r\n\r\n"},
                   .status = 0,
                   .error = ECONNRESET});
}

// Answers to offers of permessage-deflate.
void AddDeflate(Rows* rows) {
  const auto add = [rows](void (*options)(ClientUpgradeOptions*), const std::string& name,
                          const char* section, const std::string& extensions, bool good) {
    rows->push_back({.name = absl::StrCat("the answer ", extensions, name),
                     .section = section,
                     .head = With({absl::StrCat("Sec-WebSocket-Extensions: ", extensions)}),
                     .error = good ? 0 : EPROTO,
                     .deflate = good,
                     .options = options});
  };
  const auto hinted = [&add](const char* section, const std::string& extensions) {
    add(&WithHints, " to hints", section, extensions, true);
  };
  // A server may ignore them.
  hinted("7692 7.1.1.2", kDeflate);
  hinted("7692 7.1.1.2", kDeflate + "; client_no_context_takeover");
  for (const char* bits : {"8", "9", "10", "11", "15"}) {
    hinted("7692 7.1.2.2", absl::StrCat(kDeflate, "; client_max_window_bits=", bits));
  }
  const auto demanded = [&add](const char* section, const std::string& extensions, bool good) {
    add(&WithDemands, " to demands", section, extensions, good);
  };
  const std::string fresh = kDeflate + "; server_no_context_takeover";
  demanded("7692 7.1.1.1", kDeflate, false);
  demanded("7692 7.1.1.1", kDeflate + "; server_max_window_bits=10", false);
  demanded("7692 7.1.2.1", fresh, false);
  demanded("7692 7.1.2.1", fresh + "; server_max_window_bits=11", false);
  demanded("7692 7.1.2.1", fresh + "; server_max_window_bits=10", true);
  demanded("7692 7.1.2.1", fresh + "; server_max_window_bits=9", true);

  const auto answer = [&add](const char* section, const std::string& extensions, bool good) {
    add(&WithDeflate, "", section, extensions, good);
  };
  answer("7692 5.1", kDeflate, true);
  answer("7692 7.1.1.1", kDeflate + "; server_no_context_takeover", true);
  answer("7692 7.1.1.2", kDeflate + "; client_no_context_takeover", true);
  answer("7692 7.1.2.1", kDeflate + "; server_max_window_bits=8", true);
  answer("7692 7.1.2.1", kDeflate + "; server_max_window_bits=15", true);
  answer("7692 7.1.2.2", kDeflate + "; client_max_window_bits=9", true);
  answer("7692 7.1", kDeflate + "; server_max_window_bits=\"10\"; client_max_window_bits=\"12\"",
         true);
  answer("7692 7.1.2.2", kDeflate + "; client_max_window_bits", false);
  answer("7692 7.1.2.1", kDeflate + "; server_max_window_bits", false);
  for (const char* bits : {"7", "16", "0", "010", "x", "-8", "8.0"}) {
    answer("7692 7.1.2.1", absl::StrCat(kDeflate, "; server_max_window_bits=", bits), false);
    answer("7692 7.1.2.2", absl::StrCat(kDeflate, "; client_max_window_bits=", bits), false);
  }
  answer("7692 7.1.1.1", kDeflate + "; server_no_context_takeover=1", false);
  answer("7692 7.1", kDeflate + "; server_no_context_takeover; server_no_context_takeover", false);
  answer("7692 7.1", kDeflate + "; unknown", false);
  answer("7692 5.1", kDeflate + ", " + kDeflate, false);
  answer("7692 5.1", kDeflate + "\r\nSec-WebSocket-Extensions: " + kDeflate, false);
  answer("6455 9.1", "foo", false);
  answer("6455 9.1", kDeflate + ", foo", false);
  answer("6455 9.1", "Permessage-Deflate-x", false);
  rows->push_back(
      {.name = "no answer to the offer", .section = "7692 5.1", .options = &WithDeflate});
}

}  // namespace

std::vector<AnswerCase> AnswerCases() {
  Rows rows;
  AddAnswers(&rows);
  AddBadAnswers(&rows);
  AddOthers(&rows);
  AddDeflate(&rows);
  return rows;
}

}  // namespace halfpipe::websocket::conformance
