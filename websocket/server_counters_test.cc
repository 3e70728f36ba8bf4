#include "websocket/server_counters.h"

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace halfpipe::websocket {
namespace {

TEST(CounterTest, UpAndDown) {
  Counter counter;
  EXPECT_EQ(counter.value(), 0u);
  counter.Add();
  counter.Add(41);
  EXPECT_EQ(counter.value(), 42u);
  counter.Subtract();
  counter.Subtract(40);
  EXPECT_EQ(counter.value(), 1u);
  counter.Subtract();
  EXPECT_EQ(counter.value(), 0u);
  counter.Add(UINT64_MAX);
  EXPECT_EQ(counter.value(), UINT64_MAX);
  counter.Subtract(UINT64_MAX);
  EXPECT_EQ(counter.value(), 0u);
}

// Others see each value that was there, and none but those.
TEST(CounterTest, OneThreadChangesItAndOthersRead) {
  constexpr uint64_t kAdded = 100'000;
  Counter counter;
  std::atomic<bool> over = false;
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      uint64_t last = 0;
      while (!over) {
        const uint64_t value = counter.value();
        EXPECT_GE(value, last);
        EXPECT_EQ(value % 3, 0u);
        last = value;
      }
    });
  }
  for (uint64_t i = 0; i < kAdded; ++i) counter.Add(3);
  over = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(counter.value(), 3 * kAdded);
}

struct Pair {
  const char* name;
  Counter ServerCounters::*counter;
  uint64_t ServerCounts::*count;
};
constexpr Pair kPairs[] = {
    {"connections", &ServerCounters::connections, &ServerCounts::connections},
    {"open", &ServerCounters::open, &ServerCounts::open},
    {"parked", &ServerCounters::parked, &ServerCounts::parked},
    {"kept_alive", &ServerCounters::kept_alive, &ServerCounts::kept_alive},
    {"waiting", &ServerCounters::waiting, &ServerCounts::waiting},
    {"at_work", &ServerCounters::at_work, &ServerCounts::at_work},
    {"message_bytes", &ServerCounters::message_bytes, &ServerCounts::message_bytes},
    {"accepted", &ServerCounters::accepted, &ServerCounts::accepted},
    {"upgraded", &ServerCounters::upgraded, &ServerCounts::upgraded},
    {"plain_requests", &ServerCounters::plain_requests, &ServerCounts::plain_requests},
    {"messages_received", &ServerCounters::messages_received, &ServerCounts::messages_received},
    {"bytes_received", &ServerCounters::bytes_received, &ServerCounts::bytes_received},
    {"messages_sent", &ServerCounters::messages_sent, &ServerCounts::messages_sent},
    {"bytes_sent", &ServerCounters::bytes_sent, &ServerCounts::bytes_sent},
    {"messages_skipped", &ServerCounters::messages_skipped, &ServerCounts::messages_skipped},
    {"slow_closed", &ServerCounters::slow_closed, &ServerCounts::slow_closed},
    {"drained", &ServerCounters::drained, &ServerCounts::drained},
    {"aborted", &ServerCounters::aborted, &ServerCounts::aborted},
    {"timed_out", &ServerCounters::timed_out, &ServerCounts::timed_out},
    {"accept_failures", &ServerCounters::accept_failures, &ServerCounts::accept_failures},
};
// One that is added to the counts belongs into the table above.
static_assert(sizeof(ServerCounts) == sizeof(kPairs) / sizeof(kPairs[0]) * sizeof(uint64_t) +
                                          sizeof(std::map<int, uint64_t>));

// Each one goes to the count of its name, and is added to what is there of other threads.
TEST(ServerCountersTest, EachHasItsPlace) {
  for (const Pair& pair : kPairs) {
    SCOPED_TRACE(pair.name);
    ServerCounters counters;
    (counters.*pair.counter).Add(7);
    ServerCounts counts;
    counts.*pair.count = 5;
    counters.AddTo(&counts);
    for (const Pair& other : kPairs) {
      EXPECT_EQ(counts.*other.count, other.count == pair.count ? 12u : 0u) << other.name;
    }
    EXPECT_TRUE(counts.refused.empty());
  }
}

TEST(ServerCountersTest, RefusalsByStatus) {
  ServerCounters first;
  ServerCounters second;
  for (const int status : {0, 403, 403, 599}) first.CountRefusal(status);
  for (const int status : {403, 404}) second.CountRefusal(status);
  ServerCounts counts;
  first.AddTo(&counts);
  second.AddTo(&counts);
  EXPECT_EQ(counts.refused, (std::map<int, uint64_t>{{0, 1}, {403, 3}, {404, 1}, {599, 1}}));
}

// A status that is none counts as none.
TEST(ServerCountersTest, StatusesOutOfRange) {
  for (const auto& [status, counted] : std::vector<std::pair<int, int>>{{-1, 0},
                                                                        {0, 0},
                                                                        {1, 1},
                                                                        {598, 598},
                                                                        {599, 599},
                                                                        {600, 0},
                                                                        {INT32_MAX, 0},
                                                                        {INT32_MIN, 0}}) {
    ServerCounters counters;
    counters.CountRefusal(status);
    ServerCounts counts;
    counters.AddTo(&counts);
    EXPECT_EQ(counts.refused, (std::map<int, uint64_t>{{counted, 1}})) << status;
  }
}

}  // namespace
}  // namespace halfpipe::websocket
