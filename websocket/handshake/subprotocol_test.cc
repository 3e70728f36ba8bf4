#include "websocket/handshake/subprotocol.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "http/core/header_list.h"

namespace halfpipe::websocket {
namespace {

http::HeaderList Fields(const std::string& section) { return http::HeaderList(section); }

std::string Offer(int count) {
  std::string value = "p0";
  for (int i = 1; i < count; ++i) absl::StrAppend(&value, ",p", i);
  return absl::StrCat("Sec-WebSocket-Protocol: ", value, "\r\n");
}

TEST(SubprotocolTest, OffersAreTokensNoneTwice) {
  EXPECT_TRUE(IsValidOffer({}));
  EXPECT_TRUE(IsValidOffer({"chat"}));
  EXPECT_TRUE(IsValidOffer({"chat", "v2.chat", "CHAT"}));
  EXPECT_FALSE(IsValidOffer({"chat", "chat"}));
  EXPECT_FALSE(IsValidOffer({""}));
  EXPECT_FALSE(IsValidOffer({"two words"}));
  EXPECT_FALSE(IsValidOffer({"a,b"}));
  EXPECT_FALSE(IsValidOffer({"a\r\nX: y"}));
}

TEST(SubprotocolTest, OffersInAHead) {
  const struct {
    const char* section;
    bool valid;
  } kCases[] = {
      {"", true},
      {"Host: x\r\n", true},
      {"Sec-WebSocket-Protocol: chat\r\n", true},
      {"sec-websocket-protocol: a, b ,c\r\n", true},
      {"Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n", true},
      {"Sec-WebSocket-Protocol: \r\n", false},
      {"Sec-WebSocket-Protocol: a, a\r\n", false},
      {"Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\n", false},
      {"Sec-WebSocket-Protocol: two words\r\n", false},
      {"Sec-WebSocket-Protocol: \"a\"\r\n", false},
  };
  for (const auto& c : kCases) EXPECT_EQ(HasValidOffer(Fields(c.section)), c.valid) << c.section;
}

TEST(SubprotocolTest, OffersAtTheirLimit) {
  EXPECT_TRUE(HasValidOffer(Fields(Offer(63))));
  EXPECT_TRUE(HasValidOffer(Fields(Offer(64))));
  EXPECT_FALSE(HasValidOffer(Fields(Offer(65))));
}

TEST(SubprotocolTest, TheClientsOrderDecides) {
  const std::string section = "Sec-WebSocket-Protocol: c, b\r\nSec-WebSocket-Protocol: a\r\n";
  EXPECT_EQ(ChooseSubprotocol(Fields(section), {"a", "b"}), "b");
  EXPECT_EQ(ChooseSubprotocol(Fields(section), {"a"}), "a");
  EXPECT_EQ(ChooseSubprotocol(Fields(section), {"A"}), "");
  EXPECT_EQ(ChooseSubprotocol(Fields(section), {}), "");
  EXPECT_EQ(ChooseSubprotocol(Fields(""), {"a"}), "");
}

TEST(SubprotocolTest, WhatIsOffered) {
  const std::string section = "Sec-WebSocket-Protocol: c, b\r\nSec-WebSocket-Protocol: a\r\n";
  for (const char* name : {"a", "b", "c"}) EXPECT_TRUE(IsOffered(Fields(section), name));
  EXPECT_FALSE(IsOffered(Fields(section), "A"));
  EXPECT_FALSE(IsOffered(Fields(""), ""));
}

// What is above 64 members is not looked at.
TEST(HasValidOfferTest, HundredThousandMembers) {
  std::string section = "Sec-WebSocket-Protocol: ";
  for (int i = 0; i < 100'000; ++i) section += "a" + std::to_string(i) + ",";
  section += "\r\n";
  EXPECT_FALSE(HasValidOffer(http::HeaderList(section)));
}

}  // namespace
}  // namespace halfpipe::websocket
