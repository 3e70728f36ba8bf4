// RunBlocking() where the system has no thread to give. Linked statically, so that the linker's
// --wrap puts a function of ours before pthread_create(3).

#include <pthread.h>

#include <cerrno>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/runtime/blocking_pool.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "gtest/gtest.h"

namespace {

bool no_threads = false;

}  // namespace

extern "C" {

int __real_pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                          void* (*function)(void*), void* argument);
int __wrap_pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                          void* (*function)(void*), void* argument) {
  return no_threads ? EAGAIN : __real_pthread_create(thread, attributes, function, argument);
}

}  // extern "C"

namespace halfpipe {
namespace {

TEST(RunBlockingFaultTest, TheFirstThreadCannotBeStarted) {
  BlockingPool pool{BlockingPool::Options()};
  Runtime::Options options;
  options.blocking_pool = &pool;
  Runtime runtime(std::move(options));
  bool ran = false;
  no_threads = true;
  const absl::Status status = runtime.RunBlocking([&ran] { ran = true; }, Deadline::Never());
  no_threads = false;
  EXPECT_EQ(StatusErrno(status), ENOMEM);
  EXPECT_FALSE(ran);
  EXPECT_EQ(pool.thread_count(), 0u);
  EXPECT_EQ(pool.queued_count(), 0u);
  const absl::StatusOr<int> later = runtime.RunBlocking([] { return 7; }, Deadline::Never());
  ASSERT_TRUE(later.ok()) << later.status();
  EXPECT_EQ(*later, 7);
}

// Where there is one thread already, calls wait for that.
TEST(RunBlockingFaultTest, NoFurtherThreadCanBeStarted) {
  BlockingPool pool{BlockingPool::Options()};
  Runtime::Options options;
  options.blocking_pool = &pool;
  Runtime runtime(std::move(options));
  ASSERT_TRUE(runtime.RunBlocking([] { return 0; }, Deadline::Never()).ok());
  no_threads = true;
  int sum = 0;
  {
    Bundle bundle(&runtime);
    for (int i = 1; i <= 4; ++i) {
      ASSERT_TRUE(bundle
                      .Go([&runtime, &sum, i] {
                        const absl::StatusOr<int> result =
                            runtime.RunBlocking([i] { return i; }, Deadline::Never());
                        if (result.ok()) sum += *result;
                      })
                      .ok());
    }
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  }
  no_threads = false;
  EXPECT_EQ(sum, 10);
  EXPECT_EQ(pool.thread_count(), 1u);
}

}  // namespace
}  // namespace halfpipe
