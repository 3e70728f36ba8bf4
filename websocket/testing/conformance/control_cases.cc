// Control frames, pings and pongs: RFC 6455 sections 5.5, 5.5.2 and 5.5.3.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/conformance/case.h"

namespace halfpipe::websocket::conformance {
namespace {

using Form = Frame::LengthForm;

constexpr int kControlFrames[] = {0x88, 0x89, 0x8a};

void AddPings(std::vector<Case>* rows) {
  for (const size_t size : {0u, 1u, 2u, 3u, 4u, 5u, 63u, 124u, 125u}) {
    const std::string payload(size, 'p');
    rows->push_back({.name = absl::StrCat("ping of ", size),
                     .section = "6455 5.5.2",
                     .in = {Ping(payload), Close(1000)},
                     .events = {Closed(1000)},
                     .out = {Pong(payload)}});
    rows->push_back({.name = absl::StrCat("pong of ", size, " that nobody asked for"),
                     .section = "6455 5.5.3",
                     .in = {Pong(payload), Text("x"), Close(1000)},
                     .events = {GotText("x"), Closed(1000)}});
  }
  const std::string not_text = Bytes({0x00, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0x00, 0xff});
  rows->push_back({.name = "ping that is not UTF-8",
                   .section = "6455 5.5.2",
                   .in = {Ping(not_text), Close(1000)},
                   .events = {Closed(1000)},
                   .out = {Pong(not_text)}});
  Case ten = {.name = "ten pings", .section = "6455 5.5.2"};
  for (int i = 0; i < 10; ++i) {
    ten.in.push_back(Ping(absl::StrCat("payload ", i)));
    ten.out.push_back(Pong(absl::StrCat("payload ", i)));
  }
  ten.in.push_back(Close(1000));
  ten.events = {Closed(1000)};
  rows->push_back(ten);
  rows->push_back({.name = "pings round messages",
                   .section = "6455 5.5.2",
                   .in = {Ping("1"), Text("a"), Ping("2"), Binary("b"), Ping("3"), Close(1000)},
                   .events = {GotText("a"), GotBinary("b"), Closed(1000)},
                   .out = {Pong("1"), Pong("2"), Pong("3")}});
  rows->push_back({.name = "pong of another ping is harmless",
                   .section = "6455 5.5.3",
                   .first = {SendPing("ours")},
                   .in = {Pong("another"), Pong("ours"), Text("x"), Close(1000)},
                   .events = {Sent(), GotText("x"), Closed(1000)},
                   .out = {Ping("ours")}});
  rows->push_back({.name = "ping that is never answered",
                   .section = "6455 5.5.2",
                   .first = {SendPing("ours")},
                   .in = {Text("x"), Close(1000)},
                   .events = {Sent(), GotText("x"), Closed(1000)},
                   .out = {Ping("ours")}});
  rows->push_back({.name = "ping behind our Close is answered",
                   .section = "6455 5.5.2",
                   .first = {SendClose(1000)},
                   .in = {Text("late"), Ping("p"), Close(1000)},
                   .events = {Sent(), GotText("late"), Closed(1000)},
                   .out = {Close(1000), Pong("p")},
                   .close_out = kNoClose});
  rows->push_back({.name = "ping behind the peer's Close is not answered",
                   .section = "6455 5.5.1",
                   .in = {Close(1000), Ping("p")},
                   .events = {Closed(1000)}});
}

void AddBreaches(std::vector<Case>* rows) {
  for (const int first_byte : kControlFrames) {
    const std::string name = absl::StrCat(absl::Hex(first_byte));
    const auto control = static_cast<uint8_t>(first_byte);
    for (const size_t size : {126u, 127u, 128u, 1000u}) {
      rows->push_back({.name = absl::StrCat("control frame ", name, " of ", size),
                       .section = "6455 5.5",
                       .in = {Any(first_byte, std::string(size, '\x03')), Text("never")},
                       .events = {Failed(1002)}});
    }
    rows->push_back({.name = absl::StrCat("control frame ", name, " of 64 KiB"),
                     .section = "6455 5.5",
                     .in = {Announce(first_byte, 65536), Text("never")},
                     .events = {Failed(1002)}});
    rows->push_back(
        {.name = absl::StrCat("control frame ", name, ", length in 16 bits"),
         .section = "6455 5.5",
         .in = {{.first_byte = control, .payload = "ab", .form = Form::k16}, Text("never")},
         .events = {Failed(1002)}});
    rows->push_back(
        {.name = absl::StrCat("control frame ", name, ", length in 64 bits"),
         .section = "6455 5.5",
         .in = {{.first_byte = control, .payload = "ab", .form = Form::k64}, Text("never")},
         .events = {Failed(1002)}});
    rows->push_back({.name = absl::StrCat("control frame ", name, " without FIN"),
                     .section = "6455 5.5",
                     .in = {Any(first_byte - 0x80, ""), Last("")},
                     .events = {Failed(1002)}});
    rows->push_back({.name = absl::StrCat("control frame ", name, " without FIN, then the rest"),
                     .section = "6455 5.5",
                     .in = {Any(first_byte - 0x80, "frag"), Last("ment")},
                     .events = {Failed(1002)}});
    rows->push_back({.name = absl::StrCat("control frame ", name, " without FIN inside a message"),
                     .section = "6455 5.4",
                     .in = {TextMore("a"), Any(first_byte - 0x80, ""), Last("b")},
                     .events = {Failed(1002)}});
    rows->push_back({.name = absl::StrCat("control frame ", name, " of 126 inside a message"),
                     .section = "6455 5.5",
                     .in = {TextMore("a"), Any(first_byte, std::string(126, '\x03')), Last("b")},
                     .events = {Failed(1002)}});
  }
}

}  // namespace

std::vector<Case> ControlCases() {
  std::vector<Case> rows;
  AddPings(&rows);
  AddBreaches(&rows);
  return rows;
}

}  // namespace halfpipe::websocket::conformance
