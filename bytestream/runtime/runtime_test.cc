#include "bytestream/runtime/runtime.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <vector>

#include "bytestream/base/deadline.h"
#include "bytestream/runtime/bundle.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

TEST(RuntimeTest, NewCoroutineRunsAtOnceAndCallerComesBack) {
  Runtime runtime;
  Bundle bundle(&runtime);
  std::string order;
  ASSERT_TRUE(bundle
                  .Go([&] {
                    order += "a";
                    EXPECT_EQ(runtime.Yield(), 0);
                    order += "c";
                  })
                  .ok());
  order += "b";
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(order, "abc");
  EXPECT_EQ(runtime.coroutine_count(), 0u);
}

TEST(RuntimeTest, DestroyingABundleCancelsAndJoins) {
  Runtime runtime;
  std::vector<int> results;
  {
    Bundle bundle(&runtime);
    ASSERT_TRUE(bundle
                    .Go([&] {
                      results.push_back(runtime.SleepUntil(Deadline::Never()));
                      results.push_back(runtime.SleepUntil(Deadline::Never()));
                      results.push_back(runtime.Yield());
                    })
                    .ok());
  }
  EXPECT_EQ(results, (std::vector<int>{ECANCELED, ECANCELED, ECANCELED}));
}

TEST(RuntimeTest, SleepersWakeInOrderOfTheirDeadlines) {
  Runtime runtime;
  Bundle bundle(&runtime);
  std::string order;
  const int64_t now = runtime.clock().NowNanos();
  for (const auto& [name, millis] :
       std::vector<std::pair<char, int>>{{'c', 6}, {'a', 2}, {'b', 4}}) {
    ASSERT_TRUE(bundle
                    .Go([&runtime, &order, name = name,
                         deadline = Deadline::AtNanos(now + millis * 1'000'000)] {
                      EXPECT_EQ(runtime.SleepUntil(deadline), 0);
                      order += name;
                    })
                    .ok());
  }
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(order, "abc");
}

TEST(RuntimeTest, ExceptionsBeingHandledAreACoroutinesOwn) {
  Runtime runtime;
  Bundle bundle(&runtime);
  std::string seen;
  const auto body = [&](const char* text) {
    try {
      throw std::runtime_error(text);
    } catch (const std::exception&) {
      EXPECT_EQ(runtime.Yield(), 0);
      try {
        throw;
      } catch (const std::exception& again) {
        seen += again.what();
      }
    }
  };
  ASSERT_TRUE(bundle.Go([&] { body("x"); }).ok());
  ASSERT_TRUE(bundle.Go([&] { body("y"); }).ok());
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(seen, "xy");
}

TEST(RuntimeTest, ForeignDescriptors) {
  Runtime runtime;
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  EXPECT_EQ(runtime.engine().WaitForeignFd(ends[0], true, Deadline::Immediately()), 0);
  EXPECT_EQ(runtime.engine().WaitForeignFd(ends[0], false, Deadline::Immediately()), ETIMEDOUT);
  Bundle bundle(&runtime);
  int result = -1;
  ASSERT_TRUE(
      bundle.Go([&] { result = runtime.engine().WaitForeignFd(ends[0], false, Deadline::Never()); })
          .ok());
  EXPECT_EQ(runtime.engine().WaitForeignFd(ends[0], false, Deadline::Never()), EBUSY);
  ASSERT_EQ(write(ends[1], "x", 1), 1);
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(result, 0);
  close(ends[0]);
  close(ends[1]);
  EXPECT_EQ(runtime.engine().WaitForeignFd(ends[0], false, Deadline::Never()), EBADF);
}

}  // namespace
}  // namespace halfpipe
