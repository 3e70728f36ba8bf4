// Text is UTF-8: RFC 6455 sections 5.6 and 8.1, RFC 3629.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/conformance/case.h"
#include "websocket/testing/utf8_reference.h"

namespace halfpipe::websocket::conformance {
namespace {

struct Sample {
  std::string name;
  std::string bytes;
  bool well_formed;
};

// The first and the last character of each length, the edges of what is forbidden, and the
// noncharacters, which are allowed (RFC 3629 speaks of scalar values only).
std::vector<Sample> WellFormed() {
  std::vector<Sample> samples = {
      {"U+0000", Bytes({0x00}), true},
      {"U+007F", Bytes({0x7f}), true},
      {"U+0080", Bytes({0xc2, 0x80}), true},
      {"U+07FF", Bytes({0xdf, 0xbf}), true},
      {"U+0800", Bytes({0xe0, 0xa0, 0x80}), true},
      {"U+0FFF", Bytes({0xe0, 0xbf, 0xbf}), true},
      {"U+1000", Bytes({0xe1, 0x80, 0x80}), true},
      {"U+CFFF", Bytes({0xec, 0xbf, 0xbf}), true},
      {"U+D000", Bytes({0xed, 0x80, 0x80}), true},
      {"U+D7FF", Bytes({0xed, 0x9f, 0xbf}), true},
      {"U+E000", Bytes({0xee, 0x80, 0x80}), true},
      {"U+FEFF, a byte order mark", Bytes({0xef, 0xbb, 0xbf}), true},
      {"U+FFFD", Bytes({0xef, 0xbf, 0xbd}), true},
      {"U+FFFE", Bytes({0xef, 0xbf, 0xbe}), true},
      {"U+FFFF", Bytes({0xef, 0xbf, 0xbf}), true},
      {"U+FDD0", Bytes({0xef, 0xb7, 0x90}), true},
      {"U+FDEF", Bytes({0xef, 0xb7, 0xaf}), true},
      {"U+10000", Bytes({0xf0, 0x90, 0x80, 0x80}), true},
      {"U+40000", Bytes({0xf1, 0x80, 0x80, 0x80}), true},
      {"U+100000", Bytes({0xf4, 0x80, 0x80, 0x80}), true},
      {"every length", Bytes({0x61, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80}), true},
  };
  // The last two code points of each plane.
  for (int plane = 1; plane <= 16; ++plane) {
    for (const int last : {0xbe, 0xbf}) {
      samples.push_back({absl::StrCat("U+", absl::Hex(plane), last == 0xbe ? "FFFE" : "FFFF"),
                         Bytes({0xf0 | (plane >> 2), 0x8f | ((plane & 3) << 4), 0xbf, last}),
                         true});
    }
  }
  return samples;
}

std::vector<Sample> IllFormed() {
  std::vector<Sample> samples = {
      {"a continuation alone, 80", Bytes({0x80}), false},
      {"a continuation alone, BF", Bytes({0xbf}), false},
      {"two continuations alone", Bytes({0x80, 0xbf}), false},
      {"four continuations alone", Bytes({0x80, 0xbf, 0x80, 0xbf}), false},
      {"U+0000 in two bytes", Bytes({0xc0, 0x80}), false},
      {"U+002F in two bytes", Bytes({0xc0, 0xaf}), false},
      {"U+007F in two bytes", Bytes({0xc1, 0xbf}), false},
      {"U+002F in three bytes", Bytes({0xe0, 0x80, 0xaf}), false},
      {"U+07FF in three bytes", Bytes({0xe0, 0x9f, 0xbf}), false},
      {"U+0000 in three bytes", Bytes({0xe0, 0x80, 0x80}), false},
      {"U+002F in four bytes", Bytes({0xf0, 0x80, 0x80, 0xaf}), false},
      {"U+FFFF in four bytes", Bytes({0xf0, 0x8f, 0xbf, 0xbf}), false},
      {"U+0000 in four bytes", Bytes({0xf0, 0x80, 0x80, 0x80}), false},
      {"U+0000 in five bytes", Bytes({0xf8, 0x80, 0x80, 0x80, 0x80}), false},
      {"U+1FFFFF in five bytes", Bytes({0xf8, 0x87, 0xbf, 0xbf, 0xbf}), false},
      {"U+200000", Bytes({0xf8, 0x88, 0x80, 0x80, 0x80}), false},
      {"U+3FFFFFF", Bytes({0xfb, 0xbf, 0xbf, 0xbf, 0xbf}), false},
      {"U+4000000", Bytes({0xfc, 0x84, 0x80, 0x80, 0x80, 0x80}), false},
      {"U+7FFFFFFF", Bytes({0xfd, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf}), false},
      {"U+110000", Bytes({0xf4, 0x90, 0x80, 0x80}), false},
      {"U+13FFFF", Bytes({0xf4, 0xbf, 0xbf, 0xbf}), false},
      {"U+140000", Bytes({0xf5, 0x80, 0x80, 0x80}), false},
      {"U+1FFFFF", Bytes({0xf7, 0xbf, 0xbf, 0xbf}), false},
      {"a pair of surrogates", Bytes({0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80}), false},
      {"a start of two bytes without an end", Bytes({0xc3, 0x28}), false},
      {"a start of three bytes cut by another", Bytes({0xe2, 0x82, 0xe2, 0x82, 0xac}), false},
      {"a start of four bytes cut by a letter", Bytes({0xf0, 0x9f, 0x98, 0x41}), false},
      {"a third byte that is none", Bytes({0xe2, 0x82, 0xc0}), false},
      {"Latin-1", Bytes({'c', 'a', 'f', 0xe9, ' '}), false},
      {"a byte order mark of UTF-16", Bytes({0xff, 0xfe, 'a', 0}), false},
  };
  for (const int byte : {0xc0, 0xc1, 0xf5, 0xf6, 0xf7, 0xf8, 0xfb, 0xfc, 0xfd, 0xfe, 0xff}) {
    samples.push_back({absl::StrCat("the byte ", absl::Hex(byte)), Bytes({byte}), false});
  }
  for (const int second : {0xa0, 0xad, 0xae, 0xaf, 0xb0, 0xbe, 0xbf}) {
    for (const int third : {0x80, 0xbf}) {
      samples.push_back(
          {absl::StrCat("the surrogate ed ", absl::Hex(second), " ", absl::Hex(third)),
           Bytes({0xed, second, third}), false});
    }
  }
  return samples;
}

// Text in front of a character and behind it, one byte in each fragment.
std::vector<Frame> InFragments(const std::string& text) {
  std::vector<Frame> frames;
  for (size_t i = 0; i < text.size(); ++i) {
    const std::string byte(1, text[i]);
    frames.push_back(i == 0 ? TextMore(byte) : i + 1 < text.size() ? More(byte) : Last(byte));
  }
  return frames;
}

void AddSample(std::vector<Case>* rows, const Sample& sample) {
  const std::string& bytes = sample.bytes;
  const auto ends = [&sample](const std::string& text) -> std::vector<Event> {
    if (!sample.well_formed) return {Failed(1007)};
    return {GotText(text), Closed(1000)};
  };
  rows->push_back({.name = absl::StrCat("UTF-8: ", sample.name),
                   .section = "6455 8.1",
                   .in = {Text(bytes), Close(1000)},
                   .events = ends(bytes)});
  // Far enough in for blocks that are checked at once.
  const std::string inside = std::string(67, 'x') + bytes + std::string(70, 'y');
  rows->push_back({.name = absl::StrCat("UTF-8 in a long text: ", sample.name),
                   .section = "6455 8.1",
                   .in = {Text(inside), Close(1000)},
                   .events = ends(inside)});
  std::vector<Frame> fragments = InFragments("<" + bytes + ">");
  fragments.push_back(Close(1000));
  rows->push_back({.name = absl::StrCat("UTF-8 in one-byte fragments: ", sample.name),
                   .section = "6455 8.1",
                   .in = fragments,
                   .events = ends("<" + bytes + ">")});
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    // Where the first part cannot be mended any more, the ping is not met.
    const std::string first = bytes.substr(0, cut);
    std::vector<Frame> out;
    if (JudgeUtf8Slowly(AsBytes(first)).bytes_to_tell == SIZE_MAX) out.push_back(Pong("p"));
    rows->push_back({.name = absl::StrCat("UTF-8 cut behind byte ", cut, ": ", sample.name),
                     .section = "6455 8.1",
                     .in = {TextMore(first), Ping("p"), Last(bytes.substr(cut)), Close(1000)},
                     .events = ends(bytes),
                     .out = out});
  }
}

void AddIncomplete(std::vector<Case>* rows) {
  for (const Sample& sample : WellFormed()) {
    for (size_t size = 1; size < sample.bytes.size() && sample.bytes.size() <= 4; ++size) {
      const std::string part = sample.bytes.substr(0, size);
      rows->push_back({.name = absl::StrCat("text that ends ", size, " bytes into ", sample.name),
                       .section = "6455 8.1",
                       .in = {Text("so far " + part), Text("never")},
                       .events = {Failed(1007)}});
    }
  }
  rows->push_back({.name = "text whose last, empty fragment does not mend it",
                   .section = "6455 8.1",
                   .in = {TextMore(Bytes({0xe2, 0x82})), Last(""), Text("never")},
                   .events = {Failed(1007)}});
  rows->push_back({.name = "the next text does not mend the one before",
                   .section = "6455 8.1",
                   .in = {Text(Bytes({0xe2, 0x82})), Text(Bytes({0xac}))},
                   .events = {Failed(1007)}});
  rows->push_back(
      {.name = "binary in between leaves no trace",
       .section = "6455 8.1",
       .in = {Binary(Bytes({0xe2, 0x82})), Text("a"), Binary(Bytes({0xac})), Close(1000)},
       .events = {GotBinary(Bytes({0xe2, 0x82})), GotText("a"), GotBinary(Bytes({0xac})),
                  Closed(1000)}});
  rows->push_back({.name = "pings in between leave no trace",
                   .section = "6455 8.1",
                   .in = {TextMore(Bytes({0xe2})), Ping(Bytes({0x41})), More(Bytes({0x82})),
                          Ping(Bytes({0xff})), Last(Bytes({0xac})), Close(1000)},
                   .events = {GotText(Bytes({0xe2, 0x82, 0xac})), Closed(1000)},
                   .out = {Pong(Bytes({0x41})), Pong(Bytes({0xff}))}});
  // Told as soon as it is certain: the rest never comes. (A frame that ReceiveView() shows in the
  // read buffer is waited for, so this one is larger.)
  rows->push_back(
      {.name = "told before the frame has ended",
       .section = "6455 8.1",
       .in = {{.first_byte = 0x81, .payload = "abc" + Bytes({0xff}), .announced_size = 20000}},
       .events = {Failed(1007)}});
  rows->push_back({.name = "told before the message has ended",
                   .section = "6455 8.1",
                   .in = {TextMore("abc" + Bytes({0xed, 0xa0})), Ping("never")},
                   .events = {Failed(1007)}});
  rows->push_back({.name = "four good messages and a bad one",
                   .section = "6455 8.1",
                   .in = {Text("a"), Binary(Bytes({0xff})), Text(""), TextMore("b"), Last("c"),
                          Text(Bytes({0xc0, 0xaf})), Text("never")},
                   .events = {GotText("a"), GotBinary(Bytes({0xff})), GotText(""), GotText("bc"),
                              Failed(1007)}});
}

}  // namespace

std::vector<Case> Utf8Cases() {
  std::vector<Case> rows;
  for (const Sample& sample : WellFormed()) AddSample(&rows, sample);
  for (const Sample& sample : IllFormed()) AddSample(&rows, sample);
  AddIncomplete(&rows);
  return rows;
}

}  // namespace halfpipe::websocket::conformance
