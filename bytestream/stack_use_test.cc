// How much of a stack that the caller supplies is used by what is not the coroutine's own code: to
// enter it, to yield or to sleep, and to leave it.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "absl/base/config.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/sockets_test_support.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

#if defined(ABSL_HAVE_ADDRESS_SANITIZER) || defined(ABSL_HAVE_THREAD_SANITIZER)
constexpr bool kLargeFrames = true;
#else
constexpr bool kLargeFrames = false;
#endif

constexpr size_t kStackBytes = 4096;
constexpr size_t kUseMax = 1024;
constexpr char kPaint = 0x5a;

coroutine void Nothing() {}
coroutine void YieldOnce() { static_cast<void>(yield()); }
coroutine void Sleep() { static_cast<void>(msleep(now() + 1)); }
coroutine void SleepForEver() { static_cast<void>(msleep(-1)); }
coroutine void NoteControlBlock(const void** block) { *block = Runtime::Current().current(); }

class StackUseTest : public CCallTest {
 protected:
  void SetUp() override {
    if (kLargeFrames) GTEST_SKIP() << "a sanitizer's frames are larger";
  }

  void Paint() { std::memset(stack_, kPaint, sizeof(stack_)); }

  // The bytes below the control block, which `in_bundle` has a bundle above it or not, that have
  // been written to since Paint(). The lowest word is the canary.
  size_t Used(bool in_bundle) {
    size_t untouched = sizeof(uint64_t);
    while (untouched < sizeof(stack_) && stack_[untouched] == kPaint) ++untouched;
    const void* block = nullptr;
    const int h = in_bundle ? bundle() : go_mem(NoteControlBlock(&block), stack_, sizeof(stack_));
    EXPECT_GT(h, 0);
    if (in_bundle) {
      EXPECT_EQ(bundle_go_mem(h, NoteControlBlock(&block), stack_, sizeof(stack_)), 0);
    }
    EXPECT_EQ(hclose(h), 0);
    const size_t top = static_cast<size_t>(static_cast<const char*>(block) - stack_);
    EXPECT_LT(top, sizeof(stack_));
    return top > untouched ? top - untouched : 0;
  }

  void ExpectLittle(const char* what, bool in_bundle) {
    const size_t used = Used(in_bundle);
    std::printf("%s: %zu bytes\n", what, used);
    RecordProperty(what, static_cast<int>(used));
    EXPECT_GT(used, 0u);
    EXPECT_LT(used, kUseMax) << what;
  }

  alignas(16) char stack_[kStackBytes];
};

TEST_F(StackUseTest, EntryAndExit) {
  Paint();
  const int h = go_mem(Nothing(), stack_, sizeof(stack_));
  ASSERT_GT(h, 0);
  EXPECT_EQ(hclose(h), 0);
  ExpectLittle("enters_and_leaves", /*in_bundle=*/false);
}

TEST_F(StackUseTest, EntryAndExitInABundle) {
  const int b = bundle();
  Paint();
  EXPECT_EQ(bundle_go_mem(b, Nothing(), stack_, sizeof(stack_)), 0);
  EXPECT_EQ(hclose(b), 0);
  ExpectLittle("enters_and_leaves_in_a_bundle", /*in_bundle=*/true);
}

TEST_F(StackUseTest, Yield) {
  Paint();
  const int h = go_mem(YieldOnce(), stack_, sizeof(stack_));
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(hclose(h), 0);
  ExpectLittle("yields", /*in_bundle=*/false);
}

// Where nobody else is ready, what a poll calls runs elsewhere.
TEST_F(StackUseTest, Sleep) {
  Paint();
  const int h = go_mem(Sleep(), stack_, sizeof(stack_));
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(hclose(h), 0);
  ExpectLittle("sleeps", /*in_bundle=*/false);
}

TEST_F(StackUseTest, Cancelled) {
  Paint();
  const int h = go_mem(SleepForEver(), stack_, sizeof(stack_));
  EXPECT_EQ(hclose(h), 0);
  ExpectLittle("is_cancelled", /*in_bundle=*/false);
}

}  // namespace
}  // namespace halfpipe
