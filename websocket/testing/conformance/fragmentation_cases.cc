// Fragmentation: RFC 6455 section 5.4.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "websocket/testing/conformance/case.h"

namespace halfpipe::websocket::conformance {
namespace {

void AddWholeMessages(std::vector<Case>* rows) {
  rows->push_back({.name = "two fragments",
                   .section = "6455 5.4",
                   .in = {TextMore("Hel"), Last("lo"), Close(1000)},
                   .events = {GotText("Hello"), Closed(1000)}});
  rows->push_back({.name = "two fragments of binary",
                   .section = "6455 5.4",
                   .in = {BinaryMore("Hel"), Last("lo"), Close(1000)},
                   .events = {GotBinary("Hello"), Closed(1000)}});
  rows->push_back({.name = "first fragment empty",
                   .section = "6455 5.4",
                   .in = {TextMore(""), Last("Hello"), Close(1000)},
                   .events = {GotText("Hello"), Closed(1000)}});
  rows->push_back({.name = "last fragment empty",
                   .section = "6455 5.4",
                   .in = {TextMore("Hello"), Last(""), Close(1000)},
                   .events = {GotText("Hello"), Closed(1000)}});
  rows->push_back({.name = "all fragments empty",
                   .section = "6455 5.4",
                   .in = {BinaryMore(""), More(""), More(""), Last(""), Close(1000)},
                   .events = {GotBinary(""), Closed(1000)}});
  rows->push_back({.name = "empty fragments in between",
                   .section = "6455 5.4",
                   .in = {TextMore(""), More("a"), More(""), More(""), More("b"), Last(""),
                          Text("next"), Close(1000)},
                   .events = {GotText("ab"), GotText("next"), Closed(1000)}});
  for (const size_t count : {3u, 10u, 100u, 500u}) {
    Case row = {.name = absl::StrCat(count, " fragments of one byte"), .section = "6455 5.4"};
    std::string text;
    for (size_t i = 0; i < count; ++i) {
      const std::string byte(1, static_cast<char>('a' + i % 26));
      row.in.push_back(i == 0 ? TextMore(byte) : i + 1 < count ? More(byte) : Last(byte));
      text += byte;
    }
    row.in.push_back(Close(1000));
    row.events = {GotText(text), Closed(1000)};
    rows->push_back(row);
  }
  // A fragment in each form of length, so that the next one begins everywhere in the mask.
  const std::string large(70000, 'L');
  const std::string middle(300, 'm');
  rows->push_back(
      {.name = "fragments in every form of length",
       .section = "6455 5.4",
       .in = {BinaryMore("abc"), More(middle), More("d"), More(large), Last("ef"), Close(1000)},
       .events = {GotBinary("abc" + middle + "d" + large + "ef"), Closed(1000)}});
  rows->push_back({.name = "fragmented messages behind each other",
                   .section = "6455 5.4",
                   .in = {TextMore("a"), Last("b"), BinaryMore("c"), More("d"), Last("e"),
                          TextMore(""), Last("f"), Close(1000)},
                   .events = {GotText("ab"), GotBinary("cde"), GotText("f"), Closed(1000)}});
}

void AddControlBetween(std::vector<Case>* rows) {
  rows->push_back({.name = "ping between fragments",
                   .section = "6455 5.4",
                   .in = {TextMore("a"), Ping("p"), Last("b"), Close(1000)},
                   .events = {GotText("ab"), Closed(1000)},
                   .out = {Pong("p")}});
  rows->push_back({.name = "pongs between fragments",
                   .section = "6455 5.4",
                   .in = {TextMore("a"), Pong("p"), More("b"), Pong(), Last("c"), Close(1000)},
                   .events = {GotText("abc"), Closed(1000)}});
  rows->push_back({.name = "pings before, between and behind fragments",
                   .section = "6455 5.4",
                   .in = {Ping("1"), TextMore("a"), Ping("2"), Ping("3"), More(""), Ping("4"),
                          Last("b"), Ping("5"), Close(1000)},
                   .events = {GotText("ab"), Closed(1000)},
                   .out = {Pong("1"), Pong("2"), Pong("3"), Pong("4"), Pong("5")}});
  rows->push_back(
      {.name = "large ping between one-byte fragments",
       .section = "6455 5.4",
       .in = {TextMore("a"), Ping(std::string(125, 'p')), More("b"), Last("c"), Close(1000)},
       .events = {GotText("abc"), Closed(1000)},
       .out = {Pong(std::string(125, 'p'))}});
  rows->push_back({.name = "Close between fragments ends the message",
                   .section = "6455 5.5.1",
                   .in = {TextMore("a"), Close(1001, "bye"), Last("b")},
                   .events = {Closed(1001, "bye")}});
  rows->push_back({.name = "end of the stream between fragments",
                   .section = "6455 7.1.5",
                   .in = {TextMore("a"), More("b")},
                   .events = {Reset()}});
}

// Frames that may not come now.
void AddBreaches(std::vector<Case>* rows) {
  for (const bool fin : {true, false}) {
    const char* const kind = fin ? "last" : "middle";
    const auto orphan = [fin](const char* payload) { return fin ? Last(payload) : More(payload); };
    rows->push_back({.name = absl::StrCat("continuation with nothing before it, ", kind),
                     .section = "6455 5.4",
                     .in = {orphan("orphan"), Text("never")},
                     .events = {Failed(1002)}});
    rows->push_back({.name = absl::StrCat("empty continuation with nothing before it, ", kind),
                     .section = "6455 5.4",
                     .in = {orphan(""), Text("never")},
                     .events = {Failed(1002)}});
    rows->push_back({.name = absl::StrCat("continuation behind a whole message, ", kind),
                     .section = "6455 5.4",
                     .in = {Text("whole"), orphan("orphan"), Text("never")},
                     .events = {GotText("whole"), Failed(1002)}});
    rows->push_back({.name = absl::StrCat("continuation behind a fragmented message, ", kind),
                     .section = "6455 5.4",
                     .in = {TextMore("a"), Last("b"), orphan("c"), Text("never")},
                     .events = {GotText("ab"), Failed(1002)}});
    rows->push_back({.name = absl::StrCat("continuation behind a ping, ", kind),
                     .section = "6455 5.4",
                     .in = {Ping("p"), orphan("orphan")},
                     .events = {Failed(1002)},
                     .out = {Pong("p")}});
  }
  for (const int inner : {0x81, 0x82, 0x01, 0x02}) {
    for (const int outer : {0x01, 0x02}) {
      rows->push_back(
          {.name = absl::StrCat(absl::Hex(inner), " inside a message of ", absl::Hex(outer)),
           .section = "6455 5.4",
           .in = {Any(outer, "a"), Any(inner, "b"), Last("c")},
           .events = {Failed(1002)}});
    }
    rows->push_back({.name = absl::StrCat(absl::Hex(inner), " behind an empty first fragment"),
                     .section = "6455 5.4",
                     .in = {TextMore(""), Any(inner), Last("c")},
                     .events = {Failed(1002)}});
    rows->push_back({.name = absl::StrCat(absl::Hex(inner), " behind a middle fragment and a ping"),
                     .section = "6455 5.4",
                     .in = {TextMore("a"), More("b"), Ping("p"), Any(inner, "c"), Last("d")},
                     .events = {Failed(1002)},
                     .out = {Pong("p")}});
  }
}

}  // namespace

std::vector<Case> FragmentationCases() {
  std::vector<Case> rows;
  AddWholeMessages(&rows);
  AddControlBetween(&rows);
  AddBreaches(&rows);
  return rows;
}

}  // namespace halfpipe::websocket::conformance
