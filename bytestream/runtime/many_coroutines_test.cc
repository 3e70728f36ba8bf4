// A hundred thousand coroutines at once on the system's default limits: all wait, ten thousand of
// them for a descriptor.

#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <utility>
#include <vector>

#include "absl/base/config.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/engine.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/runtime/stack_pool.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/memory_usage.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

#ifdef ABSL_HAVE_ADDRESS_SANITIZER
// It keeps frames of each stack elsewhere, megabytes of address space apiece.
constexpr size_t kCoroutines = 2'000;
constexpr size_t kDescriptors = 200;
#else
constexpr size_t kCoroutines = 100'000;
constexpr size_t kDescriptors = 10'000;
#endif

// Of Linux's vm.max_map_count.
constexpr size_t kMappingsMax = 65'530;

// Beside the pages of its stack that it has touched.
constexpr size_t kBytesPerCoroutineMax = 8 * 1024;

// As many event descriptors as wanted, or as the hard limit allows.
class Descriptors {
 public:
  Descriptors() {
    getrlimit(RLIMIT_NOFILE, &before_);
    rlimit raised = before_;
    raised.rlim_cur = raised.rlim_max;
    setrlimit(RLIMIT_NOFILE, &raised);
    while (fds_.size() < kDescriptors) {
      const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
      if (fd < 0) break;
      fds_.push_back(fd);
    }
    if (fds_.size() == kDescriptors) return;
    // Some are left for the engine and the tests' own files.
    for (int i = 0; i < 20 && !fds_.empty(); ++i) {
      close(fds_.back());
      fds_.pop_back();
    }
    std::printf("%zu descriptors instead of %zu: the hard limit is %zu\n", fds_.size(),
                kDescriptors, static_cast<size_t>(raised.rlim_max));
  }
  ~Descriptors() {
    for (const int fd : fds_) close(fd);
    setrlimit(RLIMIT_NOFILE, &before_);
  }

  size_t count() const { return fds_.size(); }
  int operator[](size_t index) const { return fds_[index]; }

 private:
  rlimit before_;
  std::vector<int> fds_;
};

struct Outcome {
  size_t ready = 0;
  size_t cancelled = 0;
  size_t others = 0;

  void Count(int result) { ++(result == 0 ? ready : result == ECANCELED ? cancelled : others); }
};

class ManyCoroutinesTest : public testing::TestWithParam<StackPool::Guard> {
 protected:
  static Runtime::Options Options() {
    Runtime::Options options;
    options.stack_guard = GetParam();
    return options;
  }

  // Starts them all; those with a descriptor first.
  void StartAll(Bundle* bundle) {
    Runtime* const runtime = bundle->runtime();
    for (size_t i = 0; i < kCoroutines; ++i) {
      const auto body = [this, runtime, i] {
        if (i % 1000 == 0) sample_.push_back(runtime->current()->stack);
        // No two timers alike, and none that fires.
        outcome_.Count(i < descriptors_.count()
                           ? runtime->engine().WaitForeignFd(descriptors_[i], /*writable=*/false,
                                                             Deadline::Never())
                           : runtime->SleepUntil(Deadline::In(absl::Hours(1) +
                                                              absl::Microseconds(i * 7919 % 997))));
      };
      ASSERT_EQ(bundle->Start(body, {}), 0) << "coroutine " << i;
    }
  }

  size_t TouchedPerCoroutine() const {
    size_t bytes = 0;
    for (const StackPool::Stack& stack : sample_)
      bytes += ResidentBytesOf(stack.bottom, stack.size);
    return bytes / sample_.size();
  }

  Descriptors descriptors_;
  std::vector<StackPool::Stack> sample_;
  Outcome outcome_;
};

TEST_P(ManyCoroutinesTest, AllWaitAtOnceAndGiveEverythingBack) {
#ifdef ABSL_HAVE_THREAD_SANITIZER
  GTEST_SKIP() << "ThreadSanitizer bears a few thousand contexts";
#endif
  const size_t mappings_before = MappingCount();
  {
    FdLeakCheck leaks;
    const size_t resident_before = ResidentBytes() + PageTableBytes();
    Runtime runtime(Options());
    Bundle bundle(&runtime);
    StartAll(&bundle);
    ASSERT_EQ(runtime.Yield(), 0);
    ASSERT_EQ(runtime.coroutine_count(), kCoroutines);
    const size_t mappings = MappingCount();
    const size_t per_coroutine =
        (ResidentBytes() + PageTableBytes() - resident_before) / kCoroutines;
    const size_t touched = TouchedPerCoroutine();
    std::printf("%zu mappings; for each coroutine %zu bytes, of them %zu of its stack\n",
                mappings - mappings_before, per_coroutine, touched);
    EXPECT_LT(mappings, kMappingsMax);
#ifndef ABSL_HAVE_ADDRESS_SANITIZER
    EXPECT_LE(per_coroutine, touched + kBytesPerCoroutineMax);
#endif

    // They are all there: some are woken, one by one and from everywhere, the rest is cancelled.
    size_t woken = 0;
    for (size_t i = 0; i < descriptors_.count(); i += 97) {
      ASSERT_EQ(eventfd_write(descriptors_[i], 1), 0);
      ++woken;
    }
    while (outcome_.ready < woken) ASSERT_EQ(runtime.Yield(), 0);
    EXPECT_EQ(runtime.coroutine_count(), kCoroutines - woken);
    bundle.CancelAndJoin();
    EXPECT_EQ(outcome_.ready, woken);
    EXPECT_EQ(outcome_.cancelled, kCoroutines - woken);
    EXPECT_EQ(outcome_.others, 0u);
    EXPECT_EQ(runtime.coroutine_count(), 0u);
  }
#ifndef ABSL_HAVE_ADDRESS_SANITIZER
  // The heap may have grown by a mapping or two; a sanitizer's by more.
  EXPECT_LE(MappingCount(), mappings_before + 16);
#endif
}

// The second has guards for the first 20,000 only, as on kernels without the advice.
INSTANTIATE_TEST_SUITE_P(Guards, ManyCoroutinesTest,
                         testing::Values(StackPool::Guard::kAdvice, StackPool::Guard::kProtection));

}  // namespace
}  // namespace halfpipe
