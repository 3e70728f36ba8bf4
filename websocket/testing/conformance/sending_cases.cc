// What we send: RFC 6455 sections 5.2 to 5.4, 6.1, 10.3.

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/conformance/case.h"

namespace halfpipe::websocket::conformance {
namespace {

Options FramesOf(uint64_t bytes) {
  Options options;
  options.send_frame_bytes_max = bytes;
  return options;
}

// `payload` as we cut it.
std::vector<Frame> Cut(const std::string& payload, size_t frame_bytes) {
  std::vector<Frame> frames;
  for (size_t at = 0; at == 0 || at < payload.size(); at += frame_bytes) {
    const bool last = at + frame_bytes >= payload.size();
    frames.push_back(
        Any((last ? 0x80 : 0x00) + (at == 0 ? 0x02 : 0x00), payload.substr(at, frame_bytes)));
  }
  return frames;
}

void AddMessages(std::vector<Case>* table) {
  std::vector<Case>& rows = *table;
  for (const size_t size : {0u, 1u, 3u, 4u, 5u, 125u, 126u, 127u, 65535u, 65536u, 100000u}) {
    const std::string payload(size, 's');
    rows.push_back({.name = absl::StrCat("a text of ", size, " leaves in one frame"),
                    .section = "6455 6.1",
                    .first = {SendText(payload)},
                    .in = {Close(1000)},
                    .events = {Sent(), Closed(1000)},
                    .out = {Text(payload)}});
    rows.push_back({.name = absl::StrCat("a binary message of ", size, " leaves in one frame"),
                    .section = "6455 6.1",
                    .first = {SendBinary(payload)},
                    .in = {Close(1000)},
                    .events = {Sent(), Closed(1000)},
                    .out = {Binary(payload)}});
  }
  rows.push_back({.name = "messages leave in order",
                  .section = "6455 6.1",
                  .first = {SendText("a"), SendPing("p"), SendBinary("b"), SendText("")},
                  .in = {Close(1000)},
                  .events = {Sent(), Sent(), Sent(), Sent(), Closed(1000)},
                  .out = {Text("a"), Ping("p"), Binary("b"), Text("")}});
  for (const size_t frame : {1u, 2u, 7u, 125u, 126u, 1000u}) {
    for (const int over : {-1, 0, 1}) {
      std::string payload;
      for (size_t i = 0; i < frame * 3 + static_cast<size_t>(over); ++i) {
        payload.push_back(static_cast<char>(i));
      }
      rows.push_back(
          {.name = absl::StrCat("a message of ", payload.size(), " in frames of ", frame),
           .section = "6455 5.4",
           .first = {SendBinary(payload), SendText("t")},
           .in = {Close(1000)},
           .events = {Sent(), Sent(), Closed(1000)},
           .out = Cut(payload, frame),
           .options = FramesOf(frame)});
      rows.back().out.push_back(Text("t"));
    }
  }
}

void AddText(std::vector<Case>* table) {
  std::vector<Case>& rows = *table;
  // Section 5.6: a text is UTF-8 as a whole, and may be cut anywhere.
  rows.push_back({.name = "a character cut by our frames",
                  .section = "6455 5.6",
                  .first = {SendText(Bytes({0xe2, 0x82, 0xac}))},
                  .in = {Close(1000)},
                  .events = {Sent(), Closed(1000)},
                  .out = {TextMore(Bytes({0xe2})), More(Bytes({0x82})), Last(Bytes({0xac}))},
                  .options = FramesOf(1)});
  for (const std::string& bad : {Bytes({0xff}), Bytes({0xe2, 0x82}), Bytes({0xc0, 0x80}),
                                 Bytes({0xed, 0xa0, 0x80}), Bytes({0xf4, 0x90, 0x80, 0x80})}) {
    rows.push_back({.name = absl::StrCat("our text that is not UTF-8, ", rows.size()),
                    .section = "6455 8.1",
                    .first = {SendText("good"), SendText(bad), SendText("better")},
                    .in = {Close(1000)},
                    .events = {Sent(), Sent(EINVAL), Sent(), Closed(1000)},
                    .out = {Text("good"), Text("better")}});
    rows.push_back({.name = absl::StrCat("our binary message that is not UTF-8, ", rows.size()),
                    .section = "6455 5.6",
                    .first = {SendBinary(bad)},
                    .in = {Close(1000)},
                    .events = {Sent(), Closed(1000)},
                    .out = {Binary(bad)}});
  }
}

}  // namespace

std::vector<Case> SendingCases() {
  std::vector<Case> rows;
  AddMessages(&rows);
  AddText(&rows);
  for (const size_t size : {0u, 1u, 124u, 125u}) {
    rows.push_back({.name = absl::StrCat("our ping of ", size),
                    .section = "6455 5.5.2",
                    .first = {SendPing(std::string(size, 'p'))},
                    .in = {Pong(std::string(size, 'p')), Close(1000)},
                    .events = {Sent(), Closed(1000)},
                    .out = {Ping(std::string(size, 'p'))}});
  }
  rows.push_back({.name = "our ping of 126",
                  .section = "6455 5.5",
                  .first = {SendPing(std::string(126, 'p')), SendText("goes on")},
                  .in = {Close(1000)},
                  .events = {Sent(EMSGSIZE), Sent(), Closed(1000)},
                  .out = {Text("goes on")}});
  // The runner sees to it that no key is used twice (section 10.3).
  Case keys = {.name = "a fresh masking key for each of a hundred frames",
               .section = "6455 10.3",
               .roles = Roles::kClient,
               .in = {Close(1000)}};
  for (int i = 0; i < 100; ++i) {
    keys.first.push_back(SendText("the same"));
    keys.events.push_back(Sent());
    keys.out.push_back(Text("the same"));
  }
  keys.events.push_back(Closed(1000));
  rows.push_back(keys);
  return rows;
}

}  // namespace halfpipe::websocket::conformance
