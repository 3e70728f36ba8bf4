// permessage-deflate: RFC 7692 sections 6 and 7.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "websocket/deflate/deflate_params.h"
#include "websocket/deflate/inflate_reference.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/conformance/case.h"

namespace halfpipe::websocket::conformance {
namespace {

// The payloads of section 7.2.3.
std::string Hello() { return Bytes({0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}); }
std::string HelloAgain() { return Bytes({0xf2, 0x00, 0x11, 0x00, 0x00}); }
std::string HelloStored() {
  return Bytes({0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00});
}
std::string HelloFinal() { return Bytes({0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00}); }
// The last block, which is empty and not compressed, has BFINAL; the bits before it are Hello()'s.
std::string HelloEndedFinally() { return Bytes({0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x04}); }
std::string HelloInTwoBlocks() {
  return Bytes({0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00});
}
std::string Nothing() { return Bytes({0x00}); }
std::string NothingFinally() { return Bytes({0x01}); }

Frame Deflated(std::string payload) { return Any(0xc1, std::move(payload)); }
Frame DeflatedBinary(std::string payload) { return Any(0xc2, std::move(payload)); }
Frame DeflatedMore(std::string payload) { return Any(0x41, std::move(payload)); }

Options Agreed(const DeflateParams& params = {}) {
  Options options;
  options.deflate_params = params;
  return options;
}

// No message of the peer's, of ours, or of either refers to those before it.
Options WithoutTakeover(bool server, bool client) {
  return Agreed({.server_no_context_takeover = server, .client_no_context_takeover = client});
}

Options Bounded(uint64_t message_bytes_max) {
  Options options = Agreed();
  options.message_bytes_max = message_bytes_max;
  return options;
}

void AddExamplesOfTheRfc(std::vector<Case>* rows) {
  const auto add = [rows](const char* name, const char* section, std::vector<Frame> in,
                          std::vector<Event> events) {
    in.push_back(Close(1000));
    events.push_back(Closed(1000));
    rows->push_back({.name = absl::StrCat("deflate: ", name),
                     .section = section,
                     .in = std::move(in),
                     .events = std::move(events),
                     .options = Agreed()});
  };
  add("one block", "7692 7.2.3.1", {Deflated(Hello())}, {GotText("Hello")});
  add("one block in two fragments", "7692 7.2.3.1",
      {DeflatedMore(Hello().substr(0, 3)), Last(Hello().substr(3))}, {GotText("Hello")});
  add("the window goes on", "7692 7.2.3.2", {Deflated(Hello()), Deflated(HelloAgain())},
      {GotText("Hello"), GotText("Hello")});
  add("no compression", "7692 7.2.3.3", {Deflated(HelloStored())}, {GotText("Hello")});
  add("BFINAL", "7692 7.2.3.4", {Deflated(HelloFinal())}, {GotText("Hello")});
  add("BFINAL, and another message", "7692 7.2.3.4",
      {Deflated(HelloFinal()), Deflated(Hello()), Deflated(HelloFinal())},
      {GotText("Hello"), GotText("Hello"), GotText("Hello")});
  add("BFINAL on the block whose end was left out", "7692 7.2.1",
      {Deflated(HelloEndedFinally()), Deflated(HelloAgain()), Deflated(HelloEndedFinally())},
      {GotText("Hello"), GotText("Hello"), GotText("Hello")});
  add("BFINAL twice", "7692 7.2.1",
      {DeflatedMore(HelloFinal()), Last(Bytes({0x00, 0x00, 0xff, 0xff, 0x01})), Deflated(Hello())},
      {GotText("Hello"), GotText("Hello")});
  add("an empty message with BFINAL", "7692 7.2.1",
      {Deflated(NothingFinally()), DeflatedBinary(NothingFinally()), Deflated(Hello())},
      {GotText(""), GotBinary(""), GotText("Hello")});
  add("two blocks", "7692 7.2.3.5", {Deflated(HelloInTwoBlocks())}, {GotText("Hello")});
  add("an empty message", "7692 7.2.3.6", {Deflated(Nothing())}, {GotText("")});
  add("empty messages of both types", "7692 7.2.3.6",
      {Deflated(Nothing()), DeflatedBinary(Nothing()), Deflated(Hello())},
      {GotText(""), GotBinary(""), GotText("Hello")});
}

void AddFraming(std::vector<Case>* rows) {
  const auto add = [rows](std::string name, const char* section, std::vector<Frame> in,
                          std::vector<Event> events, std::vector<Frame> out = {}) {
    rows->push_back({.name = absl::StrCat("deflate: ", name),
                     .section = section,
                     .in = std::move(in),
                     .events = std::move(events),
                     .out = std::move(out),
                     .options = Agreed()});
  };
  const std::string hello = Hello();
  add("not every message is compressed", "7692 6",
      {Text("plain"), Deflated(hello), Binary("plain too"), Deflated(HelloAgain()), Close(1000)},
      {GotText("plain"), GotText("Hello"), GotBinary("plain too"), GotText("Hello"), Closed(1000)});
  for (size_t cut = 0; cut <= hello.size(); ++cut) {
    add(absl::StrCat("cut at ", cut), "7692 6.1",
        {DeflatedMore(hello.substr(0, cut)), Last(hello.substr(cut)), Close(1000)},
        {GotText("Hello"), Closed(1000)});
    add(absl::StrCat("cut at ", cut, ", ping and empty fragments"), "7692 6.1",
        {DeflatedMore(hello.substr(0, cut)), Ping("p"), More(""), Pong("q"),
         More(hello.substr(cut)), Last(""), Close(1000)},
        {GotText("Hello"), Closed(1000)}, {Pong("p")});
  }
  std::vector<Frame> single = {DeflatedMore("")};
  for (const char byte : hello) single.push_back(More(std::string(1, byte)));
  single.push_back(Last(""));
  single.push_back(Close(1000));
  add("in fragments of one byte", "7692 6.1", single, {GotText("Hello"), Closed(1000)});

  // Section 6: the bit on the first frame of a data message alone.
  add("RSV1 on the last frame", "7692 6.1",
      {DeflatedMore(hello.substr(0, 3)), Any(0xc0, hello.substr(3)), Close(1000)}, {Failed(1002)});
  add("RSV1 on a middle frame", "7692 6.1",
      {DeflatedMore(hello.substr(0, 3)), Any(0x40, hello.substr(3)), Last(""), Close(1000)},
      {Failed(1002)});
  add("RSV1 on the last frame of a plain message", "7692 6.1",
      {TextMore("a"), Any(0xc0, "b"), Close(1000)}, {Failed(1002)});
  add("RSV1 on a continuation without a message", "7692 6.1", {Any(0xc0, hello)}, {Failed(1002)});
  add("RSV1 on a new message inside another one", "7692 6.1",
      {DeflatedMore(hello.substr(0, 3)), Deflated(hello)}, {Failed(1002)});
  for (const int control : {0xc8, 0xc9, 0xca}) {
    add(absl::StrCat("RSV1 on ", absl::Hex(control)), "7692 6.1", {Any(control), Close(1000)},
        {Failed(1002)});
    add(absl::StrCat("RSV1 on ", absl::Hex(control), " inside a message"), "7692 6.1",
        {DeflatedMore(hello), Any(control), Last(""), Close(1000)}, {Failed(1002)});
  }
  for (const int other : {0xa1, 0x91, 0xb1, 0xe1, 0xd1, 0xf1, 0xa2, 0xf2}) {
    add(absl::StrCat("another reserved bit, ", absl::Hex(other)), "6455 5.2",
        {Any(other, hello), Close(1000)}, {Failed(1002)});
  }
  for (int opcode = 3; opcode < 8; ++opcode) {
    add(absl::StrCat("RSV1 on opcode ", opcode), "6455 5.2", {Any(0xc0 + opcode), Close(1000)},
        {Failed(1002)});
  }
  rows->push_back({.name = "deflate: RSV1 without an agreement",
                   .section = "7692 6",
                   .in = {Deflated(hello), Close(1000)},
                   .events = {Failed(1002)}});
  rows->push_back({.name = "deflate: RSV1 without an agreement, on a first fragment",
                   .section = "7692 6",
                   .in = {Text("plain"), DeflatedMore(hello), Close(1000)},
                   .events = {GotText("plain"), Failed(1002)}});
}

void AddBadData(std::vector<Case>* rows) {
  const auto add = [rows](std::string name, const char* section, std::vector<Frame> in,
                          std::vector<Event> events) {
    rows->push_back({.name = absl::StrCat("deflate: ", name),
                     .section = section,
                     .in = std::move(in),
                     .events = std::move(events),
                     .options = Agreed()});
  };
  const std::string hello = Hello();
  for (size_t size = 1; size < hello.size() - 1; ++size) {
    add(absl::StrCat("cut off after ", size), "7692 7.2.2",
        {Deflated(hello.substr(0, size)), Ping("never")}, {Failed(1007)});
  }
  add("a payload of no bytes", "7692 7.2.1", {Deflated(""), Ping("never")}, {Failed(1007)});
  const std::string stored = HelloStored();
  // The first byte alone would be an empty message.
  for (size_t size = 2; size < stored.size() - 1; ++size) {
    add(absl::StrCat("stored, cut off after ", size), "7692 7.2.2",
        {DeflatedBinary(stored.substr(0, size)), Ping("never")}, {Failed(1007)});
  }
  const std::vector<std::string> garbage = {Bytes({0x00, 0x00, 0xff, 0xff}), Bytes({0xff}),
                                            Bytes({0x06}), hello.substr(0, 3),
                                            std::string(20, '\xff')};
  for (size_t i = 0; i < garbage.size(); ++i) {
    add(absl::StrCat("garbage ", i, " behind the end"), "7692 7.2.1",
        {Deflated(hello + garbage[i]), Ping("never")}, {Failed(1007)});
    add(absl::StrCat("garbage ", i, " behind an end with BFINAL"), "7692 7.2.1",
        {Deflated(HelloEndedFinally() + garbage[i]), Ping("never")}, {Failed(1007)});
    add(absl::StrCat("garbage ", i, " in a fragment behind the end"), "7692 7.2.1",
        {DeflatedMore(hello), Last(garbage[i]), Ping("never")}, {Failed(1007)});
  }
  add("a reserved block type", "7692 7.2.2", {Deflated(Bytes({0x06})), Ping("never")},
      {Failed(1007)});
  add("a reserved block type behind a good message", "7692 7.2.2",
      {Deflated(hello), Deflated(Bytes({0x07})), Ping("never")}, {GotText("Hello"), Failed(1007)});
  add("a stored block whose length is wrong", "7692 7.2.2",
      {Deflated(Bytes({0x00, 0x05, 0x00, 0x00, 0x00, 'H', 'e', 'l', 'l', 'o', 0x00}))},
      {Failed(1007)});
  add("plain text with RSV1", "7692 7.2.2", {Deflated("Hello, this is no deflate")},
      {Failed(1007)});
  add("a reference to before the beginning", "7692 7.2.2", {Deflated(HelloAgain()), Ping("never")},
      {Failed(1007)});
  // UTF-8 is judged when inflated (section 6.2 and RFC 6455 section 8.1).
  for (const std::string& bad : {Bytes({0xff}), Bytes({0xe2, 0x82}), Bytes({0xed, 0xa0, 0x80}),
                                 std::string(5000, 'x') + Bytes({0xc0, 0x80})}) {
    add(absl::StrCat("text that is not UTF-8, ", rows->size()), "7692 6.2",
        {Deflated(DeflateReference(bad)), Ping("never")}, {Failed(1007)});
    add(absl::StrCat("binary that is not UTF-8, ", rows->size()), "7692 6.2",
        {DeflatedBinary(DeflateReference(bad)), Close(1000)}, {GotBinary(bad), Closed(1000)});
  }
  add("a compressed payload is no UTF-8, and need not be", "7692 6.2",
      {Deflated(DeflateReference(Bytes({0xe2, 0x82, 0xac}))), Close(1000)},
      {GotText(Bytes({0xe2, 0x82, 0xac})), Closed(1000)});
  add("end of the stream inside", "6455 7.1.5", {DeflatedMore(hello.substr(0, 4))}, {Reset()});
}

// Whether a message may refer to those before it: sections 7.1.1.1 and 7.1.1.2.
void AddContext(std::vector<Case>* rows) {
  const std::vector<Frame> twice = {Deflated(Hello()), Deflated(HelloAgain()), Close(1000)};
  const std::vector<Frame> fresh = {Deflated(Hello()), Deflated(Hello()), Close(1000)};
  const std::vector<Event> both = {GotText("Hello"), GotText("Hello"), Closed(1000)};
  const std::vector<Event> first_alone = {GotText("Hello"), Failed(1007)};
  for (const bool server : {false, true}) {
    for (const bool client : {false, true}) {
      const std::string name = absl::StrCat("deflate: takeover", server ? ", not the server's" : "",
                                            client ? ", not the client's" : "");
      const Options options = WithoutTakeover(server, client);
      rows->push_back({.name = name + ", references in",
                       .section = "7692 7.1.1.2",
                       .roles = Roles::kServer,
                       .in = twice,
                       .events = client ? first_alone : both,
                       .options = options});
      rows->push_back({.name = name + ", references in, client",
                       .section = "7692 7.1.1.1",
                       .roles = Roles::kClient,
                       .in = twice,
                       .events = server ? first_alone : both,
                       .options = options});
      rows->push_back({.name = name + ", no references in",
                       .section = "7692 7.1.1",
                       .in = fresh,
                       .events = both,
                       .options = options});
      for (const Roles roles : {Roles::kServer, Roles::kClient}) {
        const bool ours = roles == Roles::kServer ? server : client;
        rows->push_back(
            {.name = name + ", out of a " + (roles == Roles::kServer ? "server" : "client"),
             .section = "7692 7.1.1",
             .roles = roles,
             .first = {SendText("Hello", Compress::kAlways), SendText("Hello", Compress::kAlways)},
             .in = {Close(1000)},
             .events = {Sent(), Sent(), Closed(1000)},
             .out = {Deflated(Hello()), Deflated(ours ? Hello() : HelloAgain())},
             .options = options});
      }
    }
  }
  rows->push_back(
      {.name = "deflate: plain messages leave no trace in the window",
       .section = "7692 7.2.2",
       .in = {Deflated(Hello()), Text("Jello and more of it"), Deflated(HelloAgain()), Close(1000)},
       .events = {GotText("Hello"), GotText("Jello and more of it"), GotText("Hello"),
                  Closed(1000)},
       .options = Agreed()});
  for (uint8_t bits = 8; bits <= 15; ++bits) {
    const DeflateParams params = {.server_max_window_bits = bits, .client_max_window_bits = bits};
    std::string message;
    for (int i = 0; i < 3000; ++i) absl::StrAppend(&message, i % 251, ",");
    // zlib has no raw window of 8 bits; runs alone need none.
    const std::string payload =
        bits == 8 ? DeflateReference(std::string(9000, 'r')) : DeflateReference(message, bits);
    const std::string expected = bits == 8 ? std::string(9000, 'r') : message;
    rows->push_back({.name = absl::StrCat("deflate: windows of ", int{bits}, " bits"),
                     .section = "7692 7.1.2",
                     .in = {DeflatedBinary(payload), DeflatedBinary(Nothing()), Close(1000)},
                     .events = {GotBinary(expected), GotBinary(""), Closed(1000)},
                     .options = Agreed(params)});
  }
}

void AddBounds(std::vector<Case>* rows) {
  for (const size_t limit : {5u, 1000u, 70000u}) {
    for (const int over : {-1, 0, 1}) {
      const std::string message(limit + static_cast<size_t>(over), 'b');
      const std::string payload = DeflateReference(message);
      const std::vector<Event> events = over > 0
                                            ? std::vector<Event>{Failed(1009)}
                                            : std::vector<Event>{GotText(message), Closed(1000)};
      rows->push_back({.name = absl::StrCat("deflate: ", message.size(), " of at most ", limit),
                       .section = "7692 8",
                       .in = {Deflated(payload), Close(1000)},
                       .events = events,
                       .options = Bounded(limit)});
      rows->push_back({.name = absl::StrCat("deflate: ", message.size(), " of at most ", limit,
                                            ", in fragments"),
                       .section = "7692 8",
                       .in = {DeflatedMore(payload.substr(0, 2)), More(payload.substr(2, 3)),
                              Last(payload.substr(5)), Close(1000)},
                       .events = events,
                       .options = Bounded(limit)});
    }
  }
  Options ratio = Agreed();
  ratio.deflate.inflation_ratio_max = 10;
  ratio.deflate.inflation_ratio_floor_bytes = 1000;
  rows->push_back({.name = "deflate: a ratio above its bound",
                   .section = "7692 8",
                   .in = {DeflatedBinary(DeflateReference(std::string(100'000, 'z'))), Close(1000)},
                   .events = {Failed(1009)},
                   .options = ratio});
  rows->push_back({.name = "deflate: the same ratio below the floor",
                   .section = "7692 8",
                   .in = {DeflatedBinary(DeflateReference(std::string(1000, 'z'))), Close(1000)},
                   .events = {GotBinary(std::string(1000, 'z')), Closed(1000)},
                   .options = ratio});
  // A payload that grows without saying anything is bounded too: 4 bytes may be 1,029 compressed.
  std::string empty_blocks;
  while (empty_blocks.size() < 1030) empty_blocks += Bytes({0x00, 0x00, 0x00, 0xff, 0xff});
  rows->push_back({.name = "deflate: empty blocks without end",
                   .section = "7692 8",
                   .in = {DeflatedMore(empty_blocks), Ping("never")},
                   .events = {Failed(1009)},
                   .options = Bounded(4)});
}

void AddSending(std::vector<Case>* rows) {
  const auto add = [rows](const char* name, const char* section, std::vector<Action> first,
                          std::vector<Frame> out, uint64_t frame_bytes_max = 1 << 20,
                          uint64_t compress_bytes_min = 64) {
    Options options = Agreed();
    options.send_frame_bytes_max = frame_bytes_max;
    options.deflate.compress_bytes_min = compress_bytes_min;
    std::vector<Event> events(first.size(), Sent());
    events.push_back(Closed(1000));
    rows->push_back({.name = absl::StrCat("deflate, ours: ", name),
                     .section = section,
                     .first = std::move(first),
                     .in = {Close(1000)},
                     .events = std::move(events),
                     .out = std::move(out),
                     .options = options});
  };
  const std::string hello = Hello();
  add("always", "7692 7.2.1", {SendText("Hello", Compress::kAlways)}, {Deflated(hello)});
  add("never", "7692 6", {SendText(std::string(100, 'n'), Compress::kNever)},
      {Text(std::string(100, 'n'))});
  add("binary", "7692 6.1", {SendBinary("Hello", Compress::kAlways)}, {DeflatedBinary(hello)});
  add("empty", "7692 7.2.3.6", {SendText("", Compress::kAlways)}, {Deflated(Nothing())});
  add("below the threshold", "7692 6", {SendText("Hell")}, {Text("Hell")}, 1 << 20, 5);
  add("at the threshold", "7692 6", {SendText("Hello")}, {Deflated(hello)}, 1 << 20, 5);
  add("in fragments of three", "7692 6.1", {SendText("Hello", Compress::kAlways), SendPing("p")},
      {DeflatedMore(hello.substr(0, 3)), More(hello.substr(3, 3)), Last(hello.substr(6)),
       Ping("p")},
      3);
  add("plain in between", "7692 7.2.1",
      {SendText("Hello", Compress::kAlways), SendText("Hello", Compress::kNever),
       SendText("Hello", Compress::kAlways)},
      {Deflated(hello), Text("Hello"), Deflated(HelloAgain())});
  add("control frames are never compressed", "7692 6.1",
      {SendPing(std::string(125, 'p')), SendText("Hello", Compress::kAlways)},
      {Ping(std::string(125, 'p')), Deflated(hello)});
}

}  // namespace

std::vector<Case> DeflateCases() {
  std::vector<Case> rows;
  AddExamplesOfTheRfc(&rows);
  AddFraming(&rows);
  AddBadData(&rows);
  AddContext(&rows);
  AddBounds(&rows);
  AddSending(&rows);
  return rows;
}

}  // namespace halfpipe::websocket::conformance
