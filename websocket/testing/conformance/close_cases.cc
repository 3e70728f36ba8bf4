// Closing: RFC 6455 sections 5.5.1, 7.1 to 7.4.

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/conformance/case.h"

namespace halfpipe::websocket::conformance {
namespace {

Options HalfClose() {
  Options options;
  options.answer_close = false;
  return options;
}

void AddPeersClose(std::vector<Case>* rows) {
  rows->push_back(
      {.name = "empty Close", .section = "6455 5.5.1", .in = {Close()}, .events = {Closed(1005)}});
  rows->push_back({.name = "Close with a reason",
                   .section = "6455 7.1.6",
                   .in = {Close(1000, "that is all")},
                   .events = {Closed(1000, "that is all")}});
  for (const size_t size : {1u, 2u, 60u, 122u, 123u}) {
    const std::string reason(size, 'r');
    rows->push_back({.name = absl::StrCat("reason of ", size),
                     .section = "6455 7.1.6",
                     .in = {Close(1001, reason)},
                     .events = {Closed(1001, reason)}});
  }
  rows->push_back({.name = "reason of 124",
                   .section = "6455 5.5",
                   .in = {Close(1000, std::string(124, 'r'))},
                   .events = {Failed(1002)}});
  rows->push_back({.name = "Close of one byte",
                   .section = "6455 5.5.1",
                   .in = {CloseWith("\x03")},
                   .events = {Failed(1002)}});
  rows->push_back({.name = "reason beyond ASCII",
                   .section = "6455 7.1.6",
                   .in = {Close(1000, Bytes({0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80}))},
                   .events = {Closed(1000, Bytes({0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80}))}});
  rows->push_back({.name = "reason with a NUL",
                   .section = "6455 7.1.6",
                   .in = {Close(1000, Bytes({'a', 0, 'b'}))},
                   .events = {Closed(1000, Bytes({'a', 0, 'b'}))}});
  for (const std::string& bad :
       {Bytes({0xff}), Bytes({0xc0, 0x80}), Bytes({0xed, 0xa0, 0x80}), Bytes({0xe2, 0x82}),
        Bytes({0xf4, 0x90, 0x80, 0x80}), Bytes({0x80}), "so far so good" + Bytes({0xf0, 0x9f})}) {
    rows->push_back({.name = absl::StrCat("reason that is not UTF-8, ", rows->size()),
                     .section = "6455 8.1",
                     .in = {Close(1000, bad), Ping("never")},
                     .events = {Failed(1007)}});
  }
  rows->push_back({.name = "Close behind a message",
                   .section = "6455 7.3",
                   .in = {Text("last"), Close(1000, "done")},
                   .events = {GotText("last"), Closed(1000, "done")}});
  // Section 5.5.1: no data behind a Close; what comes all the same is not ours to read.
  const std::vector<std::pair<std::string, std::vector<Frame>>> followers = {
      {"a text", {Text("never")}},
      {"a ping", {Ping("never")}},
      {"a second Close", {Close(1001, "again")}},
      {"a breach", {Any(0xf3, "never")}},
      {"half a frame", {Announce(0x82, 1000)}},
      {"noise", {Raw(Bytes({0xff, 0xff, 0xff, 0xff, 0x00}))}},
      {"a lot", {Binary(std::string(70000, 'x')), Binary(std::string(70000, 'y'))}}};
  for (const auto& [what, frames] : followers) {
    Case row = {.name = absl::StrCat(what, " behind a Close"),
                .section = "6455 5.5.1",
                .in = {Close(1000)},
                .events = {Closed(1000)}};
    row.in.insert(row.in.end(), frames.begin(), frames.end());
    rows->push_back(row);
  }
}

// Which codes may stand in a Close: sections 7.4.1 and 7.4.2, and the registry it opens.
void AddCodes(std::vector<Case>* rows) {
  for (const int code : {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012,
                         1013, 1014, 3000, 3001, 3500, 3999, 4000, 4001, 4500, 4999}) {
    rows->push_back({.name = absl::StrCat("code ", code),
                     .section = code < 3000 ? "6455 7.4.1" : "6455 7.4.2",
                     .in = {Close(code)},
                     .events = {Closed(code)}});
    rows->push_back({.name = absl::StrCat("code ", code, " with a reason, behind a ping"),
                     .section = code < 3000 ? "6455 7.4.1" : "6455 7.4.2",
                     .in = {Ping("p"), Close(code, "why")},
                     .events = {Closed(code, "why")},
                     .out = {Pong("p")}});
    rows->push_back({.name = absl::StrCat("our code ", code),
                     .section = code < 3000 ? "6455 7.4.1" : "6455 7.4.2",
                     .first = {SendClose(code, "ours")},
                     .in = {Close(code)},
                     .events = {Sent(), Closed(code)},
                     .close_out = code});
  }
  for (const int code : {0, 1, 125, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000,
                         5001, 9999, 32768, 65534, 65535}) {
    rows->push_back({.name = absl::StrCat("code ", code, ", which may not be sent"),
                     .section = "6455 7.4.2",
                     .in = {Close(code), Ping("never")},
                     .events = {Failed(1002)}});
    rows->push_back({.name = absl::StrCat("code ", code, " with a reason, which may not be sent"),
                     .section = "6455 7.4.2",
                     .in = {Text("a"), Close(code, "why")},
                     .events = {GotText("a"), Failed(1002)}});
    if (code == 0) continue;  // In the API: a Close without a code.
    rows->push_back({.name = absl::StrCat("our code ", code, ", which may not be sent"),
                     .section = "6455 7.4.2",
                     .first = {SendClose(code), SendText("goes on")},
                     .in = {Close(1000)},
                     .events = {Sent(EINVAL), Sent(), Closed(1000)},
                     .out = {Text("goes on")}});
  }
}

void AddOurClose(std::vector<Case>* rows) {
  rows->push_back({.name = "our Close, then the peer's",
                   .section = "6455 7.1.2",
                   .first = {SendClose(1000, "bye")},
                   .in = {Close(1000)},
                   .events = {Sent(), Closed(1000)}});
  rows->push_back({.name = "our Close stands, whatever the peer's says",
                   .section = "6455 7.1.5",
                   .first = {SendClose(1001)},
                   .in = {Close(4321, "theirs")},
                   .events = {Sent(), Closed(4321, "theirs")},
                   .close_out = 1001});
  rows->push_back({.name = "our empty Close",
                   .section = "6455 5.5.1",
                   .first = {SendClose()},
                   .in = {Close(1000)},
                   .events = {Sent(), Closed(1000)},
                   .close_out = kCloseNoCode});
  rows->push_back({.name = "our Close is not answered",
                   .section = "6455 7.1.1",
                   .first = {SendClose(1000)},
                   .in = {Text("late")},
                   .events = {Sent(), GotText("late"), Reset()},
                   .close_out = 1000});
  rows->push_back({.name = "messages behind our Close still arrive",
                   .section = "6455 5.5.1",
                   .first = {SendClose(1000)},
                   .in = {Text("a"), BinaryMore("b"), Last("c"), Close(1000)},
                   .events = {Sent(), GotText("a"), GotBinary("bc"), Closed(1000)}});
  rows->push_back({.name = "nothing is sent behind our Close",
                   .section = "6455 5.5.1",
                   .first = {SendClose(1000), SendText("no"), SendPing("no"), SendClose(1000)},
                   .in = {Close(1000)},
                   .events = {Sent(), Sent(EPIPE), Sent(EPIPE), Sent(EPIPE), Closed(1000)}});
  rows->push_back({.name = "a breach behind our Close gets no second one",
                   .section = "6455 7.1.7",
                   .first = {SendClose(1000)},
                   .in = {Any(0x83)},
                   .events = {Sent(), Failed(1002)},
                   .close_out = 1000});
  rows->push_back({.name = "our reason of 123 bytes",
                   .section = "6455 5.5.1",
                   .first = {SendClose(1000, std::string(123, 'r'))},
                   .in = {Close(1000)},
                   .events = {Sent(), Closed(1000)}});
  rows->push_back({.name = "our reason of 124 bytes",
                   .section = "6455 5.5.1",
                   .first = {SendClose(1000, std::string(124, 'r'))},
                   .in = {Close(1000)},
                   .events = {Sent(EMSGSIZE), Closed(1000)}});
  rows->push_back({.name = "our reason without a code",
                   .section = "6455 5.5.1",
                   .first = {SendClose(0, "why")},
                   .in = {Close(1000)},
                   .events = {Sent(EINVAL), Closed(1000)}});
  rows->push_back({.name = "our reason that is not UTF-8",
                   .section = "6455 5.5.1",
                   .first = {SendClose(1000, Bytes({0xc3}))},
                   .in = {Close(1000)},
                   .events = {Sent(EINVAL), Closed(1000)}});
}

// With answer_close off our half stays open behind the peer's Close (section 5.5.1: as soon as
// practical).
void AddHalfClose(std::vector<Case>* rows) {
  rows->push_back({.name = "half-close: the Close is ours to send",
                   .section = "6455 5.5.1",
                   .in = {Text("a"), Close(1001, "bye")},
                   .events = {GotText("a"), Closed(1001, "bye"), Sent(), Sent(), Sent()},
                   .after = {SendText("still"), SendBinary("open"), SendClose(1001)},
                   .out = {Text("still"), Binary("open")},
                   .options = HalfClose()});
  rows->push_back({.name = "half-close: pings stay unanswered behind the peer's Close",
                   .section = "6455 5.5.2",
                   .in = {Close(1000), Ping("never")},
                   .events = {Closed(1000), Sent()},
                   .after = {SendText("still")},
                   .out = {Text("still")},
                   .options = HalfClose()});
  // The pong would come behind the peer's Close, where its bytes are not ours.
  rows->push_back({.name = "half-close: no ping of ours behind the peer's Close",
                   .section = "6455 5.5.2",
                   .in = {Close(1000)},
                   .events = {Closed(1000), Sent(EPIPE), Sent()},
                   .after = {SendPing("never"), SendText("still")},
                   .out = {Text("still")},
                   .options = HalfClose()});
  rows->push_back({.name = "half-close: nothing behind both Closes",
                   .section = "6455 7.1.4",
                   .first = {SendClose(1000)},
                   .in = {Close(1000)},
                   .events = {Sent(), Closed(1000), Sent(EPIPE), Sent(EPIPE), Sent(EPIPE)},
                   .after = {SendText("no"), SendPing("no"), SendClose(1000)},
                   .options = HalfClose()});
  rows->push_back({.name = "nothing is sent behind an answered Close",
                   .section = "6455 7.1.4",
                   .in = {Close(1000)},
                   .events = {Closed(1000), Sent(EPIPE), Sent(EPIPE), Sent(EPIPE)},
                   .after = {SendText("no"), SendPing("no"), SendClose(1000)}});
  rows->push_back({.name = "nothing is sent behind a failure",
                   .section = "6455 7.1.7",
                   .in = {Any(0xff)},
                   .events = {Failed(1002), Sent(ECONNRESET), Sent(ECONNRESET), Sent(ECONNRESET)},
                   .after = {SendText("no"), SendPing("no"), SendClose(1000)}});
}

}  // namespace

std::vector<Case> CloseCases() {
  std::vector<Case> rows;
  AddPeersClose(&rows);
  AddCodes(&rows);
  AddOurClose(&rows);
  AddHalfClose(&rows);
  return rows;
}

}  // namespace halfpipe::websocket::conformance
