#include "bytestream/runtime/timer_heap.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <map>
#include <random>
#include <vector>

#include "bytestream/base/deadline.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

TEST(TimerHeapTest, EmptyAndOne) {
  TimerHeap heap;
  TimerHeap::Node node;
  EXPECT_TRUE(heap.empty());
  EXPECT_EQ(heap.Earliest(), nullptr);
  heap.Remove(&node);
  EXPECT_FALSE(node.armed());
  heap.Insert(&node, Deadline::AtNanos(5));
  EXPECT_TRUE(node.armed());
  EXPECT_EQ(node.deadline(), Deadline::AtNanos(5));
  EXPECT_EQ(heap.Earliest(), &node);
  EXPECT_EQ(heap.size(), 1u);
  heap.Remove(&node);
  heap.Remove(&node);
  EXPECT_EQ(heap.size(), 0u);
  EXPECT_TRUE(heap.empty());
}

TEST(TimerHeapTest, EqualDeadlinesComeOutInTheOrderTheyWentIn) {
  TimerHeap heap;
  std::deque<TimerHeap::Node> nodes(100);
  for (TimerHeap::Node& node : nodes) heap.Insert(&node, Deadline::AtNanos(7));
  // One that leaves and comes back goes behind the others.
  heap.Remove(&nodes[40]);
  heap.Insert(&nodes[40], Deadline::AtNanos(7));
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (i == 40) continue;
    ASSERT_EQ(heap.Earliest(), &nodes[i]);
    heap.Remove(&nodes[i]);
  }
  EXPECT_EQ(heap.Earliest(), &nodes[40]);
  heap.Remove(&nodes[40]);
}

// Every position of every small heap, before and after the shape changed by taking the earliest.
TEST(TimerHeapTest, RemovalEverywhere) {
  for (int count = 1; count <= 12; ++count) {
    for (int taken = 0; taken < count; ++taken) {
      for (int removed = taken; removed < count; ++removed) {
        TimerHeap heap;
        std::deque<TimerHeap::Node> nodes(count);
        for (int i = 0; i < count; ++i)
          heap.Insert(&nodes[i], Deadline::AtNanos(1 + i * 5 % count));
        std::multimap<int64_t, TimerHeap::Node*> model;
        for (TimerHeap::Node& node : nodes) model.emplace(node.deadline().nanos(), &node);
        for (int i = 0; i < taken; ++i) {
          ASSERT_EQ(heap.Earliest(), model.begin()->second);
          heap.Remove(heap.Earliest());
          model.erase(model.begin());
        }
        const auto victim = std::next(model.begin(), removed - taken);
        heap.Remove(victim->second);
        model.erase(victim);
        for (const auto& [nanos, node] : model) {
          ASSERT_EQ(heap.Earliest(), node) << count << " " << taken << " " << removed;
          heap.Remove(node);
        }
        ASSERT_TRUE(heap.empty());
      }
    }
  }
}

// A std::multimap keeps equal keys in the order of insertion: the same promise.
TEST(TimerHeapTest, AgreesWithAMultimap) {
  for (uint32_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    const int64_t range = seed % 2 == 0 ? 20 : 1'000'000;
    TimerHeap heap;
    std::deque<TimerHeap::Node> nodes(200);
    std::multimap<int64_t, TimerHeap::Node*> model;
    for (int step = 0; step < 4000; ++step) {
      TimerHeap::Node* const node = &nodes[random() % nodes.size()];
      if (random() % 8 == 0 && !heap.empty()) {
        ASSERT_EQ(heap.Earliest(), model.begin()->second);
        heap.Remove(heap.Earliest());
        model.erase(model.begin());
      } else if (node->armed()) {
        heap.Remove(node);
        for (auto it = model.begin();; ++it) {
          if (it->second != node) continue;
          model.erase(it);
          break;
        }
      } else {
        const int64_t nanos = 1 + random() % range;
        heap.Insert(node, Deadline::AtNanos(nanos));
        model.emplace(nanos, node);
      }
      ASSERT_EQ(heap.size(), model.size());
      ASSERT_EQ(heap.Earliest(), model.empty() ? nullptr : model.begin()->second);
    }
    while (!model.empty()) {
      ASSERT_EQ(heap.Earliest(), model.begin()->second);
      heap.Remove(heap.Earliest());
      model.erase(model.begin());
    }
  }
}

// The shapes that would exhaust the stack of a recursive heap, or cost square time.
TEST(TimerHeapTest, AHundredThousandNodes) {
  constexpr int kCount = 100'000;
  for (const bool ascending : {true, false}) {
    TimerHeap heap;
    std::deque<TimerHeap::Node> nodes(kCount);
    for (int i = 0; i < kCount; ++i) {
      heap.Insert(&nodes[i], Deadline::AtNanos(ascending ? i + 1 : kCount - i));
    }
    EXPECT_EQ(heap.size(), size_t{kCount});
    for (int i = 0; i < kCount; i += 2) heap.Remove(&nodes[i]);
    int64_t before = 0;
    for (int i = 0; i < kCount / 2; ++i) {
      TimerHeap::Node* const node = heap.Earliest();
      ASSERT_NE(node, nullptr);
      ASSERT_LT(before, node->deadline().nanos());
      before = node->deadline().nanos();
      heap.Remove(node);
    }
    EXPECT_TRUE(heap.empty());
  }
}

TEST(TimerHeapDeathTest, MisuseEndsTheProcess) {
  TimerHeap heap;
  TimerHeap::Node node;
  EXPECT_DEATH(heap.Insert(&node, Deadline::Never()), "check failed");
  heap.Insert(&node, Deadline::AtNanos(1));
  EXPECT_DEATH(heap.Insert(&node, Deadline::AtNanos(1)), "check failed");
  heap.Remove(&node);
}

}  // namespace
}  // namespace halfpipe
