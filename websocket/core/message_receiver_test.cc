#include "websocket/core/message_receiver.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "websocket/core/role.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/wire_builder.h"

namespace halfpipe::websocket {
namespace {

using Kind = ReceiveEvent::Kind;
using Options = MessageReceiver::Options;
using Trace = std::vector<std::string>;
constexpr auto kMore = WireBuilder::kMore;

// How the bytes are handed to the machine.
struct Cutting {
  // The number of bytes that the next read brings, at least 1.
  std::function<size_t()> next;
  bool copy = false;  // OnPayloadCopy() in place of OnPayload().
};

Cutting Whole(bool copy) {
  return {[] { return size_t{1} << 40; }, copy};
}
Cutting ByteByByte(bool copy) {
  return {[] { return size_t{1}; }, copy};
}
Cutting Random(uint32_t seed) {
  std::mt19937 random(seed);
  const size_t max = 1 + random() % 40;
  const bool copy = random() % 2 == 0;
  return {[random, max]() mutable { return 1 + random() % max; }, copy};
}

// A driver as plain as it can be: hands `wire` to the machine as `cutting` says, and writes down
// what the machine tells. The last line says how it ended, and where.
class Driver {
 public:
  Driver(const Options& options, std::string wire, Cutting cutting)
      : receiver_(options), wire_(std::move(wire)), cutting_(std::move(cutting)) {}

  Trace Run() {
    for (;;) {
      const ReceiveEvent event = receiver_.Next();
      switch (event.kind) {
        case Kind::kNeedHeader:
          if (!Header(event)) return trace_;
          break;
        case Kind::kNeedPayload:
          if (!Payload(event)) return trace_;
          break;
        case Kind::kNeedControl:
          if (!Control(event)) return trace_;
          break;
        case Kind::kMessageEnd:
          EXPECT_EQ(event.message_bytes, message_.size());
          trace_.push_back(absl::StrCat(OpcodeName(event.opcode), " ", message_));
          message_.clear();
          break;
        case Kind::kSendPong:
          trace_.push_back(absl::StrCat("ping ", AsChars(event.payload)));
          break;
        case Kind::kPong:
          trace_.push_back(absl::StrCat("pong ", AsChars(event.payload)));
          break;
        case Kind::kPeerClosed:
          trace_.push_back(
              absl::StrCat("closed ", event.close_code, " ", event.reason(), " @", position_));
          return trace_;
        case Kind::kFail:
          trace_.push_back(absl::StrCat("fail ", event.error.close_code, " ", event.error.what));
          return trace_;
      }
    }
  }

  MessageReceiver& receiver() { return receiver_; }

 private:
  // Reads until more than `size` bytes are there than were used; false at the end of the wire.
  bool Have(size_t size) {
    while (available_ - position_ < size) {
      if (available_ == wire_.size()) {
        trace_.push_back(receiver_.in_message() || position_ != wire_.size() ? "cut off" : "end");
        return false;
      }
      available_ += std::min(cutting_.next(), wire_.size() - available_);
    }
    return true;
  }

  bool Header(const ReceiveEvent& event) {
    EXPECT_GE(event.min_bytes, 2u);
    EXPECT_LE(event.min_bytes, kMaxFrameHeaderSize);
    // One byte would do to find a breach, so offer what there is, as little as it may be.
    if (!Have(std::min(available_ - position_ + 1, event.min_bytes))) return false;
    position_ += receiver_.OnHeader(AsBytes(wire_).subspan(position_, available_ - position_));
    return true;
  }

  bool Payload(const ReceiveEvent& event) {
    EXPECT_GT(event.frame_bytes_left, 0u);
    EXPECT_EQ(event.message_bytes, message_.size());
    EXPECT_EQ(receiver_.message_offset(), message_.size());
    if (!Have(1)) return false;
    const size_t size = std::min<uint64_t>(event.frame_bytes_left, available_ - position_);
    const absl::Span<const uint8_t> src = AsBytes(wire_).subspan(position_, size);
    std::string piece(size, '\0');
    if (cutting_.copy) {
      receiver_.OnPayloadCopy(AsMutableBytes(piece).data(), src);
    } else {
      piece = std::string(AsChars(src));
      receiver_.OnPayload(AsMutableBytes(piece));
    }
    message_ += piece;
    position_ += size;
    return true;
  }

  bool Control(const ReceiveEvent& event) {
    EXPECT_GE(event.min_bytes, 1u);
    EXPECT_LE(event.min_bytes, kMaxControlPayload);
    if (!Have(1)) return false;
    const size_t size = std::min(event.min_bytes, available_ - position_);
    receiver_.OnControl(AsBytes(wire_).subspan(position_, size));
    position_ += size;
    return true;
  }

  MessageReceiver receiver_;
  const std::string wire_;
  Cutting cutting_;
  size_t position_ = 0;   // Of what the machine has taken.
  size_t available_ = 0;  // Of what has been read.
  std::string message_;
  Trace trace_;
};

// The same events whole, byte by byte and in fifty random cuts (five of a long wire), in place and
// copying.
void ExpectEvents(const Options& options, const std::string& wire, const Trace& expected) {
  EXPECT_EQ(Driver(options, wire, Whole(false)).Run(), expected) << absl::CHexEscape(wire);
  EXPECT_EQ(Driver(options, wire, Whole(true)).Run(), expected);
  EXPECT_EQ(Driver(options, wire, ByteByByte(false)).Run(), expected);
  EXPECT_EQ(Driver(options, wire, ByteByByte(true)).Run(), expected);
  const uint32_t seeds = wire.size() < 10000 ? 50 : 5;
  for (uint32_t seed = 0; seed < seeds; ++seed) {
    ASSERT_EQ(Driver(options, wire, Random(seed)).Run(), expected) << "seed " << seed;
  }
}

// Both roles: the peer of a server masks.
void ExpectEventsForBothRoles(const std::function<void(WireBuilder&)>& build,
                              const Trace& expected) {
  for (Role role : {Role::kClient, Role::kServer}) {
    WireBuilder wire(role == Role::kClient ? Role::kServer : Role::kClient);
    build(wire);
    ExpectEvents({.role = role}, wire, expected);
  }
}

// ---- What is well-formed -----------------------------------------------------------------------

// RFC 6455 section 5.7.
TEST(MessageReceiverTest, TheExamplesOfTheRfc) {
  ExpectEvents({.role = Role::kClient}, Bytes({0x81, 0x05}) + "Hello", {"text Hello", "end"});
  ExpectEvents({.role = Role::kServer},
               Bytes({0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}),
               {"text Hello", "end"});
  ExpectEvents({.role = Role::kClient}, Bytes({0x01, 0x03}) + "Hel" + Bytes({0x80, 0x02}) + "lo",
               {"text Hello", "end"});
  ExpectEvents({.role = Role::kClient}, Bytes({0x89, 0x05}) + "Hello", {"ping Hello", "end"});
  ExpectEvents({.role = Role::kServer},
               Bytes({0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}),
               {"pong Hello", "end"});
  ExpectEvents({.role = Role::kClient}, Bytes({0x82, 0x7e, 0x01, 0x00}) + std::string(256, 'b'),
               {"binary " + std::string(256, 'b'), "end"});
  ExpectEvents({.role = Role::kClient},
               Bytes({0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0}) + std::string(65536, 'b'),
               {"binary " + std::string(65536, 'b'), "end"});
}

TEST(MessageReceiverTest, MessagesOfEveryLengthForm) {
  for (size_t size : {0, 1, 125, 126, 127, 4096, 65535, 65536}) {
    const std::string payload(size, 'm');
    ExpectEventsForBothRoles([&](WireBuilder& wire) { wire.Text(payload).Binary(payload); },
                             {"text " + payload, "binary " + payload, "end"});
  }
}

TEST(MessageReceiverTest, EmptyFragmentsAreFine) {
  ExpectEventsForBothRoles(
      [](WireBuilder& wire) {
        wire.Text("", kMore).Continuation("", kMore).Continuation("x", kMore).Continuation("");
        wire.Binary("", kMore).Continuation("");
      },
      {"text x", "binary ", "end"});
}

// A later fragment goes behind the one before it.
// Fails if BeginDataFrame() sets message_bytes_ = 0 for a continuation too.
TEST(MessageReceiverTest, FragmentsAreLaidEndToEnd) {
  ExpectEventsForBothRoles(
      [](WireBuilder& wire) {
        wire.Binary("first ", kMore).Continuation("second ", kMore).Continuation("third");
      },
      {"binary first second third", "end"});
}

TEST(MessageReceiverTest, ControlFramesBetweenFragments) {
  ExpectEventsForBothRoles(
      [](WireBuilder& wire) {
        wire.Text("a", kMore).Ping("1").Continuation("b", kMore).Pong("2").Ping().Continuation("c");
      },
      {"ping 1", "pong 2", "ping ", "text abc", "end"});
}

// A ping is answered with its own payload, and the connection goes on.
// Fails if EndControlFrame() calls Fail() for a ping.
TEST(MessageReceiverTest, APingIsAnsweredAndTheConnectionLives) {
  const std::string longest(125, 'p');
  ExpectEventsForBothRoles(
      [&](WireBuilder& wire) { wire.Ping("p").Text("x").Ping(longest).Ping().Binary("y"); },
      {"ping p", "text x", "ping " + longest, "ping ", "binary y", "end"});
}

TEST(MessageReceiverTest, UnaskedPongsAreReportedAndHarmless) {
  ExpectEventsForBothRoles([](WireBuilder& wire) { wire.Pong().Pong("late").Text("x"); },
                           {"pong ", "pong late", "text x", "end"});
}

// The mask goes on within a frame however the frame's payload is cut, and starts anew with each
// frame. Cuts that are no multiple of four are among those of ExpectEvents().
// Fails if AdvancePayload() does not add to frame_offset_, or BeginDataFrame() does not clear it.
TEST(MessageReceiverTest, TheMaskGoesOnOverPiecesAndRestartsWithAFrame) {
  std::string payload;
  for (int i = 0; i < 1001; ++i) payload.push_back(static_cast<char>(i));
  const std::string wire = WireBuilder(Role::kClient)
                               .Key({1, 2, 3, 4})
                               .Binary(payload, kMore)
                               .Key({0xf1, 0xe2, 0xd3, 0xc4})
                               .Ping("abcde")
                               .Continuation(payload);
  ExpectEvents({.role = Role::kServer}, wire, {"ping abcde", "binary " + payload + payload, "end"});
}

TEST(MessageReceiverTest, TextMayBeCutInsideACharacter) {
  ExpectEventsForBothRoles(
      [](WireBuilder& wire) {
        wire.Text("\xf0", kMore).Continuation("\x9f\x98", kMore).Ping("p").Continuation("\x80!");
        wire.Text("\xe2\x82\xac");
      },
      {"ping p", "text \xf0\x9f\x98\x80!", "text \xe2\x82\xac", "end"});
}

TEST(MessageReceiverTest, BinaryIsNotCheckedForUtf8) {
  ExpectEventsForBothRoles([](WireBuilder& wire) { wire.Binary("\xff\xc0\x80"); },
                           {"binary \xff\xc0\x80", "end"});
}

// ---- Close -------------------------------------------------------------------------------------

TEST(MessageReceiverTest, CloseOfEveryShape) {
  const std::string longest(123, 'r');
  const struct {
    std::string payload;
    std::string told;
  } kCases[] = {
      {"", "closed 1005 "},
      {Bytes({0x03, 0xe8}), "closed 1000 "},
      {Bytes({0x03, 0xe8}) + "bye", "closed 1000 bye"},
      {Bytes({0x0f, 0xa0}) + longest, "closed 4000 " + longest},
      {Bytes({0x03, 0xf6}) + "\xe2\x82\xac", "closed 1014 \xe2\x82\xac"},
  };
  for (const auto& c : kCases) {
    for (Role role : {Role::kClient, Role::kServer}) {
      const std::string wire = WireBuilder(role == Role::kClient ? Role::kServer : Role::kClient)
                                   .CloseWithPayload(c.payload);
      ExpectEvents({.role = role}, wire, {c.told + absl::StrCat(" @", wire.size())});
    }
  }
}

// What follows the Close belongs to the lower stream, even if it looks like a frame.
TEST(MessageReceiverTest, NothingBehindACloseIsTouched) {
  const std::string close = WireBuilder(Role::kClient).Close(1000, "bye");
  for (const std::string& rest : {std::string("GET / HTTP/1.1\r\n"), std::string("\xff\xff\xff"),
                                  WireBuilder(Role::kClient).Text("x").str()}) {
    ExpectEvents({.role = Role::kServer}, close + rest,
                 {absl::StrCat("closed 1000 bye @", close.size())});
  }
}

TEST(MessageReceiverTest, CloseInsideAMessageEndsIt) {
  const std::string wire = WireBuilder(Role::kServer).Text("a", kMore).Close(1001);
  ExpectEvents({.role = Role::kClient}, wire, {absl::StrCat("closed 1001  @", wire.size())});
}

// Codes that exist only locally must not come from the wire.
// Fails if IsWireCloseCode() begins its second range at 1006 instead of 1007.
TEST(MessageReceiverTest, CloseCodesThatAreNotForTheWireAreRefused) {
  for (int code : {0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535}) {
    ExpectEventsForBothRoles(
        [&](WireBuilder& wire) { wire.Close(static_cast<uint16_t>(code), "x"); },
        {"fail 1002 close code that may not be sent"});
  }
}

TEST(MessageReceiverTest, MalformedClosesAreRefused) {
  ExpectEventsForBothRoles([](WireBuilder& wire) { wire.CloseWithPayload("\x03"); },
                           {"fail 1002 close frame with a payload of one byte"});
  ExpectEventsForBothRoles([](WireBuilder& wire) { wire.Close(1000, "\xc3\x28"); },
                           {"fail 1007 close reason is not UTF-8"});
}

TEST(MessageReceiverTest, PeerClosedLastsAndKeepsItsReason) {
  Driver driver({.role = Role::kClient}, WireBuilder(Role::kServer).Close(3001, "why"),
                Whole(false));
  driver.Run();
  for (int i = 0; i < 3; ++i) {
    const ReceiveEvent event = driver.receiver().Next();
    EXPECT_EQ(event.kind, Kind::kPeerClosed);
    EXPECT_EQ(event.close_code, 3001);
    EXPECT_EQ(event.reason(), "why");
  }
  EXPECT_TRUE(driver.receiver().peer_closed());
  EXPECT_FALSE(driver.receiver().failed());
}

// ---- What is not -------------------------------------------------------------------------------

// Fails if BeginDataFrame() drops its check of `continuation && !in_message_`.
TEST(MessageReceiverTest, AnOrphanContinuationIsRefused) {
  const Trace kFail = {"fail 1002 continuation without a message"};
  ExpectEventsForBothRoles([](WireBuilder& wire) { wire.Continuation("x"); }, kFail);
  ExpectEventsForBothRoles([](WireBuilder& wire) { wire.Continuation("", kMore); }, kFail);
  ExpectEventsForBothRoles([](WireBuilder& wire) { wire.Text("a").Continuation("x"); },
                           {"text a", kFail[0]});
  ExpectEventsForBothRoles(
      [](WireBuilder& wire) { wire.Text("a", kMore).Continuation("b").Continuation("c"); },
      {"text ab", kFail[0]});
  ExpectEventsForBothRoles([](WireBuilder& wire) { wire.Text("").Continuation(""); },
                           {"text ", kFail[0]});
}

TEST(MessageReceiverTest, ANewMessageInsideAFragmentedOneIsRefused) {
  const Trace kFail = {"fail 1002 new message inside a fragmented one"};
  ExpectEventsForBothRoles([](WireBuilder& wire) { wire.Text("a", kMore).Text("b"); }, kFail);
  ExpectEventsForBothRoles([](WireBuilder& wire) { wire.Binary("", kMore).Binary("b"); }, kFail);
  ExpectEventsForBothRoles([](WireBuilder& wire) { wire.Text("a", kMore).Ping().Text("b", kMore); },
                           {"ping ", kFail[0]});
}

TEST(MessageReceiverTest, BadHeadersAreRefused) {
  const struct {
    uint8_t first_byte;
    const char* told;
  } kCases[] = {
      {0xc1, "fail 1002 reserved bit set"},         {0xa2, "fail 1002 reserved bit set"},
      {0x99, "fail 1002 reserved bit set"},         {0x83, "fail 1002 reserved opcode"},
      {0x8b, "fail 1002 reserved opcode"},          {0x09, "fail 1002 fragmented control frame"},
      {0x08, "fail 1002 fragmented control frame"}, {0x0a, "fail 1002 fragmented control frame"},
  };
  for (const auto& c : kCases) {
    ExpectEventsForBothRoles(
        [&](WireBuilder& wire) {
          wire.Text("ok").Frame({.first_byte = c.first_byte, .payload = "x"});
        },
        {"text ok", c.told});
  }
  ExpectEventsForBothRoles(
      [](WireBuilder& wire) { wire.Frame({.first_byte = 0x89, .payload = std::string(126, 'x')}); },
      {"fail 1002 control frame over 125 bytes"});
  ExpectEvents({.role = Role::kServer}, WireBuilder(Role::kServer).Text("x"),
               {"fail 1002 frame from a client is not masked"});
  ExpectEvents({.role = Role::kClient}, WireBuilder(Role::kClient).Text("x"),
               {"fail 1002 frame from a server is masked"});
}

// Fails if IsCheckedText() returns false.
TEST(MessageReceiverTest, IllFormedTextIsRefused) {
  const std::string kBad[] = {Bytes({0xff}), Bytes({0xc0, 0xaf}), Bytes({0xed, 0xa0, 0x80}),
                              Bytes({0xf4, 0x90, 0x80, 0x80}), Bytes({0x80})};
  for (const std::string& bad : kBad) {
    ExpectEventsForBothRoles([&](WireBuilder& wire) { wire.Text("ok " + bad + " not"); },
                             {"fail 1007 text is not UTF-8"});
    ExpectEventsForBothRoles(
        [&](WireBuilder& wire) { wire.Text("ok", kMore).Ping().Continuation(bad, kMore); },
        {"ping ", "fail 1007 text is not UTF-8"});
  }
}

TEST(MessageReceiverTest, TextThatEndsInsideACharacterIsRefusedAtItsEnd) {
  const Trace kFail = {"fail 1007 text ends inside a UTF-8 sequence"};
  ExpectEventsForBothRoles([](WireBuilder& wire) { wire.Text("\xe2\x82"); }, kFail);
  ExpectEventsForBothRoles([](WireBuilder& wire) { wire.Text("\xe2", kMore).Continuation("\x82"); },
                           kFail);
  ExpectEventsForBothRoles([](WireBuilder& wire) { wire.Text("\xe2", kMore).Continuation(""); },
                           kFail);
}

// As early as possible: in the middle of a frame, at the byte that decides.
TEST(MessageReceiverTest, IllFormedTextIsRefusedBeforeItsFrameEnds) {
  MessageReceiver receiver({.role = Role::kClient});
  EXPECT_EQ(receiver.OnHeader(AsBytes(Bytes({0x81, 0x7d}))), 2u);
  std::string piece = "fine \xed";
  receiver.OnPayload(AsMutableBytes(piece));
  EXPECT_EQ(receiver.Next().kind, Kind::kNeedPayload);
  std::string surrogate = "\xa0";
  receiver.OnPayload(AsMutableBytes(surrogate));
  EXPECT_EQ(receiver.Next().kind, Kind::kFail);
  EXPECT_EQ(receiver.Next().error.close_code, 1007);
}

// One text's faults and halves are not carried over to the next.
TEST(MessageReceiverTest, TextStartsAnewWithEachMessage) {
  ExpectEventsForBothRoles(
      [](WireBuilder& wire) { wire.Binary("\xe2\x82").Text("\xc3\xa9").Text("plain"); },
      {"binary \xe2\x82", "text \xc3\xa9", "text plain", "end"});
}

TEST(MessageReceiverTest, AFailureLasts) {
  Driver driver({.role = Role::kClient}, WireBuilder(Role::kServer).Continuation("x"),
                Whole(false));
  driver.Run();
  for (int i = 0; i < 3; ++i) {
    const ReceiveEvent event = driver.receiver().Next();
    EXPECT_EQ(event.kind, Kind::kFail);
    EXPECT_EQ(event.error.close_code, 1002);
  }
  EXPECT_TRUE(driver.receiver().failed());
  EXPECT_FALSE(driver.receiver().peer_closed());
}

// ---- Limits ------------------------------------------------------------------------------------

TEST(MessageReceiverTest, MessageLimitAtMinusOneZeroPlusOne) {
  const Options options = {.role = Role::kClient, .message_bytes_max = 10};
  const Trace kFail = {"fail 1009 message exceeds message_bytes_max"};
  auto wire = [] { return WireBuilder(Role::kServer); };
  ExpectEvents(options, wire().Binary("123456789"), {"binary 123456789", "end"});
  ExpectEvents(options, wire().Binary("1234567890"), {"binary 1234567890", "end"});
  ExpectEvents(options, wire().Binary("12345678901"), kFail);
  ExpectEvents(options, wire().Text("12345", kMore).Continuation("6789"),
               {"text 123456789", "end"});
  ExpectEvents(options, wire().Text("12345", kMore).Continuation("67890"),
               {"text 1234567890", "end"});
  ExpectEvents(options, wire().Text("12345", kMore).Continuation("678901"), kFail);
  ExpectEvents(options, wire().Text("1234567890", kMore).Continuation(""),
               {"text 1234567890", "end"});
  // Each message counts anew, and control frames do not count.
  ExpectEvents(options, wire().Text("1234567890").Ping("12345678901").Text("1234567890"),
               {"text 1234567890", "ping 12345678901", "text 1234567890", "end"});
}

TEST(MessageReceiverTest, FrameLimitAtMinusOneZeroPlusOne) {
  const Options options = {.role = Role::kClient, .frame_bytes_max = 4};
  auto wire = [] { return WireBuilder(Role::kServer); };
  ExpectEvents(options, wire().Binary("123"), {"binary 123", "end"});
  ExpectEvents(options, wire().Binary("1234"), {"binary 1234", "end"});
  ExpectEvents(options, wire().Binary("12345"), {"fail 1009 frame exceeds frame_bytes_max"});
  ExpectEvents(options, wire().Text("1234", kMore).Continuation("5678"), {"text 12345678", "end"});
  ExpectEvents(options, wire().Text("1", kMore).Continuation("23456"),
               {"fail 1009 frame exceeds frame_bytes_max"});
}

TEST(MessageReceiverTest, FragmentLimitAtMinusOneZeroPlusOne) {
  for (const int count : {1, 2, 3, 4}) {
    MessageReceiver receiver({.role = Role::kServer, .fragments_max = 3});
    for (int i = 1; i <= count; ++i) {
      ASSERT_EQ(receiver.Next().kind, ReceiveEvent::Kind::kNeedHeader);
      WireBuilder wire(Role::kClient);
      const auto fin = i == count ? WireBuilder::kLast : WireBuilder::kMore;
      const std::string frame =
          i == 1 ? wire.Text("", fin).str() : wire.Continuation("", fin).str();
      receiver.OnHeader(AsBytes(frame));
    }
    const ReceiveEvent event = receiver.Next();
    if (count <= 3) {
      EXPECT_EQ(event.kind, ReceiveEvent::Kind::kMessageEnd);
    } else {
      EXPECT_EQ(event.kind, ReceiveEvent::Kind::kFail);
      EXPECT_EQ(event.error.close_code, 1008);
    }
  }
}

TEST(MessageReceiverTest, BoundsOfTheNextMessageMayBeChanged) {
  MessageReceiver receiver({.role = Role::kServer, .message_bytes_max = 10});
  for (const size_t max : {size_t{20}, size_t{5}}) {
    receiver.SetMessageBytesMax(max, kMaxFramePayload);
    std::string frame = WireBuilder(Role::kClient).Binary(std::string(max, 'x'));
    ASSERT_EQ(receiver.OnHeader(AsBytes(frame)), 6u);
    receiver.OnPayload(AsMutableBytes(frame).subspan(6));
    EXPECT_EQ(receiver.Next().kind, ReceiveEvent::Kind::kMessageEnd);
  }
  receiver.OnHeader(AsBytes(WireBuilder(Role::kClient).Binary("123456").str()));
  EXPECT_EQ(receiver.Next().error.close_code, 1009);
}

TEST(MessageReceiverTest, ALimitOfZeroLetsEmptyMessagesPass) {
  const Options options = {.role = Role::kClient, .message_bytes_max = 0};
  ExpectEvents(options, WireBuilder(Role::kServer).Text(""), {"text ", "end"});
  ExpectEvents(options, WireBuilder(Role::kServer).Text("x"),
               {"fail 1009 message exceeds message_bytes_max"});
}

// A header that announces too much is refused before a byte of its payload is asked for.
TEST(MessageReceiverTest, TooMuchIsRefusedAtTheHeader) {
  ExpectEvents({.role = Role::kServer, .message_bytes_max = 1 << 20},
               WireBuilder(Role::kClient).Header(0x82, (1 << 20) + 1),
               {"fail 1009 message exceeds message_bytes_max"});
}

// Lengths of 64 bits over several frames must not wrap: two fragments that announce 2^63-1 bytes
// between them 2^64-2.
// Fails if BeginDataFrame() compares taken + payload_size as int64_t with the limit.
TEST(MessageReceiverTest, SumsOfSixtyFourBitLengthsDoNotWrap) {
  ExpectEvents({.role = Role::kClient},
               WireBuilder(Role::kServer).Binary("x", kMore).Header(0x80, kMaxFramePayload),
               {"fail 1009 message exceeds message_bytes_max"});
  // Without a limit of one's own the largest message is 2^63-1 bytes, too.
  ExpectEvents({.role = Role::kClient},
               WireBuilder(Role::kServer).Binary("x", kMore).Header(0x80, kMaxFramePayload - 1),
               {"cut off"});
  ExpectEvents({.role = Role::kClient},
               WireBuilder(Role::kServer).Frame({.first_byte = 0x82, .announced_size = 1ull << 63}),
               {"fail 1002 frame length with its top bit set"});
}

// ---- Events ------------------------------------------------------------------------------------

TEST(MessageReceiverTest, AskingAgainChangesNothingUntilTheMachineIsFed) {
  const std::string wire = WireBuilder(Role::kServer).Text("abc");
  MessageReceiver receiver({.role = Role::kClient});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(receiver.Next().kind, Kind::kNeedHeader);
  EXPECT_EQ(receiver.OnHeader(AsBytes(wire)), 2u);
  for (int i = 0; i < 3; ++i) {
    const ReceiveEvent event = receiver.Next();
    EXPECT_EQ(event.kind, Kind::kNeedPayload);
    EXPECT_EQ(event.opcode, Opcode::kText);
    EXPECT_EQ(event.frame_bytes_left, 3u);
    EXPECT_EQ(event.message_bytes, 0u);
    EXPECT_TRUE(event.first_frame);
    EXPECT_TRUE(event.last_frame);
  }
  std::string payload = "abc";
  receiver.OnPayload(AsMutableBytes(payload));
  EXPECT_TRUE(receiver.in_message());
  EXPECT_EQ(receiver.Next().kind, Kind::kMessageEnd);
  EXPECT_FALSE(receiver.in_message());
  EXPECT_EQ(receiver.Next().kind, Kind::kNeedHeader);
}

TEST(MessageReceiverTest, PayloadEventsSayWhereTheyAre) {
  MessageReceiver receiver({.role = Role::kClient});
  receiver.OnHeader(AsBytes(Bytes({0x02, 0x04})));
  std::string piece = "abc";
  receiver.OnPayload(AsMutableBytes(piece));
  ReceiveEvent event = receiver.Next();
  EXPECT_EQ(event.frame_bytes_left, 1u);
  EXPECT_EQ(event.message_bytes, 3u);
  EXPECT_TRUE(event.first_frame);
  EXPECT_FALSE(event.last_frame);
  piece = "d";
  receiver.OnPayload(AsMutableBytes(piece));
  EXPECT_EQ(receiver.Next().kind, Kind::kNeedHeader);
  EXPECT_TRUE(receiver.in_message());
  EXPECT_EQ(receiver.message_offset(), 4u);
  receiver.OnHeader(AsBytes(Bytes({0x80, 0x02})));
  event = receiver.Next();
  EXPECT_EQ(event.opcode, Opcode::kBinary);
  EXPECT_EQ(event.message_bytes, 4u);
  EXPECT_FALSE(event.first_frame);
  EXPECT_TRUE(event.last_frame);
}

TEST(MessageReceiverTest, AHeaderThatIsNotThereYetAsksForAllOfIt) {
  MessageReceiver receiver({.role = Role::kServer});
  EXPECT_EQ(receiver.Next().min_bytes, 2u);
  EXPECT_EQ(receiver.OnHeader(AsBytes(Bytes({0x82, 0xff}))), 0u);
  EXPECT_EQ(receiver.Next().min_bytes, 14u);
  EXPECT_EQ(receiver.OnHeader(AsBytes(Bytes({0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 9, 9, 9, 9}))),
            14u);
  EXPECT_EQ(receiver.Next().frame_bytes_left, 65536u);
}

// The payload of a ping stays where it is while the next headers and messages are read.
TEST(MessageReceiverTest, APingsPayloadOutlivesTheNextMessage) {
  const std::string ping = WireBuilder(Role::kServer).Ping("keep");
  MessageReceiver receiver({.role = Role::kClient});
  const size_t header = receiver.OnHeader(AsBytes(ping));
  receiver.OnControl(AsBytes(ping).subspan(header));
  const ReceiveEvent event = receiver.Next();
  ASSERT_EQ(event.kind, Kind::kSendPong);
  receiver.OnHeader(AsBytes(Bytes({0x81, 0x01})));
  std::string payload = "x";
  receiver.OnPayload(AsMutableBytes(payload));
  EXPECT_EQ(receiver.Next().kind, Kind::kMessageEnd);
  EXPECT_EQ(AsChars(event.payload), "keep");
}

// A message that an extension encodes is not text yet.
// A message that is encoded has a bound of its own, over all its frames.
TEST(MessageReceiverTest, EncodedBytesMaxAtMinusOneZeroAndPlusOne) {
  const Options options = {
      .role = Role::kClient, .message_bytes_max = 3, .rsv_allowed = kRsv1, .encoded_bytes_max = 10};
  for (const size_t size : {0, 4, 5, 6}) {
    const std::string wire = WireBuilder(Role::kServer)
                                 .Frame({.first_byte = 0x42, .payload = "12345"})
                                 .Continuation(std::string(size, 'x'))
                                 .Frame({.first_byte = 0x82, .payload = "1234"});
    const Trace trace = Driver(options, wire, ByteByByte(false)).Run();
    const bool fits = size <= 5;
    ASSERT_EQ(trace.size(), fits ? 2u : 1u);
    if (fits) {
      EXPECT_EQ(trace[0], absl::StrCat("binary 12345", std::string(size, 'x')));
    }
    // The bound of the others holds as before.
    EXPECT_NE(trace.back().find("1009 message exceeds message_bytes_max"), std::string::npos)
        << trace.back();
  }
}

TEST(MessageReceiverTest, ReservedBitsOfAnAgreedExtension) {
  const Options options = {.role = Role::kClient, .rsv_allowed = kRsv1};
  MessageReceiver receiver(options);
  receiver.OnHeader(AsBytes(Bytes({0xc1, 0x01})));
  EXPECT_EQ(receiver.Next().rsv, kRsv1);
  std::string payload = "\xff";
  receiver.OnPayload(AsMutableBytes(payload));
  const ReceiveEvent end = receiver.Next();
  EXPECT_EQ(end.kind, Kind::kMessageEnd);
  EXPECT_EQ(end.rsv, kRsv1);

  auto wire = [] { return WireBuilder(Role::kServer); };
  ExpectEvents(options, wire().Text("\xff"), {"fail 1007 text is not UTF-8"});
  ExpectEvents(options, wire().Frame({.first_byte = 0xc9, .payload = ""}),
               {"fail 1002 reserved bit set in a control frame"});
  ExpectEvents(options, wire().Text("a", kMore).Frame({.first_byte = 0xc0, .payload = ""}),
               {"fail 1002 reserved bit set in a continuation"});
}

// It lives in storage of a fixed and public size.
TEST(MessageReceiverTest, IsSmall) { EXPECT_LE(sizeof(MessageReceiver), 320u); }

TEST(MessageReceiverDeathTest, MisuseEndsTheProcess) {
  MessageReceiver receiver({.role = Role::kClient});
  std::string bytes = "abcdef";
  EXPECT_DEATH(receiver.OnPayload(AsMutableBytes(bytes)), "");
  EXPECT_DEATH(receiver.OnControl(AsBytes(bytes)), "");
  receiver.OnHeader(AsBytes(Bytes({0x81, 0x05})));
  EXPECT_DEATH(receiver.OnPayload(AsMutableBytes(bytes)), "");
  EXPECT_DEATH(receiver.OnHeader(AsBytes(bytes)), "");
}

// ---- Random streams ----------------------------------------------------------------------------

// Frames of all kinds at random, most of them legal in their place: whatever the events are, they
// do not depend on the cuts.
TEST(MessageReceiverTest, RandomStreamsGiveTheSameEventsHoweverTheyAreCut) {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    WireBuilder wire(Role::kClient);
    bool inside = false;
    for (int frame = 0; frame < 20; ++frame) {
      const std::string payload(random() % 300, static_cast<char>('a' + random() % 26));
      const auto fin = static_cast<WireBuilder::Fin>(random() % 2);
      wire.Key({static_cast<uint8_t>(random()), static_cast<uint8_t>(random()), 3, 4});
      switch (random() % 6) {
        case 0:
          wire.Ping(payload.substr(0, 125));
          break;
        case 1:
          wire.Pong(payload.substr(0, 125));
          break;
        default:
          if (random() % 50 == 0) inside = !inside;
          inside ? wire.Continuation(payload, fin) : wire.Text(payload, fin);
          inside = !fin;
      }
    }
    const Options options = {.role = Role::kServer};
    const Trace expected = Driver(options, wire, Whole(false)).Run();
    EXPECT_EQ(Driver(options, wire, ByteByByte(true)).Run(), expected) << "seed " << seed;
    for (uint32_t cut = 0; cut < 10; ++cut) {
      ASSERT_EQ(Driver(options, wire, Random(seed * 100 + cut)).Run(), expected)
          << "seed " << seed << " cut " << cut;
    }
  }
}

}  // namespace
}  // namespace halfpipe::websocket
