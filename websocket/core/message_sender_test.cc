#include "websocket/core/message_sender.h"

#include <cstddef>
#include <cstring>
#include <string>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "websocket/core/frame_header.h"
#include "websocket/core/mask_key.h"
#include "websocket/core/masking.h"
#include "websocket/core/opcode.h"
#include "websocket/core/role.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/wire_builder.h"

namespace halfpipe::websocket {
namespace {

constexpr MaskKey kKey = {0x37, 0xfa, 0x21, 0x3d};
constexpr Role kRoles[] = {Role::kClient, Role::kServer};

// A frame as a driver would put it together.
std::string Frame(MessageSender& sender, std::string payload, bool fin) {
  uint8_t header[kMaxFrameHeaderSize];
  const size_t size = sender.NextFrame(payload.size(), fin, kKey, absl::MakeSpan(header));
  if (sender.masks()) Mask(AsMutableBytes(payload), kKey, 0);
  return std::string(AsChars(absl::MakeConstSpan(header, size))) + payload;
}

TEST(MessageSenderTest, WholeMessagesOfEverySizeAreAsTheRfcHasThem) {
  for (Role role : kRoles) {
    for (size_t size : {0, 1, 124, 125, 126, 127, 65534, 65535, 65536, 65537}) {
      const std::string payload(size, 'x');
      MessageSender sender(role);
      sender.Begin(Opcode::kText);
      EXPECT_EQ(Frame(sender, payload, true), WireBuilder(role).Text(payload).str()) << size;
      EXPECT_FALSE(sender.in_message());
      sender.Begin(Opcode::kBinary);
      EXPECT_EQ(Frame(sender, payload, true), WireBuilder(role).Binary(payload).str()) << size;
    }
  }
}

// RFC 7692 section 6: the first frame alone carries the bit.
TEST(MessageSenderTest, ReservedBitsStandOnTheFirstFrame) {
  for (Role role : kRoles) {
    MessageSender sender(role);
    sender.Begin(Opcode::kText, kRsv1);
    std::string wire = Frame(sender, "Hel", false);
    wire += Frame(sender, "lo", true);
    sender.Begin(Opcode::kBinary);
    wire += Frame(sender, "z", true);
    EXPECT_EQ(wire, WireBuilder(role)
                        .Frame({.first_byte = 0x41, .payload = "Hel"})
                        .Continuation("lo")
                        .Binary("z")
                        .str());
  }
}

TEST(MessageSenderTest, FragmentsAreContinuations) {
  for (Role role : kRoles) {
    MessageSender sender(role);
    sender.Begin(Opcode::kText);
    std::string wire = Frame(sender, "Hel", false);
    EXPECT_TRUE(sender.in_message());
    wire += Frame(sender, "", false);
    wire += Frame(sender, "lo", true);
    EXPECT_EQ(wire, WireBuilder(role)
                        .Text("Hel", WireBuilder::kMore)
                        .Continuation("", WireBuilder::kMore)
                        .Continuation("lo")
                        .str());
    EXPECT_FALSE(sender.in_message());
    sender.Begin(Opcode::kBinary);
    EXPECT_EQ(Frame(sender, "z", true), WireBuilder(role).Binary("z").str());
  }
}

// The header of a client's message over 65535 bytes has 14 bytes; it fits the buffer that the
// contract names, and nothing behind it is touched.
// Fails if SerializeFrameHeader() writes the masking key at out.data() + 4 + extended.
TEST(MessageSenderTest, HeaderOfALongClientMessageStaysInItsBuffer) {
  for (uint64_t size : {uint64_t{65535}, uint64_t{65536}, uint64_t{65537}, kMaxFramePayload}) {
    uint8_t memory[kMaxFrameHeaderSize + 16];
    std::memset(memory, 0xEE, sizeof memory);
    MessageSender sender(Role::kClient);
    sender.Begin(Opcode::kBinary);
    const size_t written =
        sender.NextFrame(size, true, kKey, absl::MakeSpan(memory, kMaxFrameHeaderSize));
    EXPECT_EQ(std::string(AsChars(absl::MakeConstSpan(memory, written))),
              WireBuilder(Role::kClient).Header(0x82, size).str());
    for (size_t i = written; i < sizeof memory; ++i) ASSERT_EQ(memory[i], 0xEE) << size << " " << i;
  }
}

TEST(MessageSenderTest, AServersKeyIsNotLookedAt) {
  MessageSender sender(Role::kServer);
  uint8_t out[kMaxControlFrameSize];
  const size_t size = sender.ControlFrame(Opcode::kPing, AsBytes("hi"), kKey, absl::MakeSpan(out));
  EXPECT_EQ(AsChars(absl::MakeConstSpan(out, size)), WireBuilder(Role::kServer).Ping("hi").str());
}

TEST(MessageSenderTest, ControlFramesOfEverySizeEvenInsideAMessage) {
  for (Role role : kRoles) {
    MessageSender sender(role);
    sender.Begin(Opcode::kText);
    EXPECT_EQ(Frame(sender, "a", false), WireBuilder(role).Text("a", WireBuilder::kMore).str());
    for (size_t size : {0, 1, 124, 125}) {
      const std::string payload(size, 'p');
      uint8_t out[kMaxControlFrameSize];
      size_t written =
          sender.ControlFrame(Opcode::kPong, AsBytes(payload), kKey, absl::MakeSpan(out));
      EXPECT_EQ(AsChars(absl::MakeConstSpan(out, written)), WireBuilder(role).Pong(payload).str());
      written = sender.ControlFrame(Opcode::kClose, AsBytes(payload), kKey, absl::MakeSpan(out));
      EXPECT_EQ(AsChars(absl::MakeConstSpan(out, written)),
                WireBuilder(role).CloseWithPayload(payload).str());
    }
    EXPECT_EQ(Frame(sender, "b", true), WireBuilder(role).Continuation("b").str());
  }
}

TEST(MessageSenderTest, FragmentSizeAtItsLimit) {
  EXPECT_EQ(FragmentSize(0, 10), 0u);
  EXPECT_EQ(FragmentSize(9, 10), 9u);
  EXPECT_EQ(FragmentSize(10, 10), 10u);
  EXPECT_EQ(FragmentSize(11, 10), 10u);
  EXPECT_EQ(FragmentSize(UINT64_MAX, 1), 1u);
}

TEST(MessageSenderDeathTest, MisuseEndsTheProcess) {
  MessageSender sender(Role::kServer);
  uint8_t out[kMaxFrameHeaderSize];
  EXPECT_DEATH(sender.NextFrame(1, true, kKey, absl::MakeSpan(out)), "");
  EXPECT_DEATH(sender.Begin(Opcode::kPing), "");
  sender.Begin(Opcode::kText);
  EXPECT_DEATH(sender.Begin(Opcode::kText), "");
  EXPECT_DEATH(sender.NextFrame(200, true, kKey, absl::MakeSpan(out, 3)), "");
}

}  // namespace
}  // namespace halfpipe::websocket
