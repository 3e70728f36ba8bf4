#include "bytestream/runtime/channel.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/wait_sweep.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

using testing::ElementsAre;
using testing::Optional;

const Deadline kNever = Deadline::Never();
const Deadline kNow = Deadline::Immediately();

Deadline In(int minutes) { return Deadline::In(absl::Minutes(minutes)); }

class ChannelTest : public testing::Test {
 protected:
  template <typename F>
  void Go(F function) {
    ASSERT_THAT(bundle_.Go(std::move(function)), IsOk());
  }

  // Until all others wait or have ended.
  void RunOthers() {
    for (int i = 0; i < 10; ++i) ASSERT_EQ(runtime_.Yield(), 0);
  }

  // Starts a coroutine that sends `value` and keeps what came of it.
  void GoSend(int value, Deadline deadline = Deadline::Never()) {
    Go([this, value, deadline] { sent_[value] = StatusErrno(channel_.Send(value, deadline)); });
  }

  // Starts one that receives and appends what it got: the value, -1 for nothing, -errno.
  void GoReceive(Deadline deadline = Deadline::Never()) {
    Go([this, deadline] { received_.push_back(ReceiveNumber(deadline)); });
  }

  int ReceiveNumber(Deadline deadline) {
    const absl::StatusOr<std::optional<int>> result = channel_.Receive(deadline);
    if (!result.ok()) return -StatusErrno(result.status());
    return result->has_value() ? **result : -1;
  }

  absl::StatusOr<Selected> SelectFrom(std::vector<SelectClause>* clauses, Deadline deadline) {
    return Select(&runtime_, absl::MakeSpan(*clauses), deadline);
  }

  SimRuntime runtime_;
  Channel<int> channel_{&runtime_};
  Channel<std::string> texts_{&runtime_};
  int sent_[8] = {-1, -1, -1, -1, -1, -1, -1, -1};  // errno by value; -1: not yet
  std::vector<int> received_;
  Bundle bundle_{&runtime_};
};

TEST_F(ChannelTest, SenderWaitsForReceiver) {
  GoSend(1);
  EXPECT_EQ(sent_[1], -1);
  EXPECT_THAT(channel_.Receive(kNever), IsOkAndHolds(Optional(1)));
  EXPECT_EQ(sent_[1], -1);
  RunOthers();
  EXPECT_EQ(sent_[1], 0);
}

TEST_F(ChannelTest, ReceiverWaitsForSender) {
  GoReceive();
  EXPECT_THAT(channel_.Send(2, kNever), IsOk());
  EXPECT_THAT(received_, ElementsAre());
  RunOthers();
  EXPECT_THAT(received_, ElementsAre(2));
}

TEST_F(ChannelTest, WhoHasWaitedLongestComesFirst) {
  for (int i = 0; i < 3; ++i) GoSend(i);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ReceiveNumber(kNow), i);
  EXPECT_EQ(ReceiveNumber(kNow), -ETIMEDOUT);
  for (int i = 0; i < 3; ++i) GoReceive();
  for (int i = 4; i < 7; ++i) EXPECT_THAT(channel_.Send(i, kNow), IsOk());
  EXPECT_THAT(channel_.Send(7, kNow), IsErrno(ETIMEDOUT));
  RunOthers();
  EXPECT_THAT(received_, ElementsAre(4, 5, 6));
}

TEST_F(ChannelTest, ValuesThatOnlyMove) {
  Channel<std::unique_ptr<int>> channel(&runtime_);
  Go([&] { ASSERT_THAT(channel.Send(std::make_unique<int>(3), kNever), IsOk()); });
  auto result = channel.Receive(kNever);
  ASSERT_THAT(result, IsOk());
  ASSERT_TRUE(result->has_value());
  EXPECT_EQ(***result, 3);
  RunOthers();
}

TEST_F(ChannelTest, CopiesWhatTheCallerKeeps) {
  const std::string text = "a text that is long enough to be on the heap";
  Go([&] { ASSERT_THAT(texts_.Send(text, kNever), IsOk()); });
  EXPECT_THAT(texts_.Receive(kNever), IsOkAndHolds(Optional(text)));
  EXPECT_EQ(text.front(), 'a');
  RunOthers();
}

// The value stays the caller's in each case.
TEST_F(ChannelTest, FailedSendKeepsTheValue) {
  const std::string original = "a text that is long enough to be on the heap";
  std::string text = original;
  EXPECT_THAT(texts_.Send(std::move(text), kNow), IsErrno(ETIMEDOUT));
  EXPECT_EQ(text, original);
  EXPECT_THAT(texts_.Send(std::move(text), In(10)), IsErrno(ETIMEDOUT));
  EXPECT_EQ(text, original);
  Go([&] { EXPECT_THAT(texts_.Send(std::move(text), kNever), IsErrno(ECANCELED)); });
  bundle_.CancelAndJoin();
  EXPECT_EQ(text, original);
  Go([&] { EXPECT_THAT(texts_.Send(std::move(text), kNever), IsErrno(EPIPE)); });
  texts_.Done();
  RunOthers();
  EXPECT_EQ(text, original);
  EXPECT_THAT(texts_.Send(std::move(text), kNever), IsErrno(EPIPE));
  EXPECT_EQ(text, original);
}

TEST_F(ChannelTest, DoneEndsSenders) {
  GoSend(0);
  GoSend(1);
  EXPECT_FALSE(channel_.done());
  channel_.Done();
  EXPECT_TRUE(channel_.done());
  RunOthers();
  EXPECT_EQ(sent_[0], EPIPE);
  EXPECT_EQ(sent_[1], EPIPE);
  EXPECT_THAT(channel_.Send(2, kNever), IsErrno(EPIPE));
  channel_.Done();
}

TEST_F(ChannelTest, DoneEndsReceivers) {
  GoReceive();
  GoReceive();
  channel_.Done();
  RunOthers();
  EXPECT_THAT(received_, ElementsAre(-1, -1));
  EXPECT_THAT(channel_.Receive(kNow), IsOkAndHolds(std::nullopt));
  EXPECT_THAT(channel_.Receive(kNever), IsOkAndHolds(std::nullopt));
}

TEST_F(ChannelTest, DestroyingEndsThoseWhoWait) {
  auto channel = std::make_unique<Channel<int>>(&runtime_);
  int results[3] = {-1, -1, -1};
  Go([&] { results[0] = StatusErrno(channel->Send(1, kNever)); });
  Go([&] {
    SelectClause clauses[] = {channel->SendClause(&results[1]), channel->SendClause(&results[2])};
    const absl::StatusOr<Selected> selected = Select(&runtime_, absl::MakeSpan(clauses), kNever);
    ASSERT_THAT(selected, IsOk());
    EXPECT_EQ(selected->index, 0u);
    EXPECT_TRUE(selected->done);
  });
  channel.reset();
  RunOthers();
  EXPECT_EQ(results[0], EPIPE);
  EXPECT_TRUE(bundle_.empty());
}

TEST_F(ChannelTest, DeadlineEndsTheWait) {
  const int64_t start = runtime_.clock().NowNanos();
  EXPECT_THAT(channel_.Send(1, In(10)), IsErrno(ETIMEDOUT));
  EXPECT_EQ(ReceiveNumber(In(10)), -ETIMEDOUT);
  EXPECT_EQ(runtime_.clock().NowNanos() - start, absl::ToInt64Nanoseconds(absl::Minutes(20)));
  // Nobody is left in a queue.
  EXPECT_THAT(channel_.Send(1, kNow), IsErrno(ETIMEDOUT));
  EXPECT_EQ(ReceiveNumber(kNow), -ETIMEDOUT);
}

TEST_F(ChannelTest, ExpiredDeadlineStillCompletesWhatNeedNotWait) {
  const Deadline past = Deadline::AtNanos(1);
  EXPECT_EQ(ReceiveNumber(past), -ETIMEDOUT);
  GoSend(1);
  EXPECT_EQ(ReceiveNumber(past), 1);
  GoReceive();
  EXPECT_THAT(channel_.Send(2, past), IsOk());
  RunOthers();
  EXPECT_THAT(received_, ElementsAre(2));
}

// What a coroutine has got counts, whatever happens before it runs again.
TEST_F(ChannelTest, TransferBeatsLaterTimeoutAndCancellation) {
  GoReceive(In(1));
  EXPECT_THAT(channel_.Send(1, kNow), IsOk());
  runtime_.sim_clock().Advance(absl::Minutes(2));
  RunOthers();
  EXPECT_THAT(received_, ElementsAre(1));

  int next_error = 0;
  Go([&] {
    received_.push_back(ReceiveNumber(kNever));
    next_error = -ReceiveNumber(kNever);
  });
  EXPECT_THAT(channel_.Send(2, kNow), IsOk());
  bundle_.CancelAndJoin();
  EXPECT_THAT(received_, ElementsAre(1, 2));
  EXPECT_EQ(next_error, ECANCELED);

  GoSend(3);
  EXPECT_EQ(ReceiveNumber(kNow), 3);
  bundle_.CancelAndJoin();
  EXPECT_EQ(sent_[3], 0);
}

// Timed out or cancelled, but has not run yet: it gets nothing any more.
TEST_F(ChannelTest, WhoseWaitHasEndedIsPassedOver) {
  const Deadline due = In(1);
  // Its timer comes first, so that it runs before the receiver that times out at the same moment.
  Go([&] {
    ASSERT_EQ(runtime_.SleepUntil(due), 0);
    EXPECT_THAT(channel_.Send(1, kNow), IsOk());
    EXPECT_THAT(channel_.Send(2, kNow), IsErrno(ETIMEDOUT));
  });
  GoReceive(due);
  GoReceive();
  EXPECT_EQ(runtime_.SleepUntil(In(2)), 0);
  EXPECT_THAT(received_, ElementsAre(-ETIMEDOUT, 1));

  Bundle other(&runtime_);
  ASSERT_THAT(other.Go([&] { EXPECT_THAT(channel_.Send(7, kNever), IsErrno(ECANCELED)); }), IsOk());
  GoSend(4);
  other.Cancel();
  EXPECT_EQ(ReceiveNumber(kNow), 4);
  EXPECT_EQ(ReceiveNumber(kNow), -ETIMEDOUT);
}

TEST_F(ChannelTest, CancelledCoroutineDoesNothing) {
  GoSend(1);
  Bundle other(&runtime_);
  const auto cancelled = [&] {
    EXPECT_EQ(runtime_.SleepUntil(kNever), ECANCELED);
    EXPECT_EQ(ReceiveNumber(kNever), -ECANCELED);
    EXPECT_THAT(channel_.Send(2, kNow), IsErrno(ECANCELED));
    std::optional<int> value;
    std::vector<SelectClause> clauses = {channel_.ReceiveClause(&value)};
    EXPECT_THAT(SelectFrom(&clauses, kNever), IsErrno(ECANCELED));
    // Clean-up may take what is there.
    NoWaitScope no_wait(&runtime_);
    EXPECT_EQ(ReceiveNumber(kNever), 1);
    EXPECT_EQ(ReceiveNumber(kNever), -ETIMEDOUT);
    EXPECT_THAT(SelectFrom(&clauses, kNever), IsErrno(ETIMEDOUT));
  };
  ASSERT_THAT(other.Go(cancelled), IsOk());
  other.CancelAndJoin();
  RunOthers();
  EXPECT_EQ(sent_[1], 0);
}

TEST_F(ChannelTest, EveryWaitTimesOutOrIsCancelled) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      Channel<int> channel(&runtime_);
      std::vector<int> sums;
      Bundle bundle(&runtime_);
      const auto receive_all = [&] {
        // Cancelled or not, nothing that was sent is lost.
        int sum = 0;
        for (;;) {
          absl::StatusOr<std::optional<int>> value = channel.Receive(kNever);
          if (value.ok() && !value->has_value()) break;
          if (value.ok()) sum += **value;
          if (!value.ok() && StatusErrno(value.status()) == ECANCELED) break;
        }
        sums.push_back(sum);
      };
      ASSERT_THAT(bundle.Go(receive_all), IsOk());
      ASSERT_THAT(bundle.Go(receive_all), IsOk());
      int sent = 0;
      bool cancelled = false;
      ASSERT_THAT(bundle.Go([&] {
        for (int i = 1; i <= 6 && !cancelled; ++i) {
          const int result = StatusErrno(channel.Send(i, kNever));
          if (result == 0) sent += i;
          cancelled = result == ECANCELED;
        }
        channel.Done();
      }),
                  IsOk());
      while (!bundle.empty()) ASSERT_EQ(runtime_.Yield(), 0);
      EXPECT_EQ(sums[0] + sums[1], sent);
      EXPECT_TRUE(fault.hit() || sent == 21) << sent;
    });
    EXPECT_GT(waits, 6);
  }
}

// A coroutine that never has to wait lets others run after 64 operations.
TEST_F(ChannelTest, YieldsAfterManyOperations) {
  int back = 0;
  for (int i = 0; i < 200; ++i) {
    Go([&] { back += channel_.Send(0, kNever).ok() ? 1 : 0; });
  }
  ASSERT_EQ(runtime_.Yield(), 0);
  for (int i = 0; i < Runtime::kOperationsPerTurn - 1; ++i) ASSERT_EQ(ReceiveNumber(kNow), 0);
  EXPECT_EQ(back, 0);
  ASSERT_EQ(ReceiveNumber(kNow), 0);
  EXPECT_EQ(back, Runtime::kOperationsPerTurn);
  std::optional<int> value;
  std::vector<SelectClause> clauses = {channel_.ReceiveClause(&value)};
  for (int i = 0; i < Runtime::kOperationsPerTurn; ++i) {
    ASSERT_THAT(SelectFrom(&clauses, kNow), IsOk());
  }
  EXPECT_EQ(back, 2 * Runtime::kOperationsPerTurn);
  bundle_.CancelAndJoin();
}

TEST_F(ChannelTest, SelectWithoutClausesWaitsForTheDeadline) {
  const int64_t start = runtime_.clock().NowNanos();
  EXPECT_THAT(Select(&runtime_, {}, kNow), IsErrno(ETIMEDOUT));
  EXPECT_EQ(runtime_.clock().NowNanos(), start);
  EXPECT_THAT(Select(&runtime_, {}, In(10)), IsErrno(ETIMEDOUT));
  EXPECT_EQ(runtime_.clock().NowNanos() - start, absl::ToInt64Nanoseconds(absl::Minutes(10)));
}

TEST_F(ChannelTest, SelectPerformsTheClauseThatCanBe) {
  std::optional<int> number;
  std::string text = "tick";
  std::vector<SelectClause> clauses = {channel_.ReceiveClause(&number), texts_.SendClause(&text)};
  EXPECT_THAT(SelectFrom(&clauses, kNow), IsErrno(ETIMEDOUT));
  EXPECT_THAT(SelectFrom(&clauses, In(1)), IsErrno(ETIMEDOUT));

  std::optional<std::string> got;
  const auto receive = [&] { got = *texts_.Receive(kNever); };
  Go(receive);
  absl::StatusOr<Selected> selected = SelectFrom(&clauses, kNow);
  ASSERT_THAT(selected, IsOk());
  EXPECT_EQ(selected->index, 1u);
  EXPECT_FALSE(selected->done);
  RunOthers();
  EXPECT_THAT(got, Optional(std::string("tick")));

  GoSend(1);
  selected = SelectFrom(&clauses, kNow);
  ASSERT_THAT(selected, IsOk());
  EXPECT_EQ(selected->index, 0u);
  EXPECT_THAT(number, Optional(1));
}

TEST_F(ChannelTest, SelectWaitsForTheFirstEvent) {
  std::optional<int> number;
  std::string text = "tock";
  std::vector<SelectClause> clauses = {channel_.ReceiveClause(&number), texts_.SendClause(&text)};
  Go([&] {
    ASSERT_EQ(runtime_.SleepUntil(In(1)), 0);
    EXPECT_THAT(texts_.Receive(kNow), IsOkAndHolds(Optional(std::string("tock"))));
    // The select that has ended gets nothing else, though it has not run yet.
    EXPECT_THAT(channel_.Send(2, kNow), IsErrno(ETIMEDOUT));
    EXPECT_THAT(texts_.Receive(kNow), IsErrno(ETIMEDOUT));
  });
  const absl::StatusOr<Selected> selected = SelectFrom(&clauses, In(2));
  ASSERT_THAT(selected, IsOk());
  EXPECT_EQ(selected->index, 1u);
  EXPECT_FALSE(selected->done);
  EXPECT_EQ(number, std::nullopt);
  RunOthers();
}

TEST_F(ChannelTest, SelectOfSelect) {
  std::optional<int> value;
  int to_send = 5;
  Go([&] {
    std::vector<SelectClause> receive = {channel_.ReceiveClause(&value)};
    ASSERT_THAT(SelectFrom(&receive, kNever), IsOk());
  });
  std::vector<SelectClause> send = {channel_.SendClause(&to_send)};
  ASSERT_THAT(SelectFrom(&send, kNow), IsOk());
  RunOthers();
  EXPECT_THAT(value, Optional(5));
}

// Twice to receive, and to send besides: it never serves itself.
TEST_F(ChannelTest, OneChannelSeveralTimes) {
  std::optional<int> values[2];
  int to_send = 6;
  std::vector<SelectClause> clauses = {channel_.ReceiveClause(&values[0]),
                                       channel_.ReceiveClause(&values[1]),
                                       channel_.SendClause(&to_send)};
  EXPECT_THAT(SelectFrom(&clauses, In(1)), IsErrno(ETIMEDOUT));
  size_t index = 99;
  const auto select = [&] {
    const absl::StatusOr<Selected> selected = SelectFrom(&clauses, kNever);
    ASSERT_THAT(selected, IsOk());
    index = selected->index;
  };
  Go(select);
  EXPECT_THAT(channel_.Send(1, kNow), IsOk());
  EXPECT_THAT(channel_.Send(2, kNow), IsErrno(ETIMEDOUT));
  RunOthers();
  EXPECT_EQ(index, 0u);
  EXPECT_THAT(values[0], Optional(1));
  EXPECT_EQ(values[1], std::nullopt);
  Go(select);
  EXPECT_EQ(ReceiveNumber(kNow), 6);
  RunOthers();
  EXPECT_EQ(index, 2u);
  Go(select);
  channel_.Done();
  RunOthers();
  EXPECT_TRUE(bundle_.empty());
}

TEST_F(ChannelTest, SelectFindsDone) {
  std::optional<int> number;
  std::string text = "kept";
  Channel<int> idle(&runtime_);
  std::vector<SelectClause> clauses = {idle.ReceiveClause(&number), texts_.SendClause(&text),
                                       channel_.ReceiveClause(&number)};
  std::vector<Selected> found;
  const auto select = [&] {
    const absl::StatusOr<Selected> selected = SelectFrom(&clauses, kNever);
    ASSERT_THAT(selected, IsOk());
    found.push_back(*selected);
  };
  Go(select);
  texts_.Done();
  RunOthers();
  select();
  clauses.erase(clauses.begin() + 1);
  Go(select);
  channel_.Done();
  RunOthers();
  select();
  ASSERT_EQ(found.size(), 4u);
  for (const Selected& selected : found) {
    EXPECT_EQ(selected.index, 1u);
    EXPECT_TRUE(selected.done);
  }
  EXPECT_EQ(text, "kept");
  EXPECT_EQ(number, std::nullopt);
}

TEST_F(ChannelTest, SelectedTransferBeatsLaterCancellation) {
  std::optional<int> value;
  bool got = false;
  Go([&] {
    std::vector<SelectClause> clauses = {channel_.ReceiveClause(&value)};
    got = SelectFrom(&clauses, kNever).ok();
    EXPECT_THAT(SelectFrom(&clauses, kNow), IsErrno(ECANCELED));
  });
  EXPECT_THAT(channel_.Send(1, kNow), IsOk());
  bundle_.CancelAndJoin();
  EXPECT_TRUE(got);
  EXPECT_THAT(value, Optional(1));
}

// A timeout or a cancellation takes every clause off, so that the clauses may go.
TEST_F(ChannelTest, EverySelectTimesOutOrIsCancelled) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      int result = -1;
      Bundle bundle(&runtime_);
      ASSERT_THAT(bundle.Go([&] {
        std::optional<int> value;
        int to_send = 1;
        std::vector<SelectClause> clauses = {channel_.ReceiveClause(&value),
                                             channel_.SendClause(&to_send)};
        result = StatusErrno(SelectFrom(&clauses, kNever).status());
      }),
                  IsOk());
      while (runtime_.Yield() == 0 && result == -1 && !fault.hit()) {
        EXPECT_EQ(ReceiveNumber(kNow), 1);
      }
      EXPECT_EQ(result, fault.hit() ? error : 0);
      EXPECT_THAT(channel_.Send(1, kNow), IsErrno(ETIMEDOUT));
      EXPECT_EQ(ReceiveNumber(kNow), -ETIMEDOUT);
    });
    EXPECT_EQ(waits, 1);
  }
}

TEST_F(ChannelTest, ManyClauses) {
  std::deque<Channel<int>> channels;
  std::optional<int> value;
  std::vector<SelectClause> clauses;
  for (int i = 0; i < 1000; ++i) {
    clauses.push_back(channels.emplace_back(&runtime_).ReceiveClause(&value));
  }
  std::vector<size_t> indices;
  Go([&] {
    while (indices.size() < 5) {
      const absl::StatusOr<Selected> selected = SelectFrom(&clauses, kNever);
      ASSERT_THAT(selected, IsOk());
      indices.push_back(selected->index);
    }
  });
  for (const size_t i : {0, 999, 500, 1, 998}) {
    EXPECT_THAT(channels[i].Send(static_cast<int>(i), kNever), IsOk());
    RunOthers();
    EXPECT_THAT(value, Optional(static_cast<int>(i)));
  }
  EXPECT_THAT(indices, ElementsAre(0, 999, 500, 1, 998));
  EXPECT_THAT(SelectFrom(&clauses, In(1)), IsErrno(ETIMEDOUT));
}

// Of `count` channels those in `ready` always have a sender. How often each was selected.
std::vector<int> CountSelections(Runtime* runtime, size_t count, const std::vector<size_t>& ready,
                                 int rounds) {
  std::deque<Channel<int>> channels;
  std::optional<int> value;
  std::vector<SelectClause> clauses;
  for (size_t i = 0; i < count; ++i) {
    clauses.push_back(channels.emplace_back(runtime).ReceiveClause(&value));
  }
  Bundle bundle(runtime);
  for (const size_t i : ready) {
    EXPECT_THAT(bundle.Go([&channels, i] {
      while (channels[i].Send(0, Deadline::Never()).ok()) {
      }
    }),
                IsOk());
  }
  std::vector<int> counts(count);
  for (int i = 0; i < rounds; ++i) {
    const absl::StatusOr<Selected> selected =
        Select(runtime, absl::MakeSpan(clauses), Deadline::Immediately());
    if (selected.ok()) ++counts[selected->index];
    // All senders are back.
    EXPECT_EQ(runtime->Yield(), 0);
  }
  return counts;
}

// The draws are the same in each run, so this cannot fail by chance.
TEST_F(ChannelTest, SelectIsFair) {
  for (const int count : CountSelections(&runtime_, 4, {0, 1, 2, 3}, 4000)) {
    EXPECT_GT(count, 850);
    EXPECT_LT(count, 1150);
  }
  // A clause behind many that are not ready is not favoured.
  const std::vector<int> counts = CountSelections(&runtime_, 10, {4, 5}, 2000);
  EXPECT_GT(counts[4], 850);
  EXPECT_GT(counts[5], 850);
  EXPECT_EQ(counts[4] + counts[5], 2000);
}

// Two coroutines that select from the same channels in turn do not fall into step.
TEST_F(ChannelTest, SelectIsFairToEachOfTwo) {
  Channel<int> channels[2] = {Channel<int>(&runtime_), Channel<int>(&runtime_)};
  for (Channel<int>& channel : channels) {
    for (int i = 0; i < 2; ++i) {
      Go([&] {
        while (channel.Send(0, kNever).ok()) {
        }
      });
    }
  }
  int counts[2][2] = {};
  int done = 0;
  for (auto& mine : counts) {
    Go([this, &channels, &mine, &done] {
      std::optional<int> value;
      std::vector<SelectClause> clauses = {channels[0].ReceiveClause(&value),
                                           channels[1].ReceiveClause(&value)};
      for (int i = 0; i < 1000; ++i) {
        const absl::StatusOr<Selected> selected = SelectFrom(&clauses, kNever);
        ASSERT_THAT(selected, IsOk());
        ++mine[selected->index];
        ASSERT_EQ(runtime_.Yield(), 0);
      }
      ++done;
    });
  }
  while (done < 2) ASSERT_EQ(runtime_.Yield(), 0);
  bundle_.CancelAndJoin();
  for (const auto& mine : counts) {
    EXPECT_GT(mine[0], 400);
    EXPECT_GT(mine[1], 400);
  }
}

// Goes with the runtime of its thread, after the coroutines' stacks.
struct OutlivesCoroutines final : public RuntimeExtension {
  explicit OutlivesCoroutines(Runtime* runtime) : numbers(runtime), bundle(runtime) {}

  Channel<int> numbers;
  Bundle bundle;
};

TEST(ChannelAtTheEndTest, AbandonedCoroutinesAreNotTouched) {
  constexpr size_t kStackBytes = 64 * 1024;
  std::thread thread([] {
    Runtime& runtime = Runtime::Current();
    auto owned = std::make_unique<OutlivesCoroutines>(&runtime);
    OutlivesCoroutines* const objects = owned.get();
    runtime.extension() = std::move(owned);
    std::vector<std::unique_ptr<char[]>> stacks;
    for (int i = 0; i < 2; ++i) stacks.push_back(std::make_unique<char[]>(kStackBytes));
    Bundle::Placement placement;
    placement.memory_size = kStackBytes;
    placement.memory = stacks[0].get();
    EXPECT_EQ(objects->bundle.Start(
                  [objects] { static_cast<void>(objects->numbers.Receive(Deadline::Never())); },
                  placement),
              0);
    placement.memory = stacks[1].get();
    EXPECT_EQ(objects->bundle.Start(
                  [&runtime, objects] {
                    std::optional<int> value;
                    SelectClause clauses[] = {objects->numbers.ReceiveClause(&value)};
                    static_cast<void>(Select(&runtime, absl::MakeSpan(clauses), Deadline::Never()));
                  },
                  placement),
              0);
  });
  thread.join();
}

}  // namespace
}  // namespace halfpipe
