// What other threads ask of a server while it is being started: nothing of that is lost, and none of
// it finds a thread half made.

#include <atomic>
#include <thread>

#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "websocket/server.h"
#include "websocket/server_options.h"
#include "websocket/server_test_support.h"

namespace halfpipe::websocket {
namespace {

constexpr int kRounds = 30;

Deadline Later() { return Deadline::In(absl::Seconds(60)); }

// Calls counts() from a thread of its own until it is destroyed, which waits for one call at least.
class Asker {
 public:
  explicit Asker(Server* server)
      : thread_([this, server] {
          do {
            EXPECT_EQ(server->counts().connections, 0u);
            ++calls_;
          } while (!done_);
        }) {}
  ~Asker() {
    done_ = true;
    thread_.join();
    EXPECT_GT(calls_, 0);
  }

 private:
  std::atomic<bool> done_ = false;
  std::atomic<int> calls_ = 0;
  std::thread thread_;
};

TEST(ServerStartTest, CountsMayBeAskedMeanwhile) {
  FdLeakCheck leaks;
  Runtime runtime;
  for (int round = 0; round < kRounds; ++round) {
    Server here(&runtime, {});
    here.Handle("/", EchoHandler());
    {
      Asker asker(&here);
      EXPECT_THAT(here.Start(), IsOk());
    }
    here.Stop();
    ServerOptions options;
    options.threads = 2;
    Server threads(options);
    threads.Handle("/", EchoHandler());
    {
      Asker asker(&threads);
      EXPECT_THAT(threads.Start(), IsOk());
    }
    threads.Stop();
  }
}

// Whether it comes before the threads are there, while they are made or behind that.
TEST(ServerStartTest, ADrainMeanwhileIsNotLost) {
  FdLeakCheck leaks;
  Runtime runtime;
  for (int round = 0; round < kRounds; ++round) {
    Server here(&runtime, {});
    here.Handle("/", EchoHandler());
    std::thread drainer([&] { here.Drain(absl::Seconds(1)); });
    EXPECT_THAT(here.Start(), IsOk());
    EXPECT_THAT(here.Wait(Later()), IsOk());
    drainer.join();
    ServerOptions options;
    options.threads = 2;
    Server threads(options);
    threads.Handle("/", EchoHandler());
    std::thread other([&] { threads.Drain(absl::Seconds(1)); });
    EXPECT_THAT(threads.Start(), IsOk());
    EXPECT_THAT(threads.Wait(Later()), IsOk());
    other.join();
  }
}

}  // namespace
}  // namespace halfpipe::websocket
