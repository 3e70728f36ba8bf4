// Hundreds of coroutines use a few channels by the C calls at random: send and receive at both ends,
// choose, time out, are cancelled, call chdone() and hclose(). Each message that was reported sent
// must be received once, and nothing else.

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/sim_clock.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/channels.h"
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

constexpr int kActors = 300;
constexpr int kOperationsPerActor = 60;
constexpr int kSlots = 5;
constexpr int kClausesMax = 20;  // more than stay on the stack

// What is sent: who, and how many before.
struct Message {
  int actor;
  int number;
};

// A channel in use.
struct Slot {
  int ends[2];
};

class Scenario {
 public:
  explicit Scenario(uint32_t seed) : random_(seed) {
    for (Slot& slot : slots_) EXPECT_EQ(chmake(slot.ends), 0);
  }

  void Run() {
    handles_.resize(kActors, -1);
    for (int i = 0; i < kActors; ++i) {
      handles_[i] = bundle();
      ASSERT_GT(handles_[i], 0);
    }
    for (int i = 0; i < kActors; ++i) {
      // Some are closed by others before they have begun.
      if (handles_[i] < 0) continue;
      ASSERT_EQ(bundle_go(handles_[i], Act(this, i)), 0);
    }
    // Time passes only when everybody waits.
    for (int minute = 0; minute < 60 && runtime_.coroutine_count() > 0; ++minute) {
      ASSERT_EQ(msleep(now() + 60'000), 0);
    }
    for (const int handle : handles_) hclose(handle);
    for (const Slot& slot : slots_) {
      for (const int end : slot.ends) EXPECT_EQ(hclose(end), 0);
    }
    EXPECT_EQ(sent_, received_);
    EXPECT_GT(sent_.size(), 1000u);
    EXPECT_GT(counts_[ETIMEDOUT], 100);
    EXPECT_GT(counts_[ECANCELED], 10);
    EXPECT_GT(counts_[EPIPE], 10);
  }

 private:
  static coroutine void Act(Scenario* self, int actor) {
    for (int i = 0; i < kOperationsPerActor; ++i) {
      const int kind = self->Random(100);
      int error = 0;
      if (kind < 60) {
        error = self->TransferOne(actor);
      } else if (kind < 90) {
        error = self->ChooseOne(actor);
      } else if (kind < 93) {
        error = msleep(now() + self->Random(20'000)) == 0 ? 0 : errno;
      } else if (kind < 95) {
        error = self->CloseSomebody(actor);
      } else if (kind < 97) {
        self->Replace(&self->slots_[self->Random(kSlots)]);
      }
      ++self->counts_[error];
      if (error == ECANCELED) return;
    }
  }

  int Random(int bound) { return std::uniform_int_distribution<int>(0, bound - 1)(random_); }

  int64_t RandomDeadline() {
    const int kind = Random(10);
    return kind < 2 ? -kind : now() + 1 + Random(30'000);
  }

  Message NextMessage(int actor) { return {actor, next_number_[actor]++}; }

  void Sent(const Message& message) {
    EXPECT_TRUE(sent_.insert({message.actor, message.number}).second);
  }
  void Received(const Message& message) {
    EXPECT_TRUE(received_.insert({message.actor, message.number}).second);
  }

  int TransferOne(int actor) {
    const int end = slots_[Random(kSlots)].ends[Random(2)];
    if (Random(2) == 0) {
      const Message message = NextMessage(actor);
      if (chsend(end, &message, sizeof(message), RandomDeadline()) != 0) return errno;
      Sent(message);
    } else {
      Message message = {-1, -1};
      if (chrecv(end, &message, sizeof(message), RandomDeadline()) != 0) return errno;
      Received(message);
    }
    return 0;
  }

  int ChooseOne(int actor) {
    std::vector<chclause> clauses(1 + Random(kClausesMax));
    std::vector<Message> messages(clauses.size());
    const Message unset = {-1, -1};
    for (size_t i = 0; i < clauses.size(); ++i) {
      const bool sends = Random(2) == 0;
      messages[i] = sends ? NextMessage(actor) : unset;
      clauses[i] = {sends ? CHSEND : CHRECV, slots_[Random(kSlots)].ends[Random(2)], &messages[i],
                    sizeof(Message)};
    }
    const int index = choose(clauses.data(), static_cast<int>(clauses.size()), RandomDeadline());
    const int error = errno;
    for (size_t i = 0; i < clauses.size(); ++i) {
      const bool performed = static_cast<int>(i) == index && error == 0;
      if (performed && clauses[i].op == CHSEND) Sent(messages[i]);
      if (performed && clauses[i].op == CHRECV) Received(messages[i]);
      EXPECT_TRUE(performed || clauses[i].op == CHSEND || messages[i].actor == -1);
    }
    return error;
  }

  // Cancels another actor, in whatever it is. Not when cancelled itself: two that close each other
  // would wait for each other.
  int CloseSomebody(int actor) {
    if (yield() != 0) return errno;
    const int victim = Random(kActors);
    if (victim == actor) return 0;
    hclose(std::exchange(handles_[victim], -1));
    return 0;
  }

  // Ends a channel one way or the other; a new one takes its place.
  void Replace(Slot* slot) {
    int ends[2];
    if (chmake(ends) != 0) return;
    std::swap(ends[0], slot->ends[0]);
    std::swap(ends[1], slot->ends[1]);
    if (Random(2) == 0) {
      EXPECT_EQ(chdone(ends[Random(2)]), 0);
    }
    const int first = Random(2);
    EXPECT_EQ(hclose(ends[first]), 0);
    EXPECT_EQ(hclose(ends[1 - first]), 0);
  }

  std::mt19937 random_;
  SimRuntime runtime_;
  Slot slots_[kSlots];
  std::vector<int> handles_;  // each actor's bundle; -1: closed
  std::map<int, int> next_number_;
  std::set<std::pair<int, int>> sent_;
  std::set<std::pair<int, int>> received_;
  std::map<int, int> counts_;  // of results, by errno
};

TEST(ChannelsModelTest, EachMessageArrivesOnce) {
  for (uint32_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::cout << "seed " << seed << std::endl;
    Scenario(seed).Run();
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace halfpipe
