// The header comes first: what follows must not mind its names.

// clang-format off
#include "bytestream/sockets.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <coroutine>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <ranges>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
// clang-format on

namespace {

static_assert(sizeof(ipaddr) == 32, "as programs know it");
static_assert(alignof(tcp_storage) == 16 && alignof(ipc_pair_storage) == 16, "aligned storage");

TEST(SocketsNamesTest, OtherNamesMeanWhatTheyMeant) {
  EXPECT_GT(std::chrono::steady_clock::now().time_since_epoch().count(), 0);
  std::this_thread::yield();
  EXPECT_GT(absl::ToUnixSeconds(absl::Now()), 0);
}

TEST(SocketsNamesTest, BothSpellingsAreOneFunction) {
  EXPECT_EQ(reinterpret_cast<void*>(&now), reinterpret_cast<void*>(&dill_now));
  EXPECT_EQ(reinterpret_cast<void*>(&yield), reinterpret_cast<void*>(&dill_yield));
  EXPECT_EQ(reinterpret_cast<void*>(&bsend), reinterpret_cast<void*>(&dill_bsend));
  EXPECT_EQ(reinterpret_cast<void*>(&tcp_connect), reinterpret_cast<void*>(&dill_tcp_connect));
  EXPECT_EQ(IPADDR_PREF_IPV6, DILL_IPADDR_PREF_IPV6);
}

coroutine void Add(int* sum, int value) { *sum += value; }

TEST(SocketsNamesTest, PrefixedMacros) {
  int sum = 0;
  char stack[32768];
  const int h = dill_go(Add(&sum, 1));
  EXPECT_EQ(dill_bundle_go(h, Add(&sum, 2)), 0);
  EXPECT_EQ(dill_bundle_go_mem(h, Add(&sum, 4), stack, sizeof(stack)), 0);
  EXPECT_EQ(dill_hclose(h), 0);
  const int m = dill_go_mem(Add(&sum, 8), stack, sizeof(stack));
  EXPECT_EQ(dill_hclose(m), 0);
  EXPECT_EQ(sum, 15);
}

}  // namespace
