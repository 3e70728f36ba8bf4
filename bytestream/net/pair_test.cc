#include "bytestream/net/pair.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/bytestream.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/transport_suite.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

template <size_t kCapacity>
struct PairTransport {
  using RuntimeType = SimRuntime;
  static constexpr bool kHasReset = true;
  static constexpr size_t kLongBytes = std::min<size_t>(kCapacity * 300, size_t{1} << 20);

  static std::pair<BytestreamPtr, BytestreamPtr> Connect(Runtime* runtime,
                                                         size_t send_tail_bytes_max) {
    PairOptions options;
    options.capacity_bytes = kCapacity;
    options.send_tail_bytes_max = send_tail_bytes_max;
    return MakePair(runtime, options);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(DefaultCapacity, TransportSuite, PairTransport<64 * 1024>);
INSTANTIATE_TYPED_TEST_SUITE_P(SmallCapacity, TransportSuite, PairTransport<7>);

using transport_suite::Peek;
using transport_suite::Read;
using transport_suite::Write;
using transport_suite::WriteTail;

TEST(PairTest, CapacityIsAtLeastOne) {
  SimRuntime runtime;
  PairOptions options;
  options.capacity_bytes = 0;
  auto [a, b] = MakePair(&runtime, options);
  EXPECT_THAT(Write(*a, "x", Deadline::Immediately()), IsOk());
  EXPECT_EQ(a->tail_size(), 0u);
  EXPECT_THAT(Write(*a, "y", Deadline::Immediately()), IsErrno(ETIMEDOUT));
  EXPECT_THAT(Read(*b, 1), IsOkAndHolds(std::string("x")));
}

TEST(PairTest, CapacityIsExact) {
  SimRuntime runtime;
  PairOptions options;
  options.capacity_bytes = 10;
  auto [a, b] = MakePair(&runtime, options);
  EXPECT_THAT(Write(*a, "0123456789", Deadline::Immediately()), IsOk());
  EXPECT_EQ(a->tail_size(), 0u);
  EXPECT_THAT(Read(*b, 1), IsOk());  // Receives all ten.
  EXPECT_THAT(Write(*a, "0123456789a", Deadline::Immediately()), IsOk());
  EXPECT_EQ(a->tail_size(), 1u);
}

// Around the capacity, also where it is not a whole number of the pipe's blocks: what fits is taken
// at once, the byte beyond it is the tail, and there is room for it when one has been read.
TEST(PairTest, CapacityAtItsLimits) {
  for (const size_t capacity : {size_t{1}, size_t{2}, Bytestream::kPeekMax - 1,
                                Bytestream::kPeekMax, Bytestream::kPeekMax + 1, size_t{100'000}}) {
    for (const int above : {-1, 0, 1}) {
      SCOPED_TRACE(testing::Message() << capacity << " and " << above);
      SimRuntime runtime;
      PairOptions options;
      options.capacity_bytes = capacity;
      auto [a, b] = MakePair(&runtime, options);
      const size_t size = capacity + 1 - static_cast<size_t>(1 - above);
      if (size == 0) continue;
      const std::string text(size, 'x');
      EXPECT_THAT(Write(*a, text, Deadline::Immediately()), IsOk());
      EXPECT_EQ(a->tail_size(), above > 0 ? 1u : 0u);
      // One more byte fits where one is missing to the capacity, and nowhere else.
      EXPECT_THAT(Write(*a, "y", Deadline::Immediately()), IsErrno(above < 0 ? 0 : ETIMEDOUT));
      EXPECT_THAT(Read(*b, size), IsOkAndHolds(text));
      EXPECT_EQ(a->tail_size(), 0u);
    }
  }
}

TEST(PairTest, WriterWaitsUntilItsDeadline) {
  SimRuntime runtime;
  PairOptions options;
  options.capacity_bytes = 1;
  auto [a, b] = MakePair(&runtime, options);
  EXPECT_THAT(Write(*a, "x"), IsOk());
  const int64_t start = runtime.clock().NowNanos();
  EXPECT_THAT(Write(*a, "y", Deadline::In(absl::Minutes(10))), IsErrno(ETIMEDOUT));
  EXPECT_EQ(runtime.clock().NowNanos() - start, absl::ToInt64Nanoseconds(absl::Minutes(10)));
}

TEST(PairTest, IdlePairHoldsNoBlock) {
  SimRuntime runtime;
  auto [a, b] = MakePair(&runtime);
  EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 0u);
  EXPECT_THAT(Write(*a, "x"), IsOk());
  EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 1u);
  EXPECT_THAT(Read(*b, 1), IsOk());
  EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 0u);
}

TEST(PairTest, LivesInStorageUntilTheLastEndIsGone) {
  SimRuntime runtime;
  PairStorage storage;
  for (const bool first_goes_first : {true, false}) {
    auto [a, b] = MakePair(&runtime, &storage);
    const unsigned char* const place = reinterpret_cast<const unsigned char*>(a.get());
    EXPECT_TRUE(place >= storage.bytes && place < storage.bytes + PairStorage::kSize);
    EXPECT_THAT(Write(*a, "x"), IsOk());
    EXPECT_THAT(Write(*b, "y"), IsOk());
    BytestreamPtr& gone = first_goes_first ? a : b;
    BytestreamPtr& left = first_goes_first ? b : a;
    gone.reset();
    EXPECT_THAT(Read(*left, 1), IsOk());
    EXPECT_THAT(Read(*left, 1), IsErrno(ECONNRESET));  // There were unread bytes.
    EXPECT_THAT(WriteTail(*left, "z"), IsErrno(ECONNRESET));
  }
}

// What the layer below has taken arrives, the tail is lost, and that does not look like an end.
TEST(PairTest, AbortWithATailIsAReset) {
  SimRuntime runtime;
  PairOptions options;
  options.capacity_bytes = 4;
  auto [a, b] = MakePair(&runtime, options);
  EXPECT_THAT(Write(*a, "taken and left", Deadline::Immediately()), IsOk());
  EXPECT_EQ(a->tail_size(), 10u);
  a->Abort();
  EXPECT_EQ(a->tail_size(), 0u);
  EXPECT_THAT(Read(*b, 4), IsOkAndHolds(std::string("take")));
  EXPECT_THAT(Peek(*b, 1), IsErrno(ECONNRESET));
}

TEST(PairTest, ABrokenPairGivesItsBlocksBack) {
  SimRuntime runtime;
  PairOptions options;
  options.capacity_bytes = 100'000;
  auto [a, b] = MakePair(&runtime, options);
  EXPECT_THAT(Write(*a, std::string(300'000, 'x'), Deadline::Immediately()), IsOk());
  EXPECT_EQ(a->tail_size(), 200'000u);
  EXPECT_GE(runtime.buffer_pool().blocks_in_use(), 18u);
  a.reset();
  EXPECT_LE(runtime.buffer_pool().blocks_in_use(), 7u);
  EXPECT_THAT(Read(*b, 100'000), IsOk());
  EXPECT_THAT(Read(*b, 1), IsErrno(ECONNRESET));
  EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 0u);
}

}  // namespace
}  // namespace halfpipe
