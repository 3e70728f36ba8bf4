#include "websocket/core/close_code.h"

#include <string>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "websocket/core/protocol_error.h"
#include "websocket/testing/bytes.h"

namespace halfpipe::websocket {
namespace {

std::string Payload(unsigned code, const std::string& reason = "") {
  return Bytes({static_cast<int>(code >> 8), static_cast<int>(code & 255)}) + reason;
}

struct Parsed {
  bool ok;
  ClosePayload close;
  ProtocolError error;
};

Parsed Parse(const std::string& payload) {
  Parsed parsed;
  parsed.ok = ParseClosePayload(AsBytes(payload), &parsed.close, &parsed.error);
  return parsed;
}

// RFC 6455 section 7.4.2 and the registry of section 11.7: written as a list of ranges here, so
// that each edge is seen from both sides.
TEST(CloseCodeTest, EveryCodeIsJudgedAsTheRfcHasIt) {
  const struct {
    unsigned first, last;
    bool on_wire;
  } kRanges[] = {{0, 999, false},     {1000, 1003, true}, {1004, 1006, false}, {1007, 1014, true},
                 {1015, 2999, false}, {3000, 4999, true}, {5000, 65535, false}};
  unsigned judged = 0;
  for (const auto& range : kRanges) {
    for (unsigned code = range.first; code <= range.last; ++code, ++judged) {
      ASSERT_EQ(IsWireCloseCode(code), range.on_wire) << code;
      const std::string payload = Payload(code);
      const Parsed parsed = Parse(payload);
      ASSERT_EQ(parsed.ok, range.on_wire) << code;
      ASSERT_EQ(range.on_wire ? parsed.close.code : parsed.error.close_code,
                range.on_wire ? code : 1002u);
      if (code != 0) {
        ASSERT_EQ(CheckCloseArguments(static_cast<int>(code), ""),
                  range.on_wire ? CloseArgument::kOk : CloseArgument::kBadCode);
      }
    }
  }
  EXPECT_EQ(judged, 65536u);
}

// 1006 and its kin are made up locally; a peer that sends one breaks the protocol.
// Fails if IsWireCloseCode() begins its second range at 1006 instead of 1007.
TEST(CloseCodeTest, ReservedCodesFromTheWireAreRefused) {
  for (unsigned code : {1004, 1005, 1006, 1015}) {
    const std::string payload = Payload(code, "gone");
    const Parsed parsed = Parse(payload);
    EXPECT_FALSE(parsed.ok) << code;
    EXPECT_EQ(parsed.error.close_code, 1002) << code;
  }
}

TEST(CloseCodeTest, EmptyPayloadMeansNoStatus) {
  const Parsed parsed = Parse("");
  ASSERT_TRUE(parsed.ok);
  EXPECT_EQ(parsed.close.code, 1005);
  EXPECT_TRUE(parsed.close.reason.empty());
}

TEST(CloseCodeTest, OneByteIsRefused) {
  const Parsed parsed = Parse("\x03");
  EXPECT_FALSE(parsed.ok);
  EXPECT_EQ(parsed.error.close_code, 1002);
}

TEST(CloseCodeTest, ReasonIsAViewOfThePayload) {
  const std::string payload = Payload(1000, "bye");
  const Parsed parsed = Parse(payload);
  ASSERT_TRUE(parsed.ok);
  EXPECT_EQ(parsed.close.reason, "bye");
  EXPECT_EQ(parsed.close.reason.data(), payload.data() + 2);
}

TEST(CloseCodeTest, IllFormedReasonIs1007) {
  for (const std::string& reason : {std::string("\xff"), std::string("ok\xc3"),
                                    std::string("\xed\xa0\x80"), std::string("\xc0\x80")}) {
    const Parsed parsed = Parse(Payload(1000, reason));
    EXPECT_FALSE(parsed.ok);
    EXPECT_EQ(parsed.error.close_code, 1007);
  }
}

TEST(CloseCodeTest, ABadCodeIsToldBeforeABadReason) {
  const Parsed parsed = Parse(Payload(1006, "\xff"));
  EXPECT_EQ(parsed.error.close_code, 1002);
}

TEST(CloseCodeTest, ArgumentsOfACallerAreJudged) {
  EXPECT_EQ(CheckCloseArguments(0, ""), CloseArgument::kOk);
  EXPECT_EQ(CheckCloseArguments(0, "x"), CloseArgument::kReasonWithoutCode);
  EXPECT_EQ(CheckCloseArguments(-1, ""), CloseArgument::kBadCode);
  EXPECT_EQ(CheckCloseArguments(65536 + 1000, ""), CloseArgument::kBadCode);
  EXPECT_EQ(CheckCloseArguments(1006, std::string(200, 'x')), CloseArgument::kBadCode);
  EXPECT_EQ(CheckCloseArguments(1000, std::string(122, 'x')), CloseArgument::kOk);
  EXPECT_EQ(CheckCloseArguments(1000, std::string(123, 'x')), CloseArgument::kOk);
  EXPECT_EQ(CheckCloseArguments(1000, std::string(124, 'x')), CloseArgument::kReasonTooLong);
  EXPECT_EQ(CheckCloseArguments(1000, std::string(124, '\xff')), CloseArgument::kReasonTooLong);
  EXPECT_EQ(CheckCloseArguments(1000, "\xe2\x82\xac"), CloseArgument::kOk);
  EXPECT_EQ(CheckCloseArguments(1000, "\xe2\x82"), CloseArgument::kReasonNotUtf8);
}

TEST(CloseCodeTest, WhatIsSerializedIsParsedAgain) {
  for (const std::string& reason : {std::string(), std::string("bye"), std::string(123, 'r')}) {
    uint8_t payload[kMaxControlPayload];
    const size_t size = SerializeClosePayload(4001, reason, absl::MakeSpan(payload));
    ASSERT_EQ(size, 2 + reason.size());
    ClosePayload close;
    ProtocolError error;
    ASSERT_TRUE(ParseClosePayload(absl::MakeConstSpan(payload, size), &close, &error));
    EXPECT_EQ(close.code, 4001);
    EXPECT_EQ(close.reason, reason);
  }
  EXPECT_EQ(SerializeClosePayload(0, "", {}), 0u);
}

}  // namespace
}  // namespace halfpipe::websocket
