#include "websocket/message_assembly.h"

#include <cerrno>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/testing/allocation_faults.h"
#include "bytestream/testing/sim_clock.h"
#include "gtest/gtest.h"
#include "websocket/testing/bytes.h"

namespace halfpipe::websocket {
namespace {

TEST(MessageAssemblyTest, PartsInTheirOrder) {
  SimRuntime runtime;
  Counter in_use;
  MessageBudget budget(&runtime, 100'000, &in_use);
  std::string expected;
  {
    MessageAssembly assembly(&budget);
    EXPECT_EQ(in_use.value(), 0u);
    EXPECT_TRUE(assembly.Append({}, Deadline::Immediately()).ok());
    EXPECT_EQ(in_use.value(), 0u);
    for (int i = 0; i < 100; ++i) {
      const std::string part(static_cast<size_t>(i) * 7, static_cast<char>('a' + i % 26));
      ASSERT_TRUE(assembly.Append(AsBytes(part), Deadline::Immediately()).ok());
      expected += part;
    }
    EXPECT_EQ(std::string(AsChars(assembly.bytes())), expected);
    EXPECT_GE(in_use.value(), expected.size());
    EXPECT_LE(in_use.value(), 2 * expected.size());
    EXPECT_EQ(in_use.value() + budget.available(), 100'000u);
    assembly.Clear();
    EXPECT_EQ(in_use.value(), 0u);
    ASSERT_TRUE(assembly.Append(AsBytes("again"), Deadline::Immediately()).ok());
    EXPECT_EQ(AsChars(assembly.bytes()), "again");
  }
  EXPECT_EQ(in_use.value(), 0u);
  EXPECT_EQ(budget.available(), 100'000u);
}

TEST(MessageAssemblyTest, RoomThatAPartLeft) {
  SimRuntime runtime;
  Counter in_use;
  MessageBudget budget(&runtime, 100'000, &in_use);
  MessageAssembly assembly(&budget);
  EXPECT_TRUE(assembly.room().empty());
  std::string expected(5000, 'x');
  ASSERT_TRUE(assembly.Append(AsBytes(expected), Deadline::Immediately()).ok());
  ASSERT_TRUE(assembly.Append(AsBytes("y"), Deadline::Immediately()).ok());
  expected += "y";
  const size_t taken = in_use.value();
  ASSERT_EQ(assembly.room().size(), taken - expected.size());
  ASSERT_GT(assembly.room().size(), 10u);
  assembly.room()[0] = 'a';
  assembly.room()[1] = 'b';
  assembly.Added(2);
  expected += "ab";
  EXPECT_EQ(AsChars(assembly.bytes()), expected);
  for (size_t i = assembly.room().size(); i > 0; --i) {
    assembly.room()[0] = 'c';
    assembly.Added(1);
    expected += 'c';
  }
  EXPECT_TRUE(assembly.room().empty());
  EXPECT_EQ(in_use.value(), taken);
  ASSERT_TRUE(assembly.Append(AsBytes("end"), Deadline::Immediately()).ok());
  expected += "end";
  EXPECT_EQ(AsChars(assembly.bytes()), expected);
  assembly.Clear();
  EXPECT_TRUE(assembly.room().empty());
}

TEST(MessageAssemblyTest, TheWholeBudgetAndNoMore) {
  SimRuntime runtime;
  Counter in_use;
  MessageBudget budget(&runtime, 5000, &in_use);
  MessageAssembly assembly(&budget);
  const std::string half(2500, 'x');
  ASSERT_TRUE(assembly.Append(AsBytes(half), Deadline::Immediately()).ok());
  ASSERT_TRUE(assembly.Append(AsBytes(half), Deadline::Immediately()).ok());
  EXPECT_EQ(in_use.value(), 5000u);
  EXPECT_EQ(StatusErrno(assembly.Append(AsBytes("x"), Deadline::Never())), ENOMEM);
  EXPECT_EQ(assembly.bytes().size(), 5000u);
}

TEST(MessageAssemblyTest, WaitsForOthersInOrder) {
  SimRuntime runtime;
  Counter in_use;
  MessageBudget budget(&runtime, 3000, &in_use);
  MessageAssembly first(&budget);
  ASSERT_TRUE(first.Append(AsBytes(std::string(2500, 'x')), Deadline::Immediately()).ok());
  std::vector<int> order;
  Bundle bundle(&runtime);
  for (const int number : {1, 2}) {
    ASSERT_TRUE(bundle
                    .Go([&, number] {
                      MessageAssembly other(&budget);
                      // The second one would find room before the first.
                      const std::string bytes(number == 1 ? 3000 : 1, 'y');
                      EXPECT_TRUE(other.Append(AsBytes(bytes), Deadline::Never()).ok());
                      order.push_back(number);
                    })
                    .ok());
  }
  MessageAssembly late(&budget);
  EXPECT_EQ(StatusErrno(late.Append(AsBytes("z"), Deadline::In(absl::Seconds(1)))), ETIMEDOUT);
  EXPECT_TRUE(late.bytes().empty());
  EXPECT_TRUE(order.empty());
  first.Clear();
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
  EXPECT_EQ(in_use.value(), 0u);
}

// Those that have part of a message would keep it for nothing if they waited behind those that have
// none.
TEST(MessageAssemblyTest, WhoHasPartOfOneComesFirst) {
  SimRuntime runtime;
  Counter in_use;
  MessageBudget budget(&runtime, 3000, &in_use);
  MessageAssembly first(&budget);
  MessageAssembly second(&budget);
  ASSERT_TRUE(first.Append(AsBytes(std::string(1500, 'x')), Deadline::Immediately()).ok());
  ASSERT_TRUE(second.Append(AsBytes(std::string(1100, 'x')), Deadline::Immediately()).ok());
  std::vector<int> order;
  Bundle bundle(&runtime);
  ASSERT_TRUE(bundle
                  .Go([&] {
                    MessageAssembly third(&budget);
                    EXPECT_TRUE(
                        third.Append(AsBytes(std::string(2000, 'y')), Deadline::Never()).ok());
                    order.push_back(3);
                  })
                  .ok());
  // There is room for that.
  EXPECT_TRUE(second.Append(AsBytes(std::string(200, 'x')), Deadline::Immediately()).ok());
  ASSERT_TRUE(bundle
                  .Go([&] {
                    EXPECT_TRUE(
                        second.Append(AsBytes(std::string(1000, 'y')), Deadline::Never()).ok());
                    order.push_back(2);
                    second.Clear();
                  })
                  .ok());
  first.Clear();
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(order, (std::vector<int>{2, 3}));
  EXPECT_EQ(budget.available(), 3000u);
}

TEST(MessageAssemblyTest, WithoutMemoryNothingIsTaken) {
  SimRuntime runtime;
  Counter in_use;
  MessageBudget budget(&runtime, 100'000, &in_use);
  SweepAllocations([&](AllocationFault& fault) {
    MessageAssembly assembly(&budget);
    std::string expected;
    for (int i = 0; i < 5; ++i) {
      const std::string part(2000, static_cast<char>('a' + i));
      const absl::Status status = assembly.Append(AsBytes(part), Deadline::Immediately());
      if (status.ok()) expected += part;
      EXPECT_EQ(StatusErrno(status), status.ok() ? 0 : ENOMEM);
      EXPECT_TRUE(status.ok() || fault.hit());
    }
    EXPECT_EQ(std::string(AsChars(assembly.bytes())), expected);
  });
  EXPECT_EQ(budget.available(), 100'000u);
}

}  // namespace
}  // namespace halfpipe::websocket
