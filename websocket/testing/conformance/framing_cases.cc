// The base framing protocol and masking: RFC 6455 sections 5.1 to 5.3, 5.6 to 5.8, 6.2.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/conformance/case.h"

namespace halfpipe::websocket::conformance {
namespace {

std::string EveryByte() {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  return bytes;
}

void AddMessages(std::vector<Case>* rows) {
  rows->push_back({.name = "text",
                   .section = "6455 5.6",
                   .in = {Text("Hello"), Close(1000)},
                   .events = {GotText("Hello"), Closed(1000)}});
  rows->push_back({.name = "empty text",
                   .section = "6455 5.6",
                   .in = {Text(""), Close(1000)},
                   .events = {GotText(""), Closed(1000)}});
  rows->push_back({.name = "empty binary",
                   .section = "6455 5.6",
                   .in = {Binary(""), Close(1000)},
                   .events = {GotBinary(""), Closed(1000)}});
  rows->push_back({.name = "binary of every byte",
                   .section = "6455 5.6",
                   .in = {Binary(EveryByte()), Close(1000)},
                   .events = {GotBinary(EveryByte()), Closed(1000)}});
  rows->push_back({.name = "binary that is not UTF-8",
                   .section = "6455 5.6",
                   .in = {Binary(Bytes({0xff, 0xfe, 0xc0, 0x80})), Close(1000)},
                   .events = {GotBinary(Bytes({0xff, 0xfe, 0xc0, 0x80})), Closed(1000)}});
  rows->push_back({.name = "text with NUL, CR and LF",
                   .section = "6455 5.6",
                   .in = {Text(Bytes({'a', 0, '\r', '\n', 'b', 0})), Close(1000)},
                   .events = {GotText(Bytes({'a', 0, '\r', '\n', 'b', 0})), Closed(1000)}});
  rows->push_back({.name = "types take turns",
                   .section = "6455 6.2",
                   .in = {Text("a"), Binary("b"), Binary(""), Text(""), Text("c"), Close(1000)},
                   .events = {GotText("a"), GotBinary("b"), GotBinary(""), GotText(""),
                              GotText("c"), Closed(1000)}});
  Case many = {.name = "three hundred messages", .section = "6455 6.2"};
  for (int i = 0; i < 300; ++i) {
    many.in.push_back(i % 3 == 0 ? Binary(absl::StrCat(i)) : Text(absl::StrCat("number ", i)));
    many.events.push_back(i % 3 == 0 ? GotBinary(absl::StrCat(i))
                                     : GotText(absl::StrCat("number ", i)));
  }
  many.in.push_back(Close(1000));
  many.events.push_back(Closed(1000));
  rows->push_back(many);
  rows->push_back(
      {.name = "nothing at all", .section = "6455 7.1.5", .in = {}, .events = {Reset()}});
}

// The bytes of section 5.7, to the letter.
void AddExamplesOfTheRfc(std::vector<Case>* rows) {
  const std::string plain_hello = Bytes({0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f});
  const std::string masked_hello =
      Bytes({0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58});
  rows->push_back({.name = "the RFC's unmasked text",
                   .section = "6455 5.7",
                   .roles = Roles::kClient,
                   .in = {Raw(plain_hello), Close(1000)},
                   .events = {GotText("Hello"), Closed(1000)}});
  rows->push_back({.name = "the RFC's masked text",
                   .section = "6455 5.7",
                   .roles = Roles::kServer,
                   .in = {Raw(masked_hello), Close(1000)},
                   .events = {GotText("Hello"), Closed(1000)}});
  rows->push_back({.name = "the RFC's fragmented text",
                   .section = "6455 5.7",
                   .roles = Roles::kClient,
                   .in = {Raw(Bytes({0x01, 0x03, 0x48, 0x65, 0x6c})),
                          Raw(Bytes({0x80, 0x02, 0x6c, 0x6f})), Close(1000)},
                   .events = {GotText("Hello"), Closed(1000)}});
  rows->push_back({.name = "the RFC's ping",
                   .section = "6455 5.7",
                   .roles = Roles::kClient,
                   .in = {Raw(Bytes({0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f})), Close(1000)},
                   .events = {Closed(1000)},
                   .out = {Pong("Hello")}});
  rows->push_back(
      {.name = "the RFC's masked pong",
       .section = "6455 5.7",
       .roles = Roles::kServer,
       .in = {Raw(Bytes({0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58})),
              Close(1000)},
       .events = {Closed(1000)}});
  rows->push_back(
      {.name = "the RFC's 256 bytes",
       .section = "6455 5.7",
       .roles = Roles::kClient,
       .in = {Raw(Bytes({0x82, 0x7e, 0x01, 0x00}) + std::string(256, '\x11')), Close(1000)},
       .events = {GotBinary(std::string(256, '\x11')), Closed(1000)}});
  rows->push_back(
      {.name = "the RFC's 64 KiB",
       .section = "6455 5.7",
       .roles = Roles::kClient,
       .in = {Raw(Bytes({0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0}) + std::string(65536, '\x22')),
              Close(1000)},
       .events = {GotBinary(std::string(65536, '\x22')), Closed(1000)}});
}

const char* RsvName(int rsv) {
  static constexpr const char* kNames[] = {"",     "RSV3",   "RSV2",   "RSV2+3",
                                           "RSV1", "RSV1+3", "RSV1+2", "RSV1+2+3"};
  return kNames[rsv];
}

// Without an extension that gives them a meaning, reserved bits fail the connection; wherever they
// are, and whatever came before.
void AddReservedBits(std::vector<Case>* rows) {
  for (int rsv = 1; rsv < 8; ++rsv) {
    for (const int opcode : {0x81, 0x82, 0x88, 0x89, 0x8a, 0x01, 0x02}) {
      rows->push_back({.name = absl::StrCat(RsvName(rsv), " on ", absl::Hex(opcode)),
                       .section = "6455 5.2",
                       .in = {Any(opcode + rsv * 16), Close(1000)},
                       .events = {Failed(1002)}});
    }
    rows->push_back({.name = absl::StrCat(RsvName(rsv), " behind a message and a ping"),
                     .section = "6455 5.8",
                     .in = {Text("one"), Ping("p"), Any(0x81 + rsv * 16, "two"), Ping("never")},
                     .events = {GotText("one"), Failed(1002)},
                     .out = {Pong("p")}});
    rows->push_back({.name = absl::StrCat(RsvName(rsv), " on a continuation"),
                     .section = "6455 5.2",
                     .in = {TextMore("one"), Any(0x80 + rsv * 16, "two"), Close(1000)},
                     .events = {Failed(1002)}});
  }
}

void AddReservedOpcodes(std::vector<Case>* rows) {
  for (int opcode = 0; opcode < 16; ++opcode) {
    if (opcode <= 2 || (opcode >= 8 && opcode <= 10)) continue;
    for (const int fin : {0x80, 0x00}) {
      const std::string kind = absl::StrCat("opcode ", opcode, fin != 0 ? "" : " without FIN");
      rows->push_back({.name = kind,
                       .section = "6455 5.2",
                       .in = {Any(fin + opcode), Ping("never")},
                       .events = {Failed(1002)}});
      rows->push_back({.name = absl::StrCat(kind, ", with a payload"),
                       .section = "6455 5.2",
                       .in = {Any(fin + opcode, "payload"), Ping("never")},
                       .events = {Failed(1002)}});
      rows->push_back({.name = absl::StrCat(kind, ", behind a message"),
                       .section = "6455 5.8",
                       .in = {Text("one"), Any(fin + opcode, "payload"), Text("never")},
                       .events = {GotText("one"), Failed(1002)}});
      rows->push_back({.name = absl::StrCat(kind, ", between fragments"),
                       .section = "6455 5.4",
                       .in = {TextMore("one"), Any(fin + opcode), Last("two")},
                       .events = {Failed(1002)}});
    }
  }
}

Frame Wrong(Frame frame) {
  frame.wrong_mask = true;
  return frame;
}

// A server wants every frame masked, a client none (section 5.1).
void AddMasking(std::vector<Case>* rows) {
  const std::vector<std::pair<std::string, Frame>> frames = {
      {"text", Text("x")},
      {"empty text", Text("")},
      {"binary", Binary("x")},
      {"ping", Ping("x")},
      {"empty ping", Ping()},
      {"pong", Pong("x")},
      {"close", Close(1000)},
      {"empty close", Close()},
      {"first fragment", TextMore("x")},
      {"long text", Text(std::string(300, 'x'))}};
  for (const auto& [kind, frame] : frames) {
    rows->push_back({.name = absl::StrCat("wrongly masked ", kind),
                     .section = "6455 5.1",
                     .in = {Wrong(frame), Close(1000)},
                     .events = {Failed(1002)}});
    rows->push_back({.name = absl::StrCat("wrongly masked ", kind, " behind a good message"),
                     .section = "6455 5.1",
                     .in = {Text("good"), Wrong(frame), Close(1000)},
                     .events = {GotText("good"), Failed(1002)}});
  }
  rows->push_back({.name = "wrongly masked last fragment",
                   .section = "6455 5.1",
                   .in = {TextMore("a"), Wrong(Last("b")), Close(1000)},
                   .events = {Failed(1002)}});
  rows->push_back({.name = "masking key of zeroes",
                   .section = "6455 5.3",
                   .roles = Roles::kServer,
                   .in = {Raw(Bytes({0x81, 0x82, 0, 0, 0, 0, 'o', 'k'})), Close(1000)},
                   .events = {GotText("ok"), Closed(1000)}});
  rows->push_back({.name = "masking key of ones",
                   .section = "6455 5.3",
                   .roles = Roles::kServer,
                   .in = {Raw(Bytes({0x81, 0x82, 255, 255, 255, 255, 0x90, 0x94})), Close(1000)},
                   .events = {GotText("ok"), Closed(1000)}});
  // Every place in the key: lengths round the width of a word and of a vector.
  for (int size = 1; size <= 70; ++size) {
    std::string payload;
    for (int i = 0; i < size; ++i) payload.push_back(static_cast<char>('!' + (i * 7 + size) % 90));
    rows->push_back({.name = absl::StrCat("mask over ", size, " bytes"),
                     .section = "6455 5.3",
                     .roles = Roles::kServer,
                     .in = {Text(payload), Binary(payload), Close(1000)},
                     .events = {GotText(payload), GotBinary(payload), Closed(1000)}});
  }
}

}  // namespace

std::vector<Case> FramingCases() {
  std::vector<Case> rows;
  AddMessages(&rows);
  AddExamplesOfTheRfc(&rows);
  AddReservedBits(&rows);
  AddReservedOpcodes(&rows);
  AddMasking(&rows);
  return rows;
}

}  // namespace halfpipe::websocket::conformance
