#include "bytestream/handle/handle_table.h"

#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "bytestream/base/deadline.h"
#include "bytestream/handle/handle_type.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

constexpr HandleType kProbeType{"probe"};
constexpr HandleType kOtherType{"other"};

// Writes down what the table does to it.
class Probe final : public HandleObject {
 public:
  explicit Probe(std::string* log) : log_(log) {}

  void* Query(const void* type) override { return type == &kProbeType ? this : nullptr; }
  int CheckClose() override { return refuse_; }
  void Close() noexcept override {
    *log_ += "close ";
    if (while_closing_ != nullptr) while_closing_(this);
  }
  void Dispose() noexcept override {
    *log_ += "dispose ";
    delete this;
  }

  int refuse_ = 0;
  void (*while_closing_)(Probe*) = nullptr;

 private:
  std::string* const log_;
};

class HandleTableTest : public testing::Test {
 protected:
  HandleTable& table() { return HandleTable::Current(); }
  Probe* NewProbe() { return new Probe(&log_); }

  std::string log_;
  Runtime runtime_;
};

TEST_F(HandleTableTest, CurrentBelongsToTheRuntime) {
  HandleTable* const outer = &table();
  EXPECT_EQ(&HandleTable::Current(), outer);
  {
    Runtime inner;
    EXPECT_NE(&HandleTable::Current(), outer);
    EXPECT_EQ(HandleTable::Current().runtime(), &inner);
  }
  EXPECT_EQ(&HandleTable::Current(), outer);
}

TEST_F(HandleTableTest, ClosedNumberIsDead) {
  Probe* const probe = NewProbe();
  const int h = table().Make(probe);
  ASSERT_GT(h, 0);
  EXPECT_EQ(table().Find(h), probe);
  EXPECT_EQ(table().live_count(), 1u);
  EXPECT_EQ(table().Close(h), 0);
  EXPECT_EQ(log_, "close dispose ");
  EXPECT_EQ(table().Find(h), nullptr);
  EXPECT_EQ(table().Close(h), EBADF);
  EXPECT_EQ(table().live_count(), 0u);
}

// Twenty thousand later handles are never mistaken for one that was closed.
TEST_F(HandleTableTest, ClosedNumberIsNotReused) {
  const int h = table().Make(NewProbe());
  ASSERT_EQ(table().Close(h), 0);
  for (int i = 0; i < 20000; ++i) {
    const int next = table().Make(NewProbe());
    ASSERT_NE(next, h);
    ASSERT_EQ(table().Find(h), nullptr);
    ASSERT_EQ(table().Close(next), 0);
    log_.clear();
  }
}

TEST_F(HandleTableTest, NoNumberThatWasNotGiven) {
  const int h = table().Make(NewProbe());
  for (const int other : {0, -1, 1, INT32_MAX, INT32_MIN, h + 1, h - 1, h ^ (1 << 20), -h}) {
    EXPECT_EQ(table().Find(other), nullptr) << other;
    EXPECT_EQ(table().Close(other), EBADF) << other;
  }
  EXPECT_EQ(table().Close(h), 0);
}

TEST_F(HandleTableTest, OwnMovesToAnotherNumber) {
  Probe* const probe = NewProbe();
  const int h = table().Make(probe);
  int owned = 0;
  ASSERT_EQ(table().Own(h, &owned), 0);
  EXPECT_NE(owned, h);
  EXPECT_EQ(table().Find(h), nullptr);
  EXPECT_EQ(table().Find(owned), probe);
  EXPECT_EQ(log_, "");
  EXPECT_EQ(table().Own(h, &owned), EBADF);
  EXPECT_EQ(table().Close(owned), 0);
}

TEST_F(HandleTableTest, OwnInCancelledCoroutineCloses) {
  const int h = table().Make(NewProbe());
  int result = 0;
  {
    Bundle bundle(&runtime_);
    ASSERT_TRUE(bundle
                    .Go([&] {
                      EXPECT_EQ(runtime_.SleepUntil(Deadline::Never()), ECANCELED);
                      int owned = 0;
                      result = table().Own(h, &owned);
                    })
                    .ok());
  }
  EXPECT_EQ(result, ECANCELED);
  EXPECT_EQ(log_, "close dispose ");
  EXPECT_EQ(table().Find(h), nullptr);
}

TEST_F(HandleTableTest, ReleaseHandsTheObjectOver) {
  Probe* const probe = NewProbe();
  const int h = table().Make(probe);
  int error = -1;
  EXPECT_EQ(table().Release(h, &error), probe);
  EXPECT_EQ(error, 0);
  EXPECT_EQ(log_, "");
  EXPECT_EQ(table().Release(h, &error), nullptr);
  EXPECT_EQ(error, EBADF);
  const int again = table().Make(probe);
  EXPECT_GT(again, 0);
  EXPECT_EQ(table().Close(again), 0);
}

TEST_F(HandleTableTest, QueryByType) {
  Probe* const probe = NewProbe();
  const int h = table().Make(probe);
  {
    PinnedHandle pin(h);
    ASSERT_TRUE(pin);
    EXPECT_EQ(pin.Query<Probe>(kProbeType), probe);
    EXPECT_EQ(pin.Query<Probe>(kOtherType), nullptr);
  }
  EXPECT_FALSE(PinnedHandle(h + 1));
  EXPECT_EQ(table().Close(h), 0);
}

TEST_F(HandleTableTest, PinKeepsTheObjectAndForbidsMoving) {
  const int h = table().Make(NewProbe());
  {
    PinnedHandle first(h);
    {
      PinnedHandle second(h);
      int owned = 0;
      int error = 0;
      EXPECT_EQ(table().Own(h, &owned), EBUSY);
      EXPECT_EQ(table().Release(h, &error), nullptr);
      EXPECT_EQ(error, EBUSY);
      EXPECT_FALSE(first.closed());
      EXPECT_EQ(table().Close(h), 0);
      EXPECT_TRUE(second.closed());
      EXPECT_EQ(log_, "close ");
      EXPECT_EQ(table().Close(h), EBADF);
    }
    EXPECT_EQ(log_, "close ");
  }
  EXPECT_EQ(log_, "close dispose ");
}

TEST_F(HandleTableTest, RefusedCloseDoesNothing) {
  Probe* const probe = NewProbe();
  const int h = table().Make(probe);
  probe->refuse_ = EDEADLK;
  EXPECT_EQ(table().Close(h), EDEADLK);
  EXPECT_EQ(table().Find(h), probe);
  EXPECT_EQ(log_, "");
  probe->refuse_ = 0;
  EXPECT_EQ(table().Close(h), 0);
}

// A caller that comes out while Close() is still at work does not free the object under it.
TEST_F(HandleTableTest, CloseHoldsTheObject) {
  Probe* const probe = NewProbe();
  probe->while_closing_ = [](Probe* self) { PinnedHandle pin(self); };
  EXPECT_EQ(table().Close(table().Make(probe)), 0);
  EXPECT_EQ(log_, "close dispose ");
}

TEST_F(HandleTableTest, AnotherThreadsHandleIsUnknown) {
  std::vector<int> numbers;
  for (int i = 0; i < 50; ++i) numbers.push_back(table().Make(NewProbe()));
  std::thread other([&] {
    std::string log;
    std::vector<int> own;
    // Builds with NDEBUG leave a chance of 1 in 2048.
    for (int i = 0; i < 50; ++i) own.push_back(HandleTable::Current().Make(new Probe(&log)));
#ifndef NDEBUG
    for (const int number : numbers) EXPECT_EQ(HandleTable::Current().Find(number), nullptr);
#endif
    for (const int number : own) EXPECT_EQ(HandleTable::Current().Close(number), 0);
  });
  other.join();
  for (const int number : numbers) EXPECT_EQ(table().Close(number), 0);
}

TEST_F(HandleTableTest, EndOfTheRuntimeClosesWhatIsLeft) {
  {
    Runtime inner;
    EXPECT_GT(HandleTable::Current().Make(NewProbe()), 0);
    EXPECT_GT(HandleTable::Current().Make(NewProbe()), 0);
  }
  EXPECT_EQ(log_, "close dispose close dispose ");
}

TEST_F(HandleTableTest, EndOfTheThreadLeavesWhatIsInUse) {
  std::thread([&] {
    Runtime& runtime = Runtime::Current();
    HandleTable& table = HandleTable::Current();
    const int h = table.Make(NewProbe());
    // Lives until the process ends, as its coroutine does.
    static Bundle* const bundle = new Bundle(&runtime);
    EXPECT_TRUE(bundle
                    ->Go([h, &runtime] {
                      PinnedHandle pin(h);
                      static_cast<void>(runtime.SleepUntil(Deadline::Never()));
                    })
                    .ok());
  }).join();
  EXPECT_EQ(log_, "");
}

TEST_F(HandleTableTest, FullTable) {
  std::vector<int> numbers;
  EXPECT_EQ(table().CheckRoom(), 0);
  // One object under many numbers: none of them is closed.
  std::string log;
  Probe* const probe = new Probe(&log);
  for (uint32_t i = 0; i < HandleTable::kLiveMax; ++i) {
    const int number = table().Make(probe);
    ASSERT_GT(number, 0);
    numbers.push_back(number);
  }
  EXPECT_EQ(table().CheckRoom(), EMFILE);
  EXPECT_EQ(table().Make(probe), -EMFILE);
  int owned = 0;
  EXPECT_EQ(table().Own(numbers[0], &owned), EMFILE);
  EXPECT_EQ(table().Find(numbers[0]), probe);
  int error = 0;
  for (const int number : numbers) ASSERT_EQ(table().Release(number, &error), probe);
  EXPECT_EQ(table().CheckRoom(), 0);
  probe->Dispose();
}

}  // namespace
}  // namespace halfpipe
