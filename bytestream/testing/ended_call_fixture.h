#ifndef HALFPIPE_BYTESTREAM_TESTING_ENDED_CALL_FIXTURE_H_
#define HALFPIPE_BYTESTREAM_TESTING_ENDED_CALL_FIXTURE_H_

#include <array>
#include <cstddef>
#include <functional>
#include <string>
#include <tuple>

#include "bytestream/testing/ended_call.h"
#include "gtest/gtest.h"

namespace halfpipe {

// What the calls are made on: something in memory, or sockets.
enum class Medium { kMemory, kUnix, kTcp };

// For tests that end a C call at each of its waits, in each way, over each of these.
//
// Example:
//   class FooTest : public EndedCallTest {};
//   INSTANTIATE_TEST_SUITE_P(All, FooTest, testing::Combine(testing::ValuesIn(kEveryMedium),
//                                                           testing::ValuesIn(kEveryEnd)),
//                            FooTest::Name);
//   TEST_P(FooTest, Receive) {
//     EXPECT_GE(Sweep("receive", [&](EndedCall* run) { ... Connected(4'096) ... }), 1);
//   }
class EndedCallTest : public testing::TestWithParam<std::tuple<Medium, End>> {
 public:
  // For INSTANTIATE_TEST_SUITE_P.
  static std::string Name(const testing::TestParamInfo<ParamType>& info);

 protected:
  Medium medium() const { return std::get<Medium>(GetParam()); }
  End end() const { return std::get<End>(GetParam()); }

  // As SweepEndedCalls(), and says how many waits there were.
  int Sweep(const char* what, const std::function<void(EndedCall*)>& scenario);

  // Two connected handles: a pair in memory with that much room each way, or sockets, of which the
  // first one can send little before its peer takes it.
  std::array<int, 2> Connected(size_t pair_bytes);
};

inline constexpr Medium kEveryMedium[] = {Medium::kMemory, Medium::kUnix, Medium::kTcp};
inline constexpr End kEveryEnd[] = {End::kClosed, End::kCancelled, End::kTimedOut};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_ENDED_CALL_FIXTURE_H_
