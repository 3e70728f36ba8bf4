#include "websocket/thread_link.h"

#include <atomic>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "bytestream/runtime/post_queue.h"
#include "bytestream/runtime/runtime.h"
#include "gtest/gtest.h"

namespace halfpipe::websocket {

// Any object will do in its place.
class ServerThread {
 public:
  std::string log;
};

namespace {

void LogSignals(ServerThread& thread, uint32_t signals) {
  if ((signals & ThreadLink::kPermitFree) != 0) thread.log += "P";
  if ((signals & ThreadLink::kDrainWanted) != 0) thread.log += "D";
  thread.log += ".";
}

class ThreadLinkTest : public testing::Test {
 protected:
  void Open() { link_->Open(&thread_, &*runtime_, LogSignals); }
  // Has everything happen that was posted. (To sleep would not be enough: no time is left to sleep
  // where the thread has been held up on its way there.)
  void Poll() {
    for (int i = 0; i < 2 * Runtime::kSwitchesPerPoll; ++i) EXPECT_EQ(runtime_->Yield(), 0);
  }
  int Post(char letter) {
    return link_.Post([letter](ServerThread& thread) { thread.log += letter; });
  }

  std::optional<Runtime> runtime_{std::in_place};
  ServerThread thread_;
  ThreadLink::Ref link_;
};

TEST_F(ThreadLinkTest, BeforeAndAfterThereIsNobody) {
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Post('x'), ECANCELED);
    link_->Raise(ThreadLink::kDrainWanted);
    EXPECT_FALSE(link_.is_here());
    EXPECT_EQ(link_->thread(), nullptr);
    Poll();
    Open();
    link_->Close();
  }
  EXPECT_EQ(thread_.log, "");
}

TEST_F(ThreadLinkTest, FunctionsRunInTheirOrderAndLater) {
  Open();
  EXPECT_TRUE(link_.is_here());
  EXPECT_EQ(link_->thread(), &thread_);
  EXPECT_EQ(Post('a'), 0);
  EXPECT_EQ(Post('b'), 0);
  EXPECT_EQ(thread_.log, "");
  Poll();
  EXPECT_EQ(thread_.log, "ab");
  EXPECT_EQ(Post('c'), 0);
  Poll();
  EXPECT_EQ(thread_.log, "abc");
}

// What was posted and has not run when the thread ends is destroyed.
TEST_F(ThreadLinkTest, ClosedInBetween) {
  Open();
  auto held = std::make_shared<int>(1);
  std::weak_ptr<int> seen = held;
  EXPECT_EQ(link_.Post([held = std::move(held)](ServerThread& thread) { thread.log += "x"; }), 0);
  link_->Raise(ThreadLink::kPermitFree);
  link_->Close();
  EXPECT_FALSE(seen.expired());
  Poll();
  EXPECT_TRUE(seen.expired());
  EXPECT_EQ(thread_.log, "");
}

TEST_F(ThreadLinkTest, TheRuntimeEndsFirst) {
  Open();
  EXPECT_EQ(Post('x'), 0);
  link_->Raise(ThreadLink::kPermitFree);
  link_->Close();
  runtime_.reset();
  EXPECT_FALSE(link_.is_here());
  EXPECT_EQ(Post('x'), ECANCELED);
  link_->Raise(ThreadLink::kPermitFree);
  EXPECT_EQ(thread_.log, "");
}

// A link that has been forgotten by all but what is on its way.
TEST_F(ThreadLinkTest, TheLastReferenceIsInTheQueue) {
  for (const bool runs : {true, false}) {
    {
      ThreadLink::Ref other;
      other->Open(&thread_, &*runtime_, LogSignals);
      EXPECT_EQ(other.Post([](ServerThread& thread) { thread.log += "x"; }), 0);
      other->Raise(ThreadLink::kPermitFree);
    }
    if (runs) {
      Poll();
      EXPECT_EQ(thread_.log, "P.x");
    } else {
      runtime_.reset();
    }
  }
  EXPECT_EQ(thread_.log, "P.x");
}

// As many as a runtime takes; one more is refused and destroyed.
TEST_F(ThreadLinkTest, FunctionsHaveABound) {
  Open();
  for (size_t i = 0; i + 1 < PostQueue::kPostedMax; ++i) ASSERT_EQ(Post('.'), 0);
  EXPECT_EQ(Post('y'), 0);
  auto held = std::make_shared<int>(1);
  std::weak_ptr<int> seen = held;
  EXPECT_EQ(link_.Post([held = std::move(held)](ServerThread& thread) { thread.log += "z"; }),
            ENOMEM);
  EXPECT_TRUE(seen.expired());
  Poll();
  EXPECT_EQ(thread_.log.size(), PostQueue::kPostedMax);
  EXPECT_EQ(thread_.log.back(), 'y');
  EXPECT_EQ(Post('z'), 0);
  Poll();
  EXPECT_EQ(thread_.log.back(), 'z');
}

// Signals find their way however much is waiting, and before it.
TEST_F(ThreadLinkTest, SignalsHaveNoBound) {
  Open();
  while (Post('.') == 0) {
  }
  link_->Raise(ThreadLink::kPermitFree);
  Poll();
  EXPECT_EQ(thread_.log.substr(0, 3), "P..");
}

TEST_F(ThreadLinkTest, SignalsBeforeALookAreOne) {
  Open();
  link_->Raise(ThreadLink::kPermitFree);
  link_->Raise(ThreadLink::kDrainWanted);
  link_->Raise(ThreadLink::kPermitFree);
  Poll();
  EXPECT_EQ(thread_.log, "PD.");
  Poll();
  EXPECT_EQ(thread_.log, "PD.");
  link_->Raise(ThreadLink::kDrainWanted);
  Poll();
  EXPECT_EQ(thread_.log, "PD.D.");
}

// Raised again by whoever looks: looked at again.
TEST_F(ThreadLinkTest, RaisedWhileItIsLookedAt) {
  link_->Open(&thread_, &*runtime_, [](ServerThread& thread, uint32_t) {
    if (thread.log.empty()) Runtime::Current().CountOperation();
    thread.log += "s";
  });
  for (int i = 1; i <= 3; ++i) {
    link_->Raise(ThreadLink::kPermitFree);
    EXPECT_EQ(link_.Post([link = link_](ServerThread&) { link->Raise(ThreadLink::kPermitFree); }),
              0);
    Poll();
    EXPECT_EQ(thread_.log.size(), static_cast<size_t>(2 * i));
  }
}

TEST_F(ThreadLinkTest, CopiesAreTheSameLink) {
  const ThreadLink::Ref copy = link_;
  const ThreadLink::Ref other;
  EXPECT_TRUE(copy == link_);
  EXPECT_FALSE(other == link_);
  Open();
  EXPECT_TRUE(copy.is_here());
  EXPECT_FALSE(other.is_here());
  ThreadLink::Ref assigned;
  assigned = copy;
  EXPECT_TRUE(assigned == link_);
}

// Several threads post and raise while the thread goes on, and while it ends: nothing that was
// raised stays unseen.
TEST_F(ThreadLinkTest, FromSeveralThreads) {
  constexpr int kRounds = 2'000;
  constexpr int kThreads = 3;
  struct Shared {
    std::atomic<int> raised = 0;  // before each Raise()
    std::atomic<int> posted = 0;
    std::atomic<int> done = 0;
  };
  static Shared* shared;
  Shared here;
  shared = &here;
  static int seen;
  seen = 0;
  link_->Open(&thread_, &*runtime_, [](ServerThread&, uint32_t) { seen = shared->raised; });
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([link = link_] {
      EXPECT_FALSE(link.is_here());
      for (int round = 0; round < kRounds; ++round) {
        ++shared->raised;
        link->Raise(ThreadLink::kPermitFree);
        const int error = link.Post([](ServerThread&) { ++shared->posted; });
        EXPECT_TRUE(error == 0 || error == ENOMEM) << error;
      }
      ++shared->done;
    });
  }
  while (here.done < kThreads) Poll();
  Poll();
  EXPECT_EQ(seen, kThreads * kRounds);
  EXPECT_LE(here.posted, kThreads * kRounds);
  for (std::thread& thread : threads) thread.join();
  threads.clear();
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([link = link_] {
      for (int round = 0; round < kRounds; ++round) {
        link->Raise(ThreadLink::kDrainWanted);
        if (link.Post([](ServerThread&) {}) == ECANCELED) break;
      }
    });
  }
  Poll();
  link_->Close();
  Poll();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace halfpipe::websocket
