// Limits of ours on what a peer may send: RFC 6455 section 10.4.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "websocket/testing/conformance/case.h"

namespace halfpipe::websocket::conformance {
namespace {

Options MessageMax(uint64_t bytes) {
  Options options;
  options.message_bytes_max = bytes;
  return options;
}

Options FrameMax(uint64_t bytes) {
  Options options;
  options.frame_bytes_max = bytes;
  return options;
}

void AddMessageLimits(std::vector<Case>* rows) {
  for (const size_t limit : {1u, 125u, 126u, 1000u, 65535u, 65536u}) {
    for (const int over : {-1, 0, 1}) {
      const size_t size = limit + static_cast<size_t>(over);
      const std::string payload(size, 'm');
      const std::vector<Event> good = {GotText(payload), Closed(1000)};
      const std::vector<Event> bad = {Failed(1009)};
      rows->push_back({.name = absl::StrCat("text of ", size, " of at most ", limit),
                       .section = "6455 10.4",
                       .in = {Text(payload), Close(1000)},
                       .events = over > 0 ? bad : good,
                       .options = MessageMax(limit)});
      if (size < 2) continue;
      rows->push_back({.name = absl::StrCat("fragments of ", size, " of at most ", limit),
                       .section = "6455 10.4",
                       .in = {TextMore(payload.substr(0, size / 2)), More(""),
                              Last(payload.substr(size / 2)), Close(1000)},
                       .events = over > 0 ? bad : good,
                       .options = MessageMax(limit)});
      rows->push_back(
          {.name = absl::StrCat("a last fragment of 1 behind ", size - 1, " of at most ", limit),
           .section = "6455 10.4",
           .in = {TextMore(payload.substr(1)), Last("m"), Close(1000)},
           .events = over > 0 ? bad : good,
           .options = MessageMax(limit)});
    }
  }
  rows->push_back({.name = "each message has the limit for itself",
                   .section = "6455 10.4",
                   .in = {Text("12345"), TextMore("123"), Last("45"), Binary("12345"), Close(1000)},
                   .events = {GotText("12345"), GotText("12345"), GotBinary("12345"), Closed(1000)},
                   .options = MessageMax(5)});
  rows->push_back({.name = "empty messages pass a limit of 0",
                   .section = "6455 10.4",
                   .in = {Text(""), BinaryMore(""), Last(""), Close(1000)},
                   .events = {GotText(""), GotBinary(""), Closed(1000)},
                   .options = MessageMax(0)});
  rows->push_back({.name = "one byte does not pass a limit of 0",
                   .section = "6455 10.4",
                   .in = {Text("x"), Close(1000)},
                   .events = {Failed(1009)},
                   .options = MessageMax(0)});
  // Told from the header: the payload never comes.
  for (const uint64_t size : {uint64_t{1} << 20, uint64_t{1} << 31, uint64_t{1} << 32,
                              uint64_t{1} << 62, (uint64_t{1} << 63) - 1}) {
    rows->push_back({.name = absl::StrCat("a header that announces ", size),
                     .section = "6455 10.4",
                     .in = {Announce(0x82, size)},
                     .events = {Failed(1009)},
                     .options = MessageMax(1000)});
    rows->push_back({.name = absl::StrCat("a fragment of 1, then one that announces ", size),
                     .section = "6455 10.4",
                     .in = {BinaryMore("x"), Announce(0x80, size)},
                     .events = {Failed(1009)},
                     .options = MessageMax(1000)});
  }
  // Their sum with what came before would wrap.
  rows->push_back({.name = "two fragments whose lengths wrap together",
                   .section = "6455 10.4",
                   .in = {BinaryMore("xy"), Announce(0x80, (uint64_t{1} << 63) - 1)},
                   .events = {Failed(1009)},
                   .options = MessageMax((uint64_t{1} << 63) - 1)});
  rows->push_back({.name = "control frames do not count for a message",
                   .section = "6455 10.4",
                   .in = {TextMore("123"), Ping(std::string(125, 'p')), Last("45"), Close(1000)},
                   .events = {GotText("12345"), Closed(1000)},
                   .out = {Pong(std::string(125, 'p'))},
                   .options = MessageMax(5)});
}

void AddFrameLimits(std::vector<Case>* rows) {
  for (const size_t limit : {1u, 125u, 126u, 65536u}) {
    for (const int over : {-1, 0, 1}) {
      const size_t size = limit + static_cast<size_t>(over);
      const std::string payload(size, 'f');
      rows->push_back({.name = absl::StrCat("frame of ", size, " of at most ", limit),
                       .section = "6455 10.4",
                       .in = {Binary(payload), Close(1000)},
                       .events = over > 0 ? std::vector<Event>{Failed(1009)}
                                          : std::vector<Event>{GotBinary(payload), Closed(1000)},
                       .options = FrameMax(limit)});
      rows->push_back({.name = absl::StrCat("second frame of ", size, " of at most ", limit),
                       .section = "6455 10.4",
                       .in = {BinaryMore("f"), Last(payload), Close(1000)},
                       .events = over > 0
                                     ? std::vector<Event>{Failed(1009)}
                                     : std::vector<Event>{GotBinary("f" + payload), Closed(1000)},
                       .options = FrameMax(limit)});
    }
  }
  rows->push_back({.name = "a message may be longer than its frames",
                   .section = "6455 10.4",
                   .in = {TextMore("abc"), More("def"), Last("g"), Close(1000)},
                   .events = {GotText("abcdefg"), Closed(1000)},
                   .options = FrameMax(3)});
  rows->push_back({.name = "control frames have no limit of ours",
                   .section = "6455 5.5",
                   .in = {Ping(std::string(125, 'p')), Close(1000, std::string(123, 'r'))},
                   .events = {Closed(1000, std::string(123, 'r'))},
                   .out = {Pong(std::string(125, 'p'))},
                   .options = FrameMax(1)});
}

}  // namespace

std::vector<Case> LimitCases() {
  std::vector<Case> rows;
  AddMessageLimits(&rows);
  AddFrameLimits(&rows);
  return rows;
}

}  // namespace halfpipe::websocket::conformance
