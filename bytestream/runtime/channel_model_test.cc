// Hundreds of coroutines send, receive, select, sleep, cancel and close at random on a few
// channels. A reference that knows nothing of lists and waits, but keeps all operations in one
// sequence and searches it, says what each operation must come to.

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iostream>
#include <iterator>
#include <list>
#include <optional>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/channel.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/sim_clock.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

constexpr int kNothing = -1;

// One clause of an operation.
struct ModelClause {
  int channel;
  bool sends;
  int value;  // to send
};

// How an operation ended.
struct Outcome {
  int error = 0;         // ETIMEDOUT, ECANCELED; 0: `index` says which clause
  size_t index = 0;      // of the clause
  bool done = false;     // its channel is done
  int value = kNothing;  // received
};

// An operation that waits.
struct Waiting {
  int actor;
  std::vector<ModelClause> clauses;
  Deadline deadline;
  std::optional<Outcome> outcome;  // set by another operation, or by a cancellation
};

// The reference.
class Model {
 public:
  explicit Model(Clock* clock) : clock_(clock) {}

  void AddChannel() { done_.push_back(false); }

  // Clauses that can be performed at this moment.
  std::vector<size_t> Ready(const std::vector<ModelClause>& clauses) {
    std::vector<size_t> ready;
    for (size_t i = 0; i < clauses.size(); ++i) {
      if (done_[clauses[i].channel] || FindPeer(clauses[i]).first != nullptr) ready.push_back(i);
    }
    return ready;
  }

  // Clause `index`, which is ready, is performed: what the operation must come to.
  Outcome Perform(const std::vector<ModelClause>& clauses, size_t index) {
    const ModelClause& mine = clauses[index];
    Outcome outcome;
    outcome.index = index;
    outcome.done = done_[mine.channel];
    if (outcome.done) return outcome;
    const auto [peer, peer_index] = FindPeer(mine);
    Outcome theirs;
    theirs.index = peer_index;
    if (mine.sends) {
      theirs.value = mine.value;
      Transferred(mine.value);
    } else {
      outcome.value = peer->clauses[peer_index].value;
      Transferred(outcome.value);
    }
    peer->outcome = theirs;
    return outcome;
  }

  Waiting* Wait(int actor, std::vector<ModelClause> clauses, Deadline deadline) {
    waiting_.push_back({actor, std::move(clauses), deadline, std::nullopt});
    return &waiting_.back();
  }

  // The operation has returned: what it must have come to.
  Outcome Finish(Waiting* waiting) {
    Outcome outcome;
    if (waiting->outcome.has_value()) {
      outcome = *waiting->outcome;
    } else {
      // Nobody ended it, so it must have been the time.
      EXPECT_TRUE(Expired(*waiting));
      outcome.error = ETIMEDOUT;
    }
    waiting_.remove_if([&](const Waiting& other) { return &other == waiting; });
    return outcome;
  }

  void Done(int channel) {
    if (done_[channel]) return;
    // Those that wait to send come first; of several clauses of one operation the first in line.
    for (const bool sends : {true, false}) {
      for (Waiting& waiting : waiting_) {
        for (size_t i = 0; i < waiting.clauses.size() && Alive(waiting); ++i) {
          const ModelClause& clause = waiting.clauses[i];
          if (clause.channel != channel || clause.sends != sends) continue;
          waiting.outcome = Outcome();
          waiting.outcome->index = i;
          waiting.outcome->done = true;
        }
      }
    }
    done_[channel] = true;
  }

  void Cancel(int actor) {
    for (Waiting& waiting : waiting_) {
      if (waiting.actor != actor || !Alive(waiting)) continue;
      waiting.outcome = Outcome();
      waiting.outcome->error = ECANCELED;
    }
  }

  // Whoever has the `nth` place among those that wait, counted round and round; 0 if nobody waits.
  int SomebodyWaiting(size_t nth) const {
    if (waiting_.empty()) return 0;
    return std::next(waiting_.begin(), static_cast<int>(nth % waiting_.size()))->actor;
  }

  bool done(int channel) const { return done_[channel]; }
  size_t transferred_count() const { return transferred_.size(); }

 private:
  bool Expired(const Waiting& waiting) const {
    return waiting.deadline.ExpiredAt(clock_->NowNanos());
  }
  bool Alive(const Waiting& waiting) const {
    return !waiting.outcome.has_value() && !Expired(waiting);
  }

  // Who has waited longest on the other side, and with which clause.
  std::pair<Waiting*, size_t> FindPeer(const ModelClause& mine) {
    for (Waiting& waiting : waiting_) {
      if (!Alive(waiting)) continue;
      for (size_t i = 0; i < waiting.clauses.size(); ++i) {
        const ModelClause& clause = waiting.clauses[i];
        if (clause.channel == mine.channel && clause.sends != mine.sends) return {&waiting, i};
      }
    }
    return {nullptr, 0};
  }

  void Transferred(int value) {
    EXPECT_TRUE(transferred_.insert(value).second) << value << " came twice";
  }

  Clock* const clock_;
  std::vector<bool> done_;
  std::list<Waiting> waiting_;
  std::set<int> transferred_;
};

constexpr int kActors = 300;
constexpr int kOperationsPerActor = 60;
constexpr int kSlots = 6;
constexpr size_t kClausesMax = 6;

class Scenario {
 public:
  explicit Scenario(uint32_t seed) : random_(seed) {
    for (int& slot : slots_) slot = AddChannel();
    for (int i = 0; i < kActors; ++i) bundles_.emplace_back(&runtime_);
  }

  void Run() {
    for (int i = 0; i < kActors; ++i) {
      ASSERT_TRUE(bundles_[i].Go([this, i] { Act(i); }).ok());
    }
    // Time passes only when everybody waits.
    for (int minute = 0; minute < 60 && runtime_.coroutine_count() > 0; ++minute) {
      ASSERT_EQ(runtime_.SleepUntil(Deadline::In(absl::Minutes(1))), 0);
    }
    for (int i = 0; i < kActors; ++i) Cancel(i);
    while (runtime_.coroutine_count() > 0) ASSERT_EQ(runtime_.Yield(), 0);
    // The test has tested something.
    EXPECT_GT(model_.transferred_count(), 1000u);
    EXPECT_GT(timeouts_, 100);
    EXPECT_GT(cancellations_, 10);
    EXPECT_GT(dones_, 10);
  }

 private:
  int Random(int bound) { return std::uniform_int_distribution<int>(0, bound - 1)(random_); }

  int AddChannel() {
    channels_.emplace_back(&runtime_);
    model_.AddChannel();
    return static_cast<int>(channels_.size()) - 1;
  }

  void Act(int actor) {
    for (int i = 0; i < kOperationsPerActor; ++i) {
      const int kind = Random(100);
      if (kind < 80) {
        if (!Operate(actor, kind < 50 ? 1 : 1 + static_cast<size_t>(Random(kClausesMax)))) return;
      } else if (kind < 84) {
        if (runtime_.SleepUntil(Deadline::In(absl::Seconds(Random(20)))) != 0) return;
      } else if (kind < 87) {
        Cancel(Random(2) == 0 ? Random(kActors) : model_.SomebodyWaiting(Random(1000)));
      } else if (kind < 90) {
        Close(&slots_[Random(kSlots)]);
      }
      // So often that no operation yields by itself.
      if (runtime_.Yield() != 0) return;
    }
  }

  void Cancel(int actor) {
    model_.Cancel(actor);
    bundles_[actor].Cancel();
  }

  // Ends a channel. A new one takes its place, at once or the next time.
  void Close(int* slot) {
    const int channel = *slot;
    const bool stays = !model_.done(channel) && Random(2) == 0;
    model_.Done(channel);
    channels_[channel].Done();
    if (!stays) *slot = AddChannel();
  }

  Deadline RandomDeadline() {
    const int kind = Random(10);
    if (kind == 0) return Deadline::Immediately();
    if (kind == 1) return Deadline::Never();
    return Deadline::In(absl::Seconds(1 + Random(30)));
  }

  // One operation of `count` clauses, by the channels and by the model. False: cancelled.
  bool Operate(int actor, size_t count) {
    std::vector<ModelClause> clauses;
    for (size_t i = 0; i < count; ++i) {
      clauses.push_back({slots_[Random(kSlots)], Random(2) == 0, next_value_++});
    }
    const Deadline deadline = RandomDeadline();
    // Without Select() at times.
    const bool directly = count == 1 && Random(2) == 0;
    const std::vector<size_t> ready = model_.Ready(clauses);
    const bool waits = ready.empty() && !deadline.is_immediate();
    Waiting* const waiting = waits ? model_.Wait(actor, clauses, deadline) : nullptr;
    const Outcome actual =
        directly ? PerformDirectly(clauses[0], deadline) : PerformBySelect(clauses, deadline);
    Outcome expected;
    if (waits) {
      expected = model_.Finish(waiting);
    } else if (ready.empty()) {
      expected.error = ETIMEDOUT;
    } else {
      EXPECT_EQ(std::count(ready.begin(), ready.end(), actual.index), 1);
      expected = model_.Perform(clauses, actual.index);
    }
    EXPECT_EQ(actual.error, expected.error);
    EXPECT_EQ(actual.index, expected.index);
    EXPECT_EQ(actual.done, expected.done);
    EXPECT_EQ(actual.value, expected.value);
    timeouts_ += actual.error == ETIMEDOUT ? 1 : 0;
    cancellations_ += actual.error == ECANCELED ? 1 : 0;
    dones_ += actual.done ? 1 : 0;
    return actual.error != ECANCELED;
  }

  Outcome PerformDirectly(const ModelClause& clause, Deadline deadline) {
    Outcome outcome;
    Channel<int>& channel = channels_[clause.channel];
    if (clause.sends) {
      outcome.error = StatusErrno(channel.Send(int{clause.value}, deadline));
      if (outcome.error == EPIPE) outcome = {0, 0, true, kNothing};
      return outcome;
    }
    const absl::StatusOr<std::optional<int>> result = channel.Receive(deadline);
    outcome.error = StatusErrno(result.status());
    outcome.done = result.ok() && !result->has_value();
    if (result.ok() && result->has_value()) outcome.value = **result;
    return outcome;
  }

  Outcome PerformBySelect(std::vector<ModelClause> clauses, Deadline deadline) {
    std::vector<std::optional<int>> received(clauses.size());
    std::vector<SelectClause> selectable;
    for (size_t i = 0; i < clauses.size(); ++i) {
      Channel<int>& channel = channels_[clauses[i].channel];
      selectable.push_back(clauses[i].sends ? channel.SendClause(&clauses[i].value)
                                            : channel.ReceiveClause(&received[i]));
    }
    const absl::StatusOr<Selected> selected =
        Select(&runtime_, absl::MakeSpan(selectable), deadline);
    Outcome outcome;
    outcome.error = StatusErrno(selected.status());
    if (!selected.ok()) return outcome;
    outcome.index = selected->index;
    outcome.done = selected->done;
    for (size_t i = 0; i < clauses.size(); ++i) {
      if (i == selected->index) outcome.value = received[i].value_or(kNothing);
      EXPECT_TRUE(i == selected->index || !received[i].has_value());
    }
    return outcome;
  }

  std::mt19937 random_;
  SimRuntime runtime_;
  Model model_{&runtime_.clock()};
  std::deque<Channel<int>> channels_;
  int slots_[kSlots];  // the channels in use
  int next_value_ = 0;
  int timeouts_ = 0;
  int cancellations_ = 0;
  int dones_ = 0;
  std::deque<Bundle> bundles_;  // one for each actor
};

TEST(ChannelModelTest, DoesWhatTheModelSays) {
  for (uint32_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::cout << "seed " << seed << std::endl;
    Scenario(seed).Run();
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace halfpipe
