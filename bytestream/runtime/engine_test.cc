#include "bytestream/runtime/engine.h"

#include <cstdlib>

#include "bytestream/runtime/runtime.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

TEST(EngineTest, EpollIsTheDefaultAndCanBeNamed) {
  for (const char* const wanted : {"", "epoll"}) {
    ASSERT_EQ(setenv("HALFPIPE_ENGINE", wanted, 1), 0);
    Runtime runtime;
    EXPECT_STREQ(runtime.engine().name(), "epoll");
  }
  ASSERT_EQ(unsetenv("HALFPIPE_ENGINE"), 0);
  Runtime runtime;
  EXPECT_STREQ(runtime.engine().name(), "epoll");
}

TEST(EngineDeathTest, AnUnknownEngineIsNamedInTheMessage) {
  ASSERT_EQ(setenv("HALFPIPE_ENGINE", "steam", 1), 0);
  EXPECT_DEATH(Runtime(), "HALFPIPE_ENGINE=steam");
  ASSERT_EQ(unsetenv("HALFPIPE_ENGINE"), 0);
}

}  // namespace
}  // namespace halfpipe
