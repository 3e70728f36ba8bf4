// Bundles that are closed in every state of their coroutines, nested, and in rings.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/runtime/waiter.h"
#include "bytestream/testing/fd_leak_check.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

class BundleCloseTest : public testing::Test {
 protected:
  void Go(Bundle* bundle, std::function<void()> body) {
    ASSERT_EQ(bundle->Start(std::move(body), {}), 0);
  }
  int SleepForEver() { return runtime_.SleepUntil(Deadline::Never()); }

  FdLeakCheck leaks_;
  Runtime runtime_;
};

TEST_F(BundleCloseTest, CoroutinesInEveryState) {
  std::string log;
  int pipe_ends[2];
  ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
  {
    Bundle bundle(&runtime_);
    Go(&bundle, [&] { log += "finished "; });
    Go(&bundle, [&] {
      EXPECT_EQ(SleepForEver(), ECANCELED);
      log += "sleeping ";
    });
    Go(&bundle, [&] {
      EXPECT_EQ(runtime_.SleepUntil(Deadline::In(absl::Hours(1))), ECANCELED);
      log += "timed ";
    });
    Go(&bundle, [&] {
      Waiter waiter;
      EXPECT_EQ(runtime_.Wait(&waiter, Deadline::Never()), ECANCELED);
      log += "waiting ";
    });
    Go(&bundle, [&] {
      EXPECT_EQ(runtime_.engine().WaitForeignFd(pipe_ends[0], false, Deadline::Never()), ECANCELED);
      log += "descriptor ";
    });
    // The last one is ready when the bundle goes.
    Go(&bundle, [&] {
      EXPECT_EQ(runtime_.Yield(), ECANCELED);
      log += "ready ";
    });
  }
  close(pipe_ends[0]);
  close(pipe_ends[1]);
  EXPECT_NE(log.find("finished "), std::string::npos);
  for (const char* const state : {"sleeping ", "timed ", "waiting ", "descriptor ", "ready "}) {
    EXPECT_NE(log.find(state), std::string::npos) << state << "in: " << log;
  }
  EXPECT_EQ(runtime_.coroutine_count(), 0u);
}

TEST_F(BundleCloseTest, OneThatIsInTheMiddleOfClosingOthers) {
  std::string log;
  Bundle inner(&runtime_);
  Bundle closers(&runtime_);
  Go(&inner, [&] {
    EXPECT_EQ(SleepForEver(), ECANCELED);
    // Not in a hurry: the closer is joining meanwhile.
    for (int i = 0; i < 5; ++i) static_cast<void>(runtime_.Yield());
    Waiter waiter;
    static_cast<void>(runtime_.Wait(&waiter, Deadline::In(absl::Seconds(1))));
    log += "inner ";
  });
  Go(&closers, [&] {
    inner.CancelAndJoin();
    log += "closer ";
    EXPECT_EQ(runtime_.CheckCancelled(), ECANCELED);
  });
  closers.CancelAndJoin();
  EXPECT_EQ(log, "inner closer ");
}

TEST_F(BundleCloseTest, ClosedByOneThatIsBeingCancelled) {
  std::string log;
  Bundle inner(&runtime_);
  Bundle outer(&runtime_);
  Go(&inner, [&] {
    EXPECT_EQ(SleepForEver(), ECANCELED);
    log += "inner ";
  });
  Go(&outer, [&] {
    EXPECT_EQ(SleepForEver(), ECANCELED);
    inner.CancelAndJoin();
    log += "outer ";
  });
  outer.CancelAndJoin();
  EXPECT_EQ(log, "inner outer ");
}

TEST_F(BundleCloseTest, OwnBundleIsADeadlock) {
  Bundle bundle(&runtime_);
  EXPECT_FALSE(bundle.JoinIsDeadlock());
  bool inside = false;
  Go(&bundle, [&] { inside = bundle.JoinIsDeadlock(); });
  EXPECT_TRUE(inside);
}

// Bundles are made by the test's own flow, so only what is joined counts.
TEST_F(BundleCloseTest, TwoThatCloseEachOther) {
  Bundle a(&runtime_);
  Bundle b(&runtime_);
  std::vector<bool> deadlock;
  Go(&a, [&] {
    EXPECT_EQ(runtime_.Yield(), 0);
    deadlock.push_back(b.JoinIsDeadlock());
    b.CancelAndJoin();
  });
  Go(&b, [&] {
    EXPECT_FALSE(a.JoinIsDeadlock());
    EXPECT_EQ(SleepForEver(), ECANCELED);
    deadlock.push_back(a.JoinIsDeadlock());
  });
  EXPECT_EQ(a.Wait(Deadline::Never()), 0);
  EXPECT_EQ(deadlock, (std::vector<bool>{false, true}));
  EXPECT_TRUE(b.empty());
}

TEST_F(BundleCloseTest, ARingOfMany) {
  constexpr size_t kCount = 20;
  std::vector<std::unique_ptr<Bundle>> ring;
  std::vector<bool> deadlock(kCount, false);
  for (size_t i = 0; i < kCount; ++i) ring.push_back(std::make_unique<Bundle>(&runtime_));
  for (size_t i = kCount; i-- > 0;) {
    Go(ring[i].get(), [&, i] {
      EXPECT_EQ(i == 0 ? runtime_.Yield() : SleepForEver(), i == 0 ? 0 : ECANCELED);
      Bundle* const next = ring[(i + 1) % kCount].get();
      deadlock[i] = next->JoinIsDeadlock();
      if (!deadlock[i]) next->CancelAndJoin();
    });
  }
  EXPECT_EQ(ring[0]->Wait(Deadline::Never()), 0);
  for (size_t i = 0; i < kCount; ++i) EXPECT_EQ(deadlock[i], i == kCount - 1) << i;
}

// The outer bundle's coroutine owns the inner one and will close it when it is cancelled.
TEST_F(BundleCloseTest, OuterBundleFromWithinTheInnerOne) {
  Bundle outer(&runtime_);
  bool from_inner = false;
  bool from_innermost = false;
  Go(&outer, [&] {
    Bundle inner(&runtime_);
    Go(&inner, [&] {
      from_inner = outer.JoinIsDeadlock();
      Bundle innermost(&runtime_);
      Go(&innermost, [&] { from_innermost = outer.JoinIsDeadlock(); });
    });
    EXPECT_FALSE(inner.JoinIsDeadlock());
  });
  EXPECT_TRUE(from_inner);
  EXPECT_TRUE(from_innermost);
}

TEST_F(BundleCloseTest, TakingOverOrTheOwnersEndChangesWhoCloses) {
  Bundle outer(&runtime_);
  std::unique_ptr<Bundle> inner;
  Bundle* const made_here = new Bundle(&runtime_);
  bool deadlock = false;
  const auto ask = [&] { deadlock = outer.JoinIsDeadlock(); };
  Go(&outer, [&] {
    inner = std::make_unique<Bundle>(&runtime_);
    Go(inner.get(), ask);
    EXPECT_TRUE(deadlock);
    EXPECT_EQ(SleepForEver(), ECANCELED);
  });
  Go(inner.get(), ask);
  EXPECT_TRUE(deadlock);
  inner->TakeOwnership();
  Go(inner.get(), ask);
  EXPECT_FALSE(deadlock);
  // The other way round.
  Go(made_here, ask);
  EXPECT_FALSE(deadlock);
  Go(&outer, [&] {
    made_here->TakeOwnership();
    EXPECT_EQ(SleepForEver(), ECANCELED);
  });
  Go(made_here, ask);
  EXPECT_TRUE(deadlock);
  outer.CancelAndJoin();
  // Nobody owns it now.
  Go(&outer, [&] { EXPECT_EQ(SleepForEver(), ECANCELED); });
  Go(made_here, ask);
  EXPECT_FALSE(deadlock);
  delete made_here;
}

TEST_F(BundleCloseTest, MadeInTheSchedulerItIsNobodys) {
  Bundle outer(&runtime_);
  std::unique_ptr<Bundle> inner;
  bool deadlock = true;
  Go(&outer, [&] {
    EXPECT_EQ(runtime_.Post([&] { inner = std::make_unique<Bundle>(&runtime_); }), 0);
    EXPECT_EQ(SleepForEver(), ECANCELED);
  });
  while (inner == nullptr) EXPECT_EQ(runtime_.SleepUntil(Deadline::In(absl::Milliseconds(1))), 0);
  Go(inner.get(), [&] { deadlock = outer.JoinIsDeadlock(); });
  EXPECT_FALSE(deadlock);
  outer.CancelAndJoin();
}

// Owners in a ring that the bundle asked about is not in: the search comes to an end.
TEST_F(BundleCloseTest, OwnersInARing) {
  Bundle a(&runtime_);
  Bundle b(&runtime_);
  Bundle c(&runtime_);
  std::optional<bool> deadlock;
  Go(&c, [&] { EXPECT_EQ(SleepForEver(), ECANCELED); });
  Go(&a, [&] {
    b.TakeOwnership();
    EXPECT_EQ(SleepForEver(), ECANCELED);
  });
  Go(&b, [&] {
    a.TakeOwnership();
    deadlock = c.JoinIsDeadlock();
    EXPECT_TRUE(a.JoinIsDeadlock());
    EXPECT_TRUE(b.JoinIsDeadlock());
    EXPECT_EQ(SleepForEver(), ECANCELED);
  });
  EXPECT_EQ(deadlock, std::optional<bool>(false));
}

TEST_F(BundleCloseTest, AnEmptyBundleIsNeverADeadlock) {
  Bundle outer(&runtime_);
  Bundle empty(&runtime_);
  Go(&outer, [&] {
    empty.TakeOwnership();
    EXPECT_FALSE(empty.JoinIsDeadlock());
    EXPECT_EQ(SleepForEver(), ECANCELED);
  });
  Go(&empty, [&] { EXPECT_TRUE(outer.JoinIsDeadlock()); });
}

TEST_F(BundleCloseTest, ManyLayersComeOutTogether) {
  int out = 0;
  std::function<void(int)> nest = [&](int depth) {
    Bundle bundle(&runtime_);
    for (int i = 0; depth < 4 && i < 3; ++i) {
      Go(&bundle, [&, depth] { nest(depth + 1); });
    }
    EXPECT_EQ(SleepForEver(), ECANCELED);
    ++out;
  };
  {
    Bundle bundle(&runtime_);
    Go(&bundle, [&] { nest(0); });
    while (runtime_.coroutine_count() < 121) EXPECT_EQ(runtime_.Yield(), 0);
  }
  EXPECT_EQ(out, 1 + 3 + 9 + 27 + 81);
}

TEST(BundleCloseDeathTest, JoiningInARingEndsTheProcess) {
  EXPECT_DEATH(
      {
        Runtime runtime;
        Bundle a(&runtime);
        Bundle b(&runtime);
        static_cast<void>(a.Start(
            [&] {
              static_cast<void>(runtime.Yield());
              b.CancelAndJoin();
            },
            {}));
        static_cast<void>(b.Start(
            [&] {
              static_cast<void>(runtime.SleepUntil(Deadline::Never()));
              a.CancelAndJoin();
            },
            {}));
        static_cast<void>(a.Wait(Deadline::Never()));
      },
      "check failed");
}

}  // namespace
}  // namespace halfpipe
