#define DILL_DISABLE_RAW_NAMES
#include "bytestream/testing/ended_call_fixture.h"

#include <array>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <string>
#include <tuple>
#include <utility>

#include "bytestream/net/net_test_support.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/ended_call_sweep.h"
#include "bytestream/testing/stream_handle.h"
#include "gtest/gtest.h"
// After all others: its macros are for what follows.
#include "bytestream/sockets.h"

namespace halfpipe {

std::string EndedCallTest::Name(const testing::TestParamInfo<ParamType>& info) {
  static constexpr const char* kNames[] = {"Memory", "Unix", "Tcp"};
  return std::string(kNames[static_cast<int>(std::get<Medium>(info.param))]) +
         EndName(std::get<End>(info.param));
}

int EndedCallTest::Sweep(const char* what, const std::function<void(EndedCall*)>& scenario) {
  const int waits = SweepEndedCalls(end(), scenario);
  std::printf("%s: %d waits\n", what, waits);
  return waits;
}

std::array<int, 2> EndedCallTest::Connected(size_t pair_bytes) {
  if (medium() == Medium::kMemory) {
    PairOptions options;
    options.capacity_bytes = pair_bytes;
    auto [a, b] = MakePair(&Runtime::Current(), options);
    return {StreamHandle::Make(std::move(a)), StreamHandle::Make(std::move(b))};
  }
  const bool tcp = medium() == Medium::kTcp;
  std::array<int, 2> s = ConnectedFds(tcp ? Transport::kTcp : Transport::kUnix);
  for (int& each : s) {
    each = tcp ? dill_tcp_fromfd(each) : dill_ipc_fromfd(each);
    EXPECT_GT(each, 0);
  }
  return s;
}

}  // namespace halfpipe
