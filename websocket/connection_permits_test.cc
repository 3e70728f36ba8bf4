#include "websocket/connection_permits.h"

#include "gtest/gtest.h"

namespace halfpipe::websocket {
namespace {

TEST(ConnectionPermitsTest, AsManyAsThereAre) {
  ConnectionPermits permits(2);
  EXPECT_TRUE(permits.TryTake(nullptr));
  EXPECT_TRUE(permits.TryTake(nullptr));
  EXPECT_FALSE(permits.TryTake(nullptr));
  permits.GiveBack();
  EXPECT_TRUE(permits.TryTake(nullptr));
  EXPECT_FALSE(permits.TryTake(nullptr));
}

// One that has ended, or was never there, does not keep the permit from one that waits.
TEST(ConnectionPermitsTest, AllThatWaitAreToldOnce) {
  ConnectionPermits permits(1);
  ASSERT_TRUE(permits.TryTake(nullptr));
  int stale = 0;
  int live = 0;
  EXPECT_FALSE(permits.TryTake([&] { ++stale; }));
  EXPECT_FALSE(permits.TryTake(nullptr));
  EXPECT_FALSE(permits.TryTake([&] { ++live; }));
  permits.GiveBack();
  EXPECT_EQ(stale, 1);
  EXPECT_EQ(live, 1);
  ASSERT_TRUE(permits.TryTake(nullptr));
  permits.GiveBack();
  EXPECT_EQ(stale, 1);
  EXPECT_EQ(live, 1);
}

// They are called without the lock: the first takes the permit, the other waits again.
TEST(ConnectionPermitsTest, WhoIsToldMayTryAgain) {
  ConnectionPermits permits(1);
  ASSERT_TRUE(permits.TryTake(nullptr));
  bool first = false;
  bool second = true;
  int again = 0;
  EXPECT_FALSE(permits.TryTake([&] { first = permits.TryTake(nullptr); }));
  EXPECT_FALSE(permits.TryTake([&] { second = permits.TryTake([&] { ++again; }); }));
  permits.GiveBack();
  EXPECT_TRUE(first);
  EXPECT_FALSE(second);
  EXPECT_EQ(again, 0);
  permits.GiveBack();
  EXPECT_EQ(again, 1);
}

}  // namespace
}  // namespace halfpipe::websocket
