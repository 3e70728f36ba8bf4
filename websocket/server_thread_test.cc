// Threads of a server and what they have in common; here they are on one runtime.

#include "websocket/server_thread.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/net/unix.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/unique_name.h"
#include "gtest/gtest.h"
#include "websocket/thread_link.h"

namespace halfpipe::websocket {
namespace {

class ServerThreadTest : public testing::Test {
 protected:
  // Has everything happen that can. (To sleep would not be enough: no time is left to sleep where
  // the thread has been held up on its way there.)
  void Settle() {
    for (int i = 0; i < 10 * Runtime::kSwitchesPerPoll; ++i) EXPECT_EQ(runtime_.Yield(), 0);
  }

  // As much is waiting at the runtime as it takes.
  void FillQueue() {
    while (runtime_.Post([] {}) == 0) {
    }
  }

  FdLeakCheck leaks_;
  Runtime runtime_;
};

// Two threads and one permit. Whoever waits for it is told of its being free, however much else its
// thread has been told.
TEST_F(ServerThreadTest, AFreePermitIsAlwaysHeardOf) {
  ServerOptions options;
  options.connections_max = 1;
  ServerPlan plan(options);
  ThreadLink::Ref links[2];
  ServerThread first(&plan, &runtime_, 0, links[0]);
  ServerThread second(&plan, &runtime_, 1, links[1]);
  auto [client, theirs] = MakePair(&runtime_);
  ASSERT_TRUE(first.Serve(std::move(theirs), nullptr).ok());
  const std::string name = UniqueName("@halfpipe-server-thread-test-");
  const auto fd = UnixListenFd(name, 10);
  ASSERT_TRUE(fd.ok()) << fd.status();
  ASSERT_TRUE(second.Listen(*fd, nullptr).ok());
  const auto connected = UnixConnect(&runtime_, name, Deadline::In(absl::Seconds(60)));
  ASSERT_TRUE(connected.ok()) << connected.status();
  Settle();
  EXPECT_EQ(second.counters().connections.value(), 0u);
  FillQueue();
  first.Drain(Deadline::Immediately());
  EXPECT_EQ(first.counters().connections.value(), 0u);
  Settle();
  EXPECT_EQ(second.counters().connections.value(), 1u);
}

// So is a drain.
TEST_F(ServerThreadTest, ADrainIsAlwaysHeardOf) {
  ServerPlan plan({});
  ThreadLink::Ref link;
  ServerThread thread(&plan, &runtime_, 0, link);
  auto [client, theirs] = MakePair(&runtime_);
  ASSERT_TRUE(thread.Serve(std::move(theirs), nullptr).ok());
  FillQueue();
  plan.drain.Ask(absl::ZeroDuration());
  link->Raise(ThreadLink::kDrainWanted);
  EXPECT_EQ(thread.counters().connections.value(), 1u);
  Settle();
  EXPECT_EQ(thread.counters().connections.value(), 0u);
  EXPECT_TRUE(thread.WaitDrained(Deadline::In(absl::Seconds(60))).ok());
}

}  // namespace
}  // namespace halfpipe::websocket
