#include "websocket/send_queue.h"

#include <string>

#include "absl/strings/string_view.h"
#include "bytestream/testing/allocation_faults.h"
#include "gtest/gtest.h"
#include "websocket/encoded_message.h"
#include "websocket/stream.h"

namespace halfpipe::websocket {
namespace {

using Result = SendQueue::Result;

EncodedMessageRef Message(absl::string_view text) {
  auto message = EncodedMessage::Make(MessageType::kText, text);
  EXPECT_TRUE(message.ok());
  return *std::move(message);
}

std::string TakeText(SendQueue* queue) {
  const auto payload = queue->Front()->payload();
  std::string text(reinterpret_cast<const char*>(payload.data()), payload.size());
  queue->PopFront();
  return text;
}

TEST(SendQueueTest, FirstInFirstOutAcrossGrowth) {
  SendQueue queue;
  uint64_t skipped = 0;
  int next_in = 0;
  int next_out = 0;
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 7; ++i) {
      EXPECT_EQ(queue.Push(Message(std::to_string(next_in++)), {.messages_max = 1000},
                           SlowPolicy::kClose, &skipped),
                Result::kQueued);
    }
    for (int i = 0; i < 5; ++i) EXPECT_EQ(TakeText(&queue), std::to_string(next_out++));
  }
  while (!queue.empty()) EXPECT_EQ(TakeText(&queue), std::to_string(next_out++));
  EXPECT_EQ(next_out, next_in);
  EXPECT_EQ(queue.bytes(), 0u);
  EXPECT_EQ(skipped, 0u);
}

TEST(SendQueueTest, MessagesMaxByPolicy) {
  for (const size_t max : {1u, 2u, 5u}) {
    const SendQueueLimits limits = {.messages_max = max, .bytes_max = 1000};
    for (const SlowPolicy policy :
         {SlowPolicy::kClose, SlowPolicy::kSkipNewest, SlowPolicy::kSkipOldest}) {
      SendQueue queue;
      uint64_t skipped = 0;
      for (size_t i = 0; i < max; ++i) {
        EXPECT_EQ(queue.Push(Message(std::to_string(i)), limits, policy, &skipped),
                  Result::kQueued);
      }
      EXPECT_EQ(skipped, 0u);
      const Result result = queue.Push(Message("new"), limits, policy, &skipped);
      EXPECT_EQ(queue.messages(), max);
      switch (policy) {
        case SlowPolicy::kClose:
          EXPECT_EQ(result, Result::kOverflow);
          EXPECT_EQ(skipped, 0u);
          break;
        case SlowPolicy::kSkipNewest:
          EXPECT_EQ(result, Result::kSkipped);
          EXPECT_EQ(skipped, 1u);
          EXPECT_EQ(TakeText(&queue), "0");
          break;
        case SlowPolicy::kSkipOldest:
          EXPECT_EQ(result, Result::kQueued);
          EXPECT_EQ(skipped, 1u);
          EXPECT_EQ(TakeText(&queue), max == 1 ? "new" : "1");
          break;
      }
    }
  }
}

TEST(SendQueueTest, BytesMaxAtItsEdges) {
  const size_t size = Message("12345678")->plain().size();
  for (const int edge : {-1, 0, 1}) {
    SendQueue queue;
    uint64_t skipped = 0;
    const SendQueueLimits limits = {.messages_max = 10,
                                    .bytes_max = 2 * size + static_cast<size_t>(edge)};
    EXPECT_EQ(queue.Push(Message("12345678"), limits, SlowPolicy::kClose, &skipped),
              Result::kQueued);
    EXPECT_EQ(queue.Push(Message("12345678"), limits, SlowPolicy::kClose, &skipped),
              edge < 0 ? Result::kOverflow : Result::kQueued);
    EXPECT_EQ(queue.bytes(), edge < 0 ? size : 2 * size);
  }
}

TEST(SendQueueTest, AsManyOfTheOldestGoAsTheNewOneNeeds) {
  SendQueue queue;
  uint64_t skipped = 0;
  const size_t size = Message("1")->plain().size();
  const SendQueueLimits limits = {.messages_max = 10, .bytes_max = 4 * size};
  for (const char* text : {"1", "2", "3", "4"}) {
    queue.Push(Message(text), limits, SlowPolicy::kSkipOldest, &skipped);
  }
  EXPECT_EQ(queue.Push(Message(std::string(2 * size - 2, 'x')), limits, SlowPolicy::kSkipOldest,
                       &skipped),
            Result::kQueued);
  EXPECT_EQ(skipped, 2u);
  EXPECT_EQ(TakeText(&queue), "3");
  EXPECT_EQ(TakeText(&queue), "4");
  EXPECT_EQ(queue.messages(), 1u);
}

TEST(SendQueueTest, WhatIsLargerThanAllRoomDrivesNobodyOut) {
  SendQueue queue;
  uint64_t skipped = 0;
  const SendQueueLimits limits = {.messages_max = 10, .bytes_max = 10};
  queue.Push(Message("1"), limits, SlowPolicy::kSkipOldest, &skipped);
  EXPECT_EQ(queue.Push(Message("123456789"), limits, SlowPolicy::kSkipOldest, &skipped),
            Result::kSkipped);
  EXPECT_EQ(skipped, 1u);
  EXPECT_EQ(TakeText(&queue), "1");
  EXPECT_EQ(queue.Push(Message("1"), {.messages_max = 0}, SlowPolicy::kSkipOldest, nullptr),
            Result::kSkipped);
}

TEST(SendQueueTest, WithoutMemoryThereIsNoRoom) {
  const EncodedMessageRef message = Message("1");
  for (const SlowPolicy policy : {SlowPolicy::kClose, SlowPolicy::kSkipNewest}) {
    SweepAllocations([&](AllocationFault& fault) {
      SendQueue queue;
      size_t queued = 0;
      for (int i = 0; i < 9; ++i) {
        if (queue.Push(message, SendQueueLimits(), policy, nullptr) == Result::kQueued) ++queued;
      }
      EXPECT_EQ(queue.messages(), queued);
      EXPECT_EQ(queued, fault.hit() ? 8u : 9u);
    });
  }
}

}  // namespace
}  // namespace halfpipe::websocket
