#include "websocket/encoded_message.h"

#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "absl/types/span.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/testing/allocation_faults.h"
#include "gtest/gtest.h"
#include "websocket/core/frame_header.h"
#include "websocket/core/protocol_error.h"
#include "websocket/core/role.h"
#include "websocket/deflate/inflate_reference.h"
#include "websocket/options.h"
#include "websocket/stream.h"
#include "websocket/testing/wire_builder.h"

namespace halfpipe::websocket {
namespace {

std::string TextOf(absl::Span<const uint8_t> bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::string Payload(size_t size) {
  std::string text;
  for (size_t i = 0; text.size() < size; ++i) text += "tick " + std::to_string(i % 97) + ", ";
  text.resize(size);
  return text;
}

TEST(EncodedMessageTest, IsTheFrameOfAServer) {
  for (const size_t size : {0u, 1u, 125u, 126u, 65535u, 65536u}) {
    const std::string payload = Payload(size);
    const auto message = EncodedMessage::Make(MessageType::kText, payload);
    ASSERT_TRUE(message.ok());
    WireBuilder wire(Role::kServer);
    wire.Text(payload);
    EXPECT_EQ(TextOf((*message)->plain()), wire.str()) << size;
    EXPECT_EQ(TextOf((*message)->payload()), payload);
    EXPECT_EQ((*message)->compressions(), 0);
  }
}

TEST(EncodedMessageTest, IsMadeOfPieces) {
  const IoSlice slices[] = {IoSlice("ab"), IoSlice(""), IoSlice("c")};
  const auto message = EncodedMessage::Make(MessageType::kBinary, slices);
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(TextOf((*message)->plain()),
            "\x82\x03"
            "abc");
  EXPECT_EQ((*message)->type(), MessageType::kBinary);
}

TEST(EncodedMessageTest, RefusesWhatMayNotBeSent) {
  EXPECT_EQ(StatusErrno(EncodedMessage::Make(MessageType::kText, "\xff").status()), EINVAL);
  EXPECT_EQ(StatusErrno(EncodedMessage::Make(MessageType::kText, "\xe2\x82").status()), EINVAL);
  EXPECT_TRUE(EncodedMessage::Make(MessageType::kBinary, "\xff").ok());
}

TEST(EncodedMessageTest, IsNoLargerThanATail) {
  const std::string largest(EncodedMessage::kPayloadBytesMax, 'x');
  EXPECT_TRUE(EncodedMessage::Make(MessageType::kBinary, largest).ok());
  EXPECT_EQ(StatusErrno(EncodedMessage::Make(MessageType::kBinary, largest + "x").status()),
            EMSGSIZE);
}

TEST(EncodedMessageTest, EachWindowIsCompressedForOnce) {
  const std::string payload = Payload(100000);
  const auto message = EncodedMessage::Make(MessageType::kText, payload);
  ASSERT_TRUE(message.ok());
  for (int round = 0; round < 3; ++round) {
    for (uint8_t bits = 8; bits <= 15; ++bits) {
      const auto frame = (*message)->Compressed(bits);
      if (frame.empty()) continue;
      EXPECT_LT(frame.size(), payload.size());
      EXPECT_EQ(frame[0], 0xc1) << "FIN, RSV1, text";
    }
    EXPECT_EQ((*message)->compressions(), 8);
  }
  EXPECT_EQ((*message)->Compressed(15).data(), (*message)->Compressed(15).data());
  EXPECT_TRUE((*message)->Compressed(7).empty());
  EXPECT_TRUE((*message)->Compressed(16).empty());
}

TEST(EncodedMessageTest, CompressedIsTheSameMessage) {
  const std::string payload = Payload(100000);
  const auto message = EncodedMessage::Make(MessageType::kText, payload);
  ASSERT_TRUE(message.ok());
  const auto frame = (*message)->Compressed(12);
  FrameHeader header;
  ProtocolError error;
  size_t consumed = 0;
  size_t needed = 0;
  ASSERT_EQ(ParseFrameHeader(frame, FrameRules(Role::kClient, kRsv1), &header, &consumed, &needed,
                             &error),
            DecodeStatus::kDone);
  EXPECT_EQ(header.payload_size, frame.size() - consumed);
  EXPECT_EQ(header.rsv, kRsv1);
  EXPECT_TRUE(header.fin);
  InflateReference reference;
  const auto inflated = reference.Inflate(TextOf(frame.subspan(consumed)), payload.size() + 1);
  ASSERT_TRUE(inflated.has_value());
  EXPECT_EQ(*inflated, payload);
}

TEST(EncodedMessageTest, WhatDoesNotPayGoesAsItIs) {
  DeflateOptions deflate;
  const auto short_one = EncodedMessage::Make(MessageType::kText, "ha ha ha ha ha ha ha ha ha ha");
  ASSERT_TRUE(short_one.ok());
  EXPECT_TRUE((*short_one)->Compressed(15).empty());
  EXPECT_EQ((*short_one)->compressions(), 0);
  const auto never =
      EncodedMessage::Make(MessageType::kText, Payload(1000), Compress::kNever, deflate);
  ASSERT_TRUE(never.ok());
  EXPECT_TRUE((*never)->Compressed(15).empty());
  const auto always = EncodedMessage::Make(MessageType::kText, "ha ha ha ha ha ha ha ha ha ha",
                                           Compress::kAlways, deflate);
  ASSERT_TRUE(always.ok());
  EXPECT_FALSE((*always)->Compressed(15).empty());
  std::string noise;
  uint32_t state = 1;
  for (int i = 0; i < 1000; ++i) {
    state = state * 1664525 + 1013904223;
    noise += static_cast<char>(state >> 24);
  }
  const auto random = EncodedMessage::Make(MessageType::kBinary, noise);
  ASSERT_TRUE(random.ok());
  EXPECT_TRUE((*random)->Compressed(15).empty());
  EXPECT_EQ((*random)->compressions(), 1);
  EXPECT_TRUE((*random)->Compressed(15).empty());
  EXPECT_EQ((*random)->compressions(), 1);
}

TEST(EncodedMessageTest, ThreadsShareOneOfEach) {
  const auto message = EncodedMessage::Make(MessageType::kText, Payload(10000));
  ASSERT_TRUE(message.ok());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([mine = *message] {
      for (int round = 0; round < 100; ++round) {
        const EncodedMessageRef copy = mine;
        EXPECT_FALSE(copy->Compressed(15).empty());
        EXPECT_FALSE(copy->Compressed(10).empty());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ((*message)->compressions(), 2);
}

TEST(EncodedMessageTest, WithoutMemoryThereIsNoneOrItGoesAsItIs) {
  const std::string payload = Payload(1000);
  SweepAllocations([&](AllocationFault& fault) {
    const auto message = EncodedMessage::Make(MessageType::kText, payload);
    if (!message.ok()) {
      EXPECT_TRUE(fault.hit());
      EXPECT_EQ(StatusErrno(message.status()), ENOMEM);
      return;
    }
    if ((*message)->Compressed(15).empty()) {
      EXPECT_TRUE(fault.hit());
    }
    EXPECT_EQ(TextOf((*message)->payload()), payload);
  });
}

}  // namespace
}  // namespace halfpipe::websocket
