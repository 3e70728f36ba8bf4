// Requests to a server: RFC 6455 sections 4.2, 4.4, 9.1, 11.3; RFC 7692 section 7.1; RFC 9110 and
// RFC 9112 as far as an upgrade is concerned.

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "websocket/testing/conformance/handshake_case.h"

namespace halfpipe::websocket::conformance {
namespace {

using Rows = std::vector<RequestCase>;

const std::string kDeflate = "permessage-deflate";

Head With(std::vector<std::string> fields) { return {.with = std::move(fields)}; }

// The field `name` with another value.
Head Other(const std::string& name, const std::string& value) {
  return {.without = {name}, .with = {absl::StrCat(name, ": ", value)}};
}

void WithDeflate(ServerUpgradeOptions* options) { options->deflate.enabled = true; }

void WithSubprotocols(ServerUpgradeOptions* options) {
  static constexpr absl::string_view kSpoken[] = {"superchat", "chat"};
  options->subprotocols = kSpoken;
}

void AddGood(Rows* rows) {
  rows->push_back({.name = "the RFC's request",
                   .section = "6455 4.2.2",
                   .answer = {"upgrade: websocket", "connection: Upgrade",
                              "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}});
  const auto good = [rows](std::string name, const char* section, Head head) {
    rows->push_back({.name = std::move(name), .section = section, .head = std::move(head)});
  };
  good("Connection among others", "6455 4.2.1", Other("Connection", "keep-alive, Upgrade"));
  good("Connection in another case", "6455 4.2.1", Other("Connection", "uPGRADE"));
  good("Connection in two lines", "9110 5.3",
       {.without = {"Connection"}, .with = {"Connection: keep-alive", "Connection: upgrade"}});
  good("Connection with empty members", "9110 5.6.1", Other("Connection", ", ,upgrade,,"));
  good("Upgrade in another case", "6455 4.2.1", Other("Upgrade", "WebSocket"));
  good("Upgrade among others", "9110 7.8", Other("Upgrade", "h2c, websocket"));
  good("names of fields in another case", "9110 5.1",
       {.without = {"Upgrade", "Sec-WebSocket-Key"},
        .with = {"uPgRaDe: websocket", "SEC-WEBSOCKET-KEY: dGhlIHNhbXBsZSBub25jZQ=="}});
  good("blanks round a value", "9112 5.1", Other("Sec-WebSocket-Version", " \t13 \t"));
  good("no blank before a value", "9112 5.1",
       {.without = {"Sec-WebSocket-Version"}, .with = {"Sec-WebSocket-Version:13"}});
  good("an empty line in front", "9112 2.2", {.raw = "\r\n" + RequestBytes({})});
  good("an empty value of another field", "9112 5", With({"X-Empty:"}));
  good("a value beyond ASCII", "9110 5.5", With({"X-Latin: caf\xe9"}));
  good("a long value of another field", "9112 5", With({"Cookie: " + std::string(4000, 'c')}));
  good("a Content-Length of 0", "9112 6.2", With({"Content-Length: 0"}));
  good("a Content-Length of zeroes", "9112 6.2", With({"Content-Length: 000"}));
  good("Upgrade with a version and without", "9110 7.8",
       Other("Upgrade", "websocket/13, websocket"));
  good("an Upgrade in two lines", "9110 7.8", With({"Upgrade: h2c"}));
  good("an Upgrade with empty members", "9110 5.6.1", Other("Upgrade", ", websocket,"));
  good("a key of zeroes", "6455 4.2.1", Other("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="));
  good("a key of ones", "6455 4.2.1", Other("Sec-WebSocket-Key", "/////////////////////w=="));
  rows->push_back({.name = "a target with a query",
                   .section = "9112 3.2.1",
                   .head = {.start_line = "GET /a/b?c=d&e HTTP/1.1"},
                   .resource = "/a/b?c=d&e"});
  rows->push_back({.name = "a target in absolute-form wins over Host",
                   .section = "9112 3.2.2",
                   .head = {.start_line = "GET http://other.example:81/x HTTP/1.1"},
                   .resource = "/x",
                   .host = "other.example:81"});
  rows->push_back({.name = "a Host with a port",
                   .section = "9110 7.2",
                   .head = Other("Host", "server.example.com:8080"),
                   .host = "server.example.com:8080"});
  rows->push_back({.name = "a Host that is an IPv6 address",
                   .section = "9110 7.2",
                   .head = Other("Host", "[2001:db8::1]:80"),
                   .host = "[2001:db8::1]:80"});
  rows->push_back({.name = "a Host with an empty port",
                   .section = "9110 7.2",
                   .head = Other("Host", "server.example.com:"),
                   .host = "server.example.com:"});
  rows->push_back({.name = "a target in absolute-form without a path",
                   .section = "9112 3.2.2",
                   .head = {.start_line = "GET ws://[::1]:80 HTTP/1.1"},
                   .resource = "/",
                   .host = "[::1]:80"});
  rows->push_back({.name = "a target with percent-encoded octets",
                   .section = "9112 3.2.1",
                   .head = {.start_line = "GET /%2e%2E/a%20b/./../c?%0d%0a HTTP/1.1"},
                   .resource = "/%2e%2E/a%20b/./../c?%0d%0a"});
  rows->push_back({.name = "100-continue that is expected",
                   .section = "9110 7.8",
                   .head = With({"Expect: 100-Continue"}),
                   .statuses = {100, 101}});
  rows->push_back({.name = "an expectation of something else",
                   .section = "9110 10.1.1",
                   .head = With({"Expect: 200-ok"})});
  rows->push_back({.name = "a later minor version",
                   .section = "9110 2.5",
                   .head = {.start_line = "GET /chat HTTP/1.2"}});
}

// Faults of HTTP itself. The call fails with EPROTO.
void AddBadHeads(Rows* rows) {
  const auto bad = [rows](std::string name, const char* section, int status, Head head) {
    rows->push_back({.name = std::move(name),
                     .section = section,
                     .head = std::move(head),
                     .status = status,
                     .error = EPROTO});
  };
  const std::string good = RequestBytes({});
  const auto replaced = [&good](const std::string& from, const std::string& to) {
    std::string bytes = good;
    return Head{.raw = bytes.replace(bytes.find(from), from.size(), to)};
  };
  bad("two empty lines in front", "9112 2.2", 400, {.raw = "\r\n\r\n" + good});
  bad("a bare LF behind the request line", "9112 2.2", 400, replaced("HTTP/1.1\r\n", "HTTP/1.1\n"));
  bad("a bare LF behind a field", "9112 2.2", 400, replaced("websocket\r\n", "websocket\n"));
  bad("a bare LF at the end", "9112 2.2", 400, replaced("13\r\n\r\n", "13\r\n\n"));
  bad("a bare CR in a field", "9112 2.2", 400, replaced("websocket", "web\rsocket"));
  bad("a NUL in a field", "9110 5.5", 400, With({std::string("X: a\0b", 6)}));
  bad("a NUL in the target", "9112 3", 400, {.start_line = std::string("GET /a\0b HTTP/1.1", 17)});
  bad("a control character in a field", "9110 5.5", 400,
      With({"X: a\x01"
            "b"}));
  bad("a DEL in a field", "9110 5.5", 400,
      With({"X: a\x7f"
            "b"}));
  bad("a space before a colon", "9112 5.1", 400, With({"X : a"}));
  bad("a tab before a colon", "9112 5.1", 400, With({"X\t: a"}));
  bad("obs-fold", "9112 5.2", 400, With({"X: a", " b"}));
  bad("obs-fold with a tab", "9112 5.2", 400, With({"X: a", "\tb"}));
  bad("a blank before the first field", "9112 2.2", 400, replaced("\r\nHost", "\r\n Host"));
  bad("a field without a colon", "9112 5", 400, With({"X"}));
  bad("a field without a name", "9112 5", 400, With({": a"}));
  for (const char c : {' ', '"', '(', ')', ',', '/', ';', '<', '=', '>', '?', '@', '[', '\\', ']',
                       '{', '}', '\x80'}) {
    bad(absl::StrCat("a name with ", absl::CHexEscape(std::string(1, c))), "9110 5.1", 400,
        With({absl::StrCat("X", std::string(1, c), "Y: a")}));
  }
  bad("two spaces in the request line", "9112 3", 400, {.start_line = "GET  /chat HTTP/1.1"});
  bad("a space at the end of the request line", "9112 3", 400,
      {.start_line = "GET /chat HTTP/1.1 "});
  bad("a tab in the request line", "9112 3", 400, {.start_line = "GET\t/chat HTTP/1.1"});
  bad("no version", "9112 3", 400, {.start_line = "GET /chat"});
  bad("no target", "9112 3", 400, {.start_line = "GET HTTP/1.1"});
  bad("a method that is no token", "9112 3.1", 400, {.start_line = "G(T /chat HTTP/1.1"});
  bad("a target beyond ASCII", "9112 3.2", 400, {.start_line = "GET /caf\xe9 HTTP/1.1"});
  bad("a version in lower case", "9112 2.3", 400, {.start_line = "GET /chat http/1.1"});
  bad("a version of two digits", "9112 2.3", 400, {.start_line = "GET /chat HTTP/1.10"});
  bad("a version without a minor one", "9112 2.3", 400, {.start_line = "GET /chat HTTP/1"});
  bad("HTTP/2.0", "9112 2.3", 505, {.start_line = "GET /chat HTTP/2.0"});
  bad("HTTP/0.9", "9112 2.3", 505, {.start_line = "GET /chat HTTP/0.9"});
  bad("the preface of HTTP/2", "9112 2.3", 505, {.raw = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"});
  bad("a hello of TLS", "9112 2.2", 400,
      {.raw = std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", 12)});
  bad("a target that is too long", "9110 15.5.15", 414,
      {.start_line = absl::StrCat("GET /", std::string(8200, 't'), " HTTP/1.1")});
  bad("a method that is too long", "9110 15.6.2", 501, {.start_line = std::string(8200, 'M')});
  bad("a field that is too long", "9110 5.4", 431, With({"X: " + std::string(8200, 'x')}));
  std::vector<std::string> many(101, "X: y");
  bad("too many fields", "9110 5.4", 431, With(many));
  std::vector<std::string> large(4, "X: " + std::string(4090, 'x'));
  bad("a head that is too long", "9110 5.4", 431, With(large));
}

// Faults of the upgrade and of WebSocket.
void AddBadUpgrades(Rows* rows) {
  const auto bad = [rows](std::string name, const char* section, int status, Head head,
                          std::vector<std::string> answer = {}) {
    rows->push_back({.name = std::move(name),
                     .section = section,
                     .head = std::move(head),
                     .status = status,
                     .error = EPROTO,
                     .answer = std::move(answer)});
  };
  const std::vector<std::string> upgrade_required = {"upgrade: websocket",
                                                     "sec-websocket-version: 13"};
  for (const char* method : {"POST", "PUT", "HEAD", "OPTIONS", "get", "GETS", "DELETE"}) {
    bad(absl::StrCat("the method ", method), "6455 4.2.1", 405,
        {.start_line = absl::StrCat(method, " /chat HTTP/1.1")}, {"allow: GET"});
  }
  bad("HTTP/1.0", "6455 4.2.1", 505, {.start_line = "GET /chat HTTP/1.0"});
  bad("no Host", "9112 3.2", 400, {.without = {"Host"}});
  bad("two Hosts", "9112 3.2", 400, With({"Host: server.example.com"}));
  bad("an empty Host", "9112 3.2", 400, Other("Host", ""));
  for (const char* host : {"a b", "a/b", "user@host", "host:port", "host:65536", "host:80:80",
                           "[::1", "::1", "[1::2::3]", "http://a", "[::1]x", "[fe80::1%25eth0]",
                           "[v1.x]", "a?b", "a#b", "a%zz", ":80"}) {
    bad(absl::StrCat("the Host ", host), "9110 7.2", 400, Other("Host", host));
  }
  // A target in absolute-form outranks the field; that has to be there, once and well formed, all
  // the same.
  const std::string absolute = "GET http://server.example.com/chat HTTP/1.1";
  bad("an absolute target without Host", "9112 3.2", 400,
      {.start_line = absolute, .without = {"Host"}});
  bad("an absolute target with two Hosts", "9112 3.2", 400,
      {.start_line = absolute, .with = {"Host: server.example.com"}});
  bad("an absolute target with a bad Host", "9112 3.2", 400,
      {.start_line = absolute, .without = {"Host"}, .with = {"Host: a b"}});
  bad("CONNECT", "9110 9.3.6", 405, {.start_line = "CONNECT server.example.com:80 HTTP/1.1"},
      {"allow: GET"});
  bad("OPTIONS of the server", "9112 3.2.4", 405, {.start_line = "OPTIONS * HTTP/1.1"},
      {"allow: GET"});
  for (const char* target : {"chat", "*", "server.example.com:80", "ftp://server.example.com/",
                             "http://", "http:///chat", "/chat#fragment", "http://a#b",
                             "http://user@server.example.com/", "http://a b/", "https:/a"}) {
    bad(absl::StrCat("the target ", target), "9112 3.2", 400,
        {.start_line = absl::StrCat("GET ", target, " HTTP/1.1")});
  }
  bad("no Upgrade", "9110 7.8", 426, {.without = {"Upgrade"}}, upgrade_required);
  bad("an empty Upgrade", "9110 7.8", 426, Other("Upgrade", ""), upgrade_required);
  bad("an Upgrade to something else", "6455 4.2.1", 426, Other("Upgrade", "h2c"), upgrade_required);
  bad("an Upgrade to something alike", "6455 4.2.1", 426, Other("Upgrade", "websockets"),
      upgrade_required);
  bad("an Upgrade with a version", "9110 7.8", 426, Other("Upgrade", "websocket/13"),
      upgrade_required);
  bad("no Connection", "6455 4.2.1", 400, {.without = {"Connection"}});
  bad("a Connection without upgrade", "6455 4.2.1", 400, Other("Connection", "keep-alive"));
  bad("a Connection with something alike", "6455 4.2.1", 400, Other("Connection", "upgraded"));
  bad("upgrade inside quotes", "9110 5.6.1", 400, Other("Connection", "\"a, upgrade\""));
  bad("no Sec-WebSocket-Version", "6455 4.4", 426, {.without = {"Sec-WebSocket-Version"}},
      upgrade_required);
  for (const char* version :
       {"", "0", "8", "12", "14", "013", "13.0", "+13", "13, 8", "thirteen"}) {
    bad(absl::StrCat("the version ", version), "6455 4.4", 426,
        Other("Sec-WebSocket-Version", version), upgrade_required);
  }
  bad("the version twice", "6455 11.3.5", 400, With({"Sec-WebSocket-Version: 13"}));
  bad("no key", "6455 4.2.1", 400, {.without = {"Sec-WebSocket-Key"}});
  bad("the key twice", "6455 11.3.1", 400, With({"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}));
  for (const char* key :
       {"", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25jZR==", "dGhlIHNhbXBsZSBub25j", "dGhlIHNhbXBsZSBub25jZSEh",
        // As a note of section 4.1 has it: the bits beyond its 16 bytes are not 0.
        "AQIDBAUGBwgJCgsMDQ4PEC==", "AAAAAAAAAAAAAAAAAAAAAAAA", "dGhlIHNhbXBs-SBub25jZQ==",
        "dGhlIHNhbXBs_SBub25jZQ==", "dGhlIHNh XBsZSBub25jZQ==", "====", "dGhlIHNhbXBsZSBub25jZQ==,",
        "not base64 at all!!!!!!",
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff="
        "="}) {
    bad(absl::StrCat("the key ", absl::CHexEscape(key)), "6455 4.2.1", 400,
        Other("Sec-WebSocket-Key", key));
  }
}

// Lengths and lists that the handshake has no use for or cannot read.
void AddBadFields(Rows* rows) {
  const auto bad = [rows](std::string name, const char* section, int status, Head head) {
    rows->push_back({.name = std::move(name),
                     .section = section,
                     .head = std::move(head),
                     .status = status,
                     .error = EPROTO});
  };
  bad("with content", "9110 7.8", 400, {.with = {"Content-Length: 5"}, .behind = "never"});
  bad("chunked", "9112 6.1", 400, {.with = {"Transfer-Encoding: chunked"}, .behind = "0\r\n\r\n"});
  bad("both lengths", "9112 6.1", 400, With({"Content-Length: 0", "Transfer-Encoding: chunked"}));
  bad("two lengths that differ", "9112 6.3", 400, With({"Content-Length: 0", "Content-Length: 5"}));
  bad("two lengths alike", "9112 6.3", 400, With({"Content-Length: 0", "Content-Length: 0"}));
  for (const char* length : {"-1", "+0", "0x0", "0, 0", "18446744073709551616", "1e1", ""}) {
    bad(absl::StrCat("the length ", length), "9112 6.3", 400,
        With({absl::StrCat("Content-Length: ", length)}));
  }
  bad("an empty offer of subprotocols", "6455 11.3.4", 400, With({"Sec-WebSocket-Protocol:"}));
  bad("a subprotocol that is no token", "6455 11.3.4", 400,
      With({"Sec-WebSocket-Protocol: chat, super chat"}));
  bad("a subprotocol twice", "6455 4.1", 400, With({"Sec-WebSocket-Protocol: chat, chat"}));
  for (const char* list : {"", ",", ";", "foo bar", "foo;", "foo; =x", "foo; x=", "foo; x=\"",
                           "foo; x=\"a b\"", "foo; x=\"\"", "(foo)", "foo; x=y z"}) {
    bad(absl::StrCat("the extensions ", list), "6455 9.1", 400,
        With({absl::StrCat("Sec-WebSocket-Extensions: ", list)}));
  }
}

void AddOffers(Rows* rows) {
  const auto chosen = [rows](std::string offer, std::string subprotocol) {
    rows->push_back({.name = absl::StrCat("the subprotocols ", offer),
                     .section = "6455 4.2.2",
                     .head = With({absl::StrCat("Sec-WebSocket-Protocol: ", offer)}),
                     .subprotocol = std::move(subprotocol),
                     .options = &WithSubprotocols});
  };
  chosen("chat", "chat");
  chosen("chat, superchat", "chat");
  chosen("superchat,chat", "superchat");
  chosen("other, chat", "chat");
  chosen("other", "");
  chosen("Chat", "");
  chosen("chatty", "");
  rows->push_back({.name = "subprotocols with empty members",
                   .section = "9110 5.6.1",
                   .head = With({"Sec-WebSocket-Protocol: , chat ,,", "Sec-WebSocket-Protocol: ,"}),
                   .subprotocol = "chat",
                   .options = &WithSubprotocols});
  rows->push_back(
      {.name = "subprotocols in two lines",
       .section = "6455 11.3.4",
       .head = With({"Sec-WebSocket-Protocol: other", "Sec-WebSocket-Protocol: superchat"}),
       .subprotocol = "superchat",
       .options = &WithSubprotocols});
  rows->push_back({.name = "subprotocols to a server without",
                   .section = "6455 4.2.2",
                   .head = With({"Sec-WebSocket-Protocol: chat"})});

  const auto deflate = [rows](const char* section, std::string offer, std::string answer) {
    rows->push_back({.name = absl::StrCat("the extensions ", offer),
                     .section = section,
                     .head = With({absl::StrCat("Sec-WebSocket-Extensions: ", offer)}),
                     .extension = std::move(answer),
                     .options = &WithDeflate});
  };
  deflate("7692 7.1", kDeflate, kDeflate);
  deflate("6455 9.1", "foo, " + kDeflate + ", bar; a=b", kDeflate);
  deflate("6455 9.1", "foo", "");
  deflate("6455 9.1", "foo; x=\"y\"", "");
  deflate("7692 7.1.1.1", kDeflate + "; server_no_context_takeover",
          kDeflate + "; server_no_context_takeover");
  deflate("7692 7.1.1.2", kDeflate + "; client_no_context_takeover",
          kDeflate + "; client_no_context_takeover");
  deflate("7692 7.1.2.1", kDeflate + "; server_max_window_bits=10",
          kDeflate + "; server_max_window_bits=10");
  deflate("7692 7.1.2.2", kDeflate + "; client_max_window_bits", kDeflate);
  deflate("7692 7.1", kDeflate + "; unknown", "");
  deflate("7692 7.1", kDeflate + "; unknown, " + kDeflate, kDeflate);
  deflate("7692 7.1.1.1", kDeflate + "; server_no_context_takeover=1", "");
  deflate("7692 7.1.1.1", kDeflate + "; server_no_context_takeover; server_no_context_takeover",
          "");
  for (const char* bits : {"7", "16", "0", "08", "15.0", "a", "-8"}) {
    deflate("7692 7.1.2.1", absl::StrCat(kDeflate, "; server_max_window_bits=", bits), "");
    deflate("7692 7.1.2.2", absl::StrCat(kDeflate, "; client_max_window_bits=", bits), "");
  }
  deflate("7692 7.1.2.1", kDeflate + "; server_max_window_bits", "");
  deflate("7692 5.1",
          kDeflate + "; server_max_window_bits=7, " + kDeflate + "; server_no_context_takeover",
          kDeflate + "; server_no_context_takeover");
  deflate("6455 9.1", kDeflate + "; server_max_window_bits=\"1\\0\"",
          kDeflate + "; server_max_window_bits=10");
  rows->push_back({.name = "extensions in several lines",
                   .section = "6455 9.1",
                   .head = With({"Sec-WebSocket-Extensions: foo; x=\"y\"",
                                 "Sec-WebSocket-Extensions: " + kDeflate + "; unknown",
                                 "Sec-WebSocket-Extensions: , " + kDeflate}),
                   .extension = kDeflate,
                   .options = &WithDeflate});
  rows->push_back({.name = "compression to a server without",
                   .section = "7692 5.1",
                   .head = With({"Sec-WebSocket-Extensions: " + kDeflate})});
}

// What is no request to upgrade, or no whole one.
void AddOthers(Rows* rows) {
  rows->push_back({.name = "an empty line alone",
                   .section = "9112 2.2",
                   .head = {.raw = "\r\n"},
                   .status = 0,
                   .error = ECONNRESET});
  const std::string good = RequestBytes({});
  for (const size_t size : {1u, 10u, 18u, 19u, 60u}) {
    rows->push_back({.name = absl::StrCat("the first ", size, " bytes of a request"),
                     .section = "9112 2.2",
                     .head = {.raw = good.substr(0, size)},
                     .status = 0,
                     .error = ECONNRESET});
  }
  rows->push_back({.name = "a request without its last byte",
                   .section = "9112 2.2",
                   .head = {.raw = good.substr(0, good.size() - 1)},
                   .status = 0,
                   .error = ECONNRESET});
  rows->push_back({.name = "a plain request",
                   .section = "9110 9.3.1",
                   .head = {.without = {"Upgrade", "Connection"}},
                   .status = 200,
                   .error = ENOTSUP,
                   .answer = {"content-length: 0"},
                   .plain = true});
  rows->push_back({.name = "a plain request, then an upgrade",
                   .section = "9112 9.3",
                   .head = {.raw = "GET / HTTP/1.1\r\nHost: h\r\n\r\n" + good},
                   .plain = true});
  rows->push_back({.name = "a plain request that ends the connection, then an upgrade",
                   .section = "9112 9.6",
                   .head = {.raw = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" + good},
                   .status = 200,
                   .error = ENOTSUP,
                   .answer = {"connection: close"},
                   .plain = true});
  rows->push_back({.name = "a plain request with content",
                   .section = "9110 15.5.14",
                   .head = {.raw = "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"},
                   .status = 413,
                   .error = EPROTO,
                   .plain = true});
  const auto plain = [rows](std::string name, const char* section, int status, int error,
                            const std::string& head, std::vector<std::string> answer = {}) {
    rows->push_back({.name = "a plain request: " + name,
                     .section = section,
                     .head = {.raw = head + "\r\n"},
                     .status = status,
                     .error = error,
                     .answer = std::move(answer),
                     .plain = true});
  };
  const std::string get = "GET / HTTP/1.1\r\nHost: h\r\n";
  // Section 6.3: what does not end in chunked has no end that could be known.
  for (const char* coding : {"gzip", "chunked, gzip", "chunked, chunked", "identity", "",
                             "chunked;q=1", "\"chunked\""}) {
    plain(absl::StrCat("the coding ", coding), "9112 6.3", 400, EPROTO,
          absl::StrCat(get, "Transfer-Encoding: ", coding, "\r\n"));
  }
  plain("the coding gzip, chunked", "9112 6.1", 501, EPROTO,
        get + "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n");
  plain("chunked", "9110 15.5.14", 413, EPROTO, get + "Transfer-Encoding: chunked\r\n");
  plain("chunked in HTTP/1.0", "9112 6.1", 400, EPROTO,
        "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n");
  plain("HEAD", "9110 9.3.2", 200, ENOTSUP, "HEAD / HTTP/1.1\r\nHost: h\r\n",
        {"content-length: 0"});
  plain("HEAD that offers an upgrade", "9110 7.8", 200, ENOTSUP,
        "HEAD / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
  plain("GET that offers h2c", "9110 7.8", 200, ENOTSUP,
        get + "Upgrade: h2c\r\nConnection: Upgrade\r\n");
  plain("HTTP/1.0 that offers an upgrade", "9110 7.8", 200, ENOTSUP,
        "GET / HTTP/1.0\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n", {"connection: close"});
  plain("HTTP/1.0 that wants to go on", "9112 9.3", 200, ENOTSUP,
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n", {"connection: keep-alive"});
  plain("no Host", "9112 3.2", 400, EPROTO, "GET / HTTP/1.1\r\n");
  plain("POST", "9110 9.3.3", 405, EPROTO, "POST / HTTP/1.1\r\nHost: h\r\n", {"allow: GET, HEAD"});
  rows->push_back({.name = "a request smuggled behind two lengths",
                   .section = "9112 11.2",
                   .head = {.raw = "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n"
                                   "Content-Length: 30\r\n\r\n" +
                                   good},
                   .status = 400,
                   .error = EPROTO,
                   .plain = true});
  rows->push_back({.name = "a request smuggled behind a chunked one with a length",
                   .section = "9112 11.2",
                   .head = {.raw = "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n"
                                   "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" +
                                   good},
                   .status = 400,
                   .error = EPROTO,
                   .plain = true});
}

}  // namespace

std::vector<RequestCase> RequestCases() {
  Rows rows;
  AddGood(&rows);
  AddBadHeads(&rows);
  AddBadUpgrades(&rows);
  AddBadFields(&rows);
  AddOffers(&rows);
  AddOthers(&rows);
  return rows;
}

}  // namespace halfpipe::websocket::conformance
