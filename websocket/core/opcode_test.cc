#include "websocket/core/opcode.h"

#include "gtest/gtest.h"

namespace halfpipe::websocket {
namespace {

TEST(OpcodeTest, KnowsTheSixOfTheRfc) {
  int known = 0;
  for (int value = 0; value < 16; ++value) {
    if (IsKnownOpcode(static_cast<uint8_t>(value))) ++known;
  }
  EXPECT_EQ(known, 6);
  for (Opcode opcode : {Opcode::kContinuation, Opcode::kText, Opcode::kBinary, Opcode::kClose,
                        Opcode::kPing, Opcode::kPong}) {
    EXPECT_TRUE(IsKnownOpcode(static_cast<uint8_t>(opcode))) << OpcodeName(opcode);
  }
}

TEST(OpcodeTest, TellsControlFromData) {
  EXPECT_TRUE(IsControl(Opcode::kClose));
  EXPECT_TRUE(IsControl(Opcode::kPing));
  EXPECT_TRUE(IsControl(Opcode::kPong));
  EXPECT_FALSE(IsControl(Opcode::kContinuation));
  EXPECT_FALSE(IsControl(Opcode::kText));
  EXPECT_FALSE(IsControl(Opcode::kBinary));
}

TEST(OpcodeTest, OnlyTextAndBinaryStartAMessage) {
  for (Opcode opcode : {Opcode::kContinuation, Opcode::kClose, Opcode::kPing, Opcode::kPong}) {
    EXPECT_FALSE(StartsMessage(opcode)) << OpcodeName(opcode);
  }
  EXPECT_TRUE(StartsMessage(Opcode::kText));
  EXPECT_TRUE(StartsMessage(Opcode::kBinary));
}

TEST(OpcodeTest, HasANameForEverything) {
  EXPECT_STREQ(OpcodeName(Opcode::kContinuation), "continuation");
  EXPECT_STREQ(OpcodeName(Opcode::kPong), "pong");
  EXPECT_STREQ(OpcodeName(static_cast<Opcode>(0x3)), "reserved");
}

}  // namespace
}  // namespace halfpipe::websocket
