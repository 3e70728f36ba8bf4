#include "bytestream/runtime/stack_pool.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <set>
#include <vector>

#include "absl/base/config.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

using Guard = StackPool::Guard;

constexpr size_t kPage = 4096;

size_t ResidentBytes(const StackPool::Stack& stack) {
  std::vector<unsigned char> pages(stack.size / kPage);
  EXPECT_EQ(mincore(stack.bottom, stack.size, pages.data()), 0);
  size_t bytes = 0;
  for (const unsigned char page : pages) bytes += (page & 1) * kPage;
  return bytes;
}

TEST(StackPoolTest, SizesAreRoundedUp) {
  for (const size_t asked : {size_t{0}, size_t{1}, StackPool::kMinStackBytes,
                             StackPool::kMinStackBytes + 1, StackPool::kDefaultStackBytes}) {
    StackPool pool(asked);
    const StackPool::Stack stack = pool.Get();
    ASSERT_NE(stack.bottom, nullptr);
    EXPECT_GE(stack.size + pool.guard_bytes(), std::max(asked, StackPool::kMinStackBytes));
    EXPECT_GE(stack.size, 3 * pool.guard_bytes());
    EXPECT_GE(pool.guard_bytes(), kPage);
    EXPECT_LE(pool.guard_bytes(), StackPool::kGuardBytesMax);
    EXPECT_EQ(pool.guard_bytes() % kPage, 0u);
    EXPECT_EQ(stack.size % kPage, 0u);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(stack.bottom) % kPage, 0u);
    std::memset(stack.bottom, 1, stack.size);
    pool.Put(stack);
  }
}

TEST(StackPoolTest, StacksDoNotOverlapAndComeBackLastInFirstOut) {
  StackPool pool;
  std::vector<StackPool::Stack> stacks;
  std::set<char*> bottoms;
  for (int i = 0; i < 100; ++i) {
    stacks.push_back(pool.Get());
    ASSERT_NE(stacks.back().bottom, nullptr);
    bottoms.insert(static_cast<char*>(stacks.back().bottom));
  }
  EXPECT_EQ(pool.stacks_in_use(), 100u);
  char* end = nullptr;
  for (char* const bottom : bottoms) {
    EXPECT_GE(bottom, end);
    end = bottom + stacks[0].size;
  }
  void* const last = stacks.back().bottom;
  pool.Put(stacks.back());
  EXPECT_EQ(pool.Get().bottom, last);
  for (const StackPool::Stack& stack : stacks) pool.Put(stack);
  EXPECT_EQ(pool.stacks_in_use(), 0u);
  // No new address space while there are free ones.
  for (StackPool::Stack& stack : stacks) {
    stack = pool.Get();
    EXPECT_EQ(bottoms.count(static_cast<char*>(stack.bottom)), 1u);
  }
  for (const StackPool::Stack& stack : stacks) pool.Put(stack);
}

// Takes so many stacks that the last one finds no warm place when all come back in this order.
std::vector<StackPool::Stack> GetMoreThanStayWarm(StackPool* pool) {
  std::vector<StackPool::Stack> stacks;
  for (size_t i = 0; i <= StackPool::kWarmStacks; ++i) stacks.push_back(pool->Get());
  return stacks;
}

TEST(StackPoolTest, AStackGivenBackKeepsAtMostItsShareResident) {
  for (const Guard guard : {Guard::kAdvice, Guard::kProtection, Guard::kCanary}) {
    StackPool pool(StackPool::kDefaultStackBytes, guard);
    for (int round = 0; round < 3; ++round) {
      const std::vector<StackPool::Stack> stacks = GetMoreThanStayWarm(&pool);
      const StackPool::Stack stack = stacks.back();
      std::memset(stack.bottom, 1, stack.size);
      EXPECT_EQ(ResidentBytes(stack), stack.size);
      for (const StackPool::Stack& each : stacks) pool.Put(each);
      EXPECT_LE(ResidentBytes(stack), StackPool::kResidentBytes);
      EXPECT_GT(ResidentBytes(stack), 0u);
    }
  }
}

// As many as that keep what they have touched, and are the first to be handed out.
TEST(StackPoolTest, WarmStacksKeepTheirMemory) {
  StackPool pool;
  std::vector<StackPool::Stack> stacks = GetMoreThanStayWarm(&pool);
  for (const StackPool::Stack& stack : stacks) {
    std::memset(stack.bottom, 1, stack.size);
    pool.Put(stack);
  }
  const void* const cold = stacks.back().bottom;
  stacks.pop_back();
  std::set<void*> warm;
  for (const StackPool::Stack& stack : stacks) {
    EXPECT_EQ(ResidentBytes(stack), stack.size);
    warm.insert(stack.bottom);
  }
  for (StackPool::Stack& stack : stacks) {
    stack = pool.Get();
    EXPECT_EQ(warm.erase(stack.bottom), 1u);
  }
  const StackPool::Stack last = pool.Get();
  EXPECT_EQ(last.bottom, cold);
  pool.Put(last);
  for (const StackPool::Stack& stack : stacks) pool.Put(stack);
}

// Frames may skip pages, so only the pages themselves can tell what was touched.
TEST(StackPoolTest, APageTouchedAloneFarBelowIsGivenBackToo) {
  StackPool pool;
  const std::vector<StackPool::Stack> stacks = GetMoreThanStayWarm(&pool);
  const StackPool::Stack stack = stacks.back();
  static_cast<char*>(stack.bottom)[0] = 1;
  for (const StackPool::Stack& each : stacks) pool.Put(each);
  EXPECT_LE(ResidentBytes(stack), StackPool::kResidentBytes);
}

TEST(StackPoolTest, CanaryIsSetEachTimeAndOnlyWhereNothingElseGuards) {
  StackPool pool(StackPool::kDefaultStackBytes, Guard::kCanary);
  for (int round = 0; round < 2; ++round) {
    const StackPool::Stack stack = pool.Get();
    ASSERT_TRUE(stack.canary);
    EXPECT_EQ(*static_cast<uint64_t*>(stack.bottom), StackPool::kCanary);
    *static_cast<uint64_t*>(stack.bottom) = 0;
    pool.Put(stack);
  }
  for (const Guard guard : {Guard::kAdvice, Guard::kProtection}) {
    StackPool guarded(StackPool::kDefaultStackBytes, guard);
    const StackPool::Stack stack = guarded.Get();
    EXPECT_FALSE(stack.canary);
    guarded.Put(stack);
  }
}

// The number of protected stacks is the process's, not a pool's.
TEST(StackPoolTest, ProtectedStacksAreBoundedInAllPoolsTogether) {
#if defined(ABSL_HAVE_THREAD_SANITIZER) || defined(ABSL_HAVE_ADDRESS_SANITIZER)
  GTEST_SKIP() << "tens of thousands of mappings take a sanitizer too long";
#endif
  std::vector<StackPool::Stack> stacks;
  const auto take = [&](StackPool* pool, size_t count) {
    size_t canaries = 0;
    for (size_t i = 0; i < count; ++i) {
      stacks.push_back(pool->Get());
      if (stacks.back().canary) ++canaries;
    }
    return canaries;
  };
  const auto give_back = [&](StackPool* pool) {
    for (const StackPool::Stack& stack : stacks) pool->Put(stack);
    stacks.clear();
  };
  {
    StackPool first(StackPool::kMinStackBytes, Guard::kProtection);
    EXPECT_EQ(take(&first, StackPool::kProtectedStacks), 0u);
    give_back(&first);
    StackPool second(StackPool::kMinStackBytes, Guard::kProtection);
    EXPECT_EQ(take(&second, 32), 32u);
    give_back(&second);
  }
  StackPool third(StackPool::kMinStackBytes, Guard::kProtection);
  EXPECT_EQ(take(&third, 32), 0u);
  give_back(&third);
}

TEST(StackPoolTest, AbandonedStacksGoWithThePool) {
  void* bottom;
  {
    StackPool pool;
    bottom = pool.Get().bottom;
    pool.Abandon();
  }
  unsigned char page;
  EXPECT_EQ(mincore(bottom, kPage, &page), -1);
  EXPECT_EQ(errno, ENOMEM);
}

using StackPoolDeathTest = testing::TestWithParam<Guard>;

TEST_P(StackPoolDeathTest, OverflowCrashesBeforeItReachesANeighbour) {
  StackPool pool(StackPool::kDefaultStackBytes, GetParam());
  const StackPool::Stack stack = pool.Get();
  volatile char* const below = static_cast<char*>(stack.bottom) - 1;
  EXPECT_DEATH(*below = 1, "");
  EXPECT_DEATH(*(below - pool.guard_bytes() / 2) = 1, "");
  EXPECT_DEATH(*(below - pool.guard_bytes() + 1) = 1, "");
  *static_cast<volatile char*>(stack.bottom) = 1;
  // The guard stays when the stack has been given back and taken again.
  pool.Put(stack);
  const StackPool::Stack again = pool.Get();
  ASSERT_EQ(again.bottom, stack.bottom);
  EXPECT_DEATH(*below = 1, "");
  pool.Put(again);
}

INSTANTIATE_TEST_SUITE_P(Guards, StackPoolDeathTest,
                         testing::Values(Guard::kAdvice, Guard::kProtection));

// Takes stacks until there is no more address space. Exits with 0 if that went as promised.
[[noreturn]] void ExhaustAddressSpace() {
  StackPool pool;
  std::vector<StackPool::Stack> stacks;
  stacks.reserve(1 << 16);
  const rlimit limit = {256u << 20, 256u << 20};
  setrlimit(RLIMIT_AS, &limit);
  StackPool::Stack stack = pool.Get();
  while (stack.bottom != nullptr) {
    stacks.push_back(stack);
    stack = pool.Get();
  }
  const bool counted = !stacks.empty() && pool.stacks_in_use() == stacks.size();
  // What there is can still be used.
  pool.Put(stacks.back());
  std::_Exit(counted && pool.Get().bottom == stacks.back().bottom ? 0 : 1);
}

TEST(StackPoolLimitsDeathTest, NoMemoryIsAnEmptyStack) {
#if defined(ABSL_HAVE_THREAD_SANITIZER) || defined(ABSL_HAVE_ADDRESS_SANITIZER)
  GTEST_SKIP() << "sanitizers do not live with a limit of address space";
#endif
  EXPECT_EXIT(ExhaustAddressSpace(), testing::ExitedWithCode(0), "");
}

TEST(StackPoolLimitsDeathTest, AStackThatIsOutAtTheEndIsAnError) {
  EXPECT_DEATH(
      {
        StackPool pool;
        static_cast<void>(pool.Get());
      },
      "check failed");
}

}  // namespace
}  // namespace halfpipe
