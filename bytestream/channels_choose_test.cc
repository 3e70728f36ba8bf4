#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "bytestream/handle/handle_table.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/sockets_test_support.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/wait_sweep.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/channels.h"
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

using testing::ElementsAre;
using testing::Pair;

// What choose() returned, and errno.
using Chosen = std::pair<int, int>;

Chosen Choose(std::vector<chclause> clauses, int64_t deadline) {
  errno = 12345;
  const int index = choose(clauses.data(), static_cast<int>(clauses.size()), deadline);
  return {index, errno};
}

class ChooseTest : public testing::Test {
 protected:
  static constexpr int kChannels = 3;

  ChooseTest() {
    for (auto& ch : ch_) EXPECT_EQ(chmake(ch), 0);
    bundle_ = bundle();
  }
  void TearDown() override {
    EXPECT_EQ(hclose(bundle_), 0);
    for (const auto& ch : ch_) {
      for (const int end : ch) hclose(end);
    }
    EXPECT_EQ(HandleTable::Current().live_count(), 0u);
  }

  // A clause that receives at end 1, or sends at end 0.
  chclause ToReceive(int channel) { return {CHRECV, ch_[channel][1], &received_, sizeof(int)}; }
  chclause ToSend(int channel) { return {CHSEND, ch_[channel][0], &to_send_, sizeof(int)}; }

  void GoSend(int channel, int value) {
    ASSERT_EQ(bundle_go(bundle_, Send(ch_[channel][0], value, &error_)), 0);
  }
  void GoReceive(int channel) {
    ASSERT_EQ(bundle_go(bundle_, Receive(ch_[channel][1], &value_, &error_)), 0);
  }
  void GoChoose(std::vector<chclause> clauses, int64_t deadline, Chosen* chosen) {
    ASSERT_EQ(bundle_go(bundle_, ChooseAndKeep(std::move(clauses), deadline, chosen)), 0);
  }

  void RunOthers() {
    for (int i = 0; i < 10; ++i) ASSERT_EQ(yield(), 0);
  }

  static coroutine void Send(int ch, int value, int* error) {
    *error = chsend(ch, &value, sizeof(value), -1) == 0 ? 0 : errno;
  }
  static coroutine void Receive(int ch, int* value, int* error) {
    *error = chrecv(ch, value, sizeof(*value), -1) == 0 ? 0 : errno;
  }
  static coroutine void ChooseAndKeep(std::vector<chclause> clauses, int64_t deadline,
                                      Chosen* chosen) {
    *chosen = Choose(std::move(clauses), deadline);
  }

  SimRuntime runtime_;
  int ch_[kChannels][2];
  int bundle_;
  int received_ = -1;  // by choose()
  int to_send_ = 77;
  int value_ = -1;  // of the last coroutine that received
  int error_ = -1;  // of the last coroutine that sent or received
};

TEST_F(ChooseTest, WithoutClausesItWaitsForTheDeadline) {
  const int64_t start = now();
  EXPECT_THAT(Choose({}, 0), Pair(-1, ETIMEDOUT));
  EXPECT_EQ(now(), start);
  EXPECT_THAT(Choose({}, start + 600'000), Pair(-1, ETIMEDOUT));
  EXPECT_EQ(now(), start + 600'000);
}

TEST_F(ChooseTest, OneClauseThatIsReady) {
  GoSend(0, 5);
  EXPECT_THAT(Choose({ToReceive(0)}, -1), Pair(0, 0));
  EXPECT_EQ(received_, 5);
  RunOthers();
  EXPECT_EQ(error_, 0);
  GoReceive(0);
  EXPECT_THAT(Choose({ToSend(0)}, 0), Pair(0, 0));
  RunOthers();
  EXPECT_EQ(value_, 77);
}

TEST_F(ChooseTest, OneClauseThatWaits) {
  Chosen chosen = {-9, 0};
  GoChoose({ToReceive(0)}, -1, &chosen);
  EXPECT_EQ(chsend(ch_[0][0], &to_send_, sizeof(int), 0), 0);
  RunOthers();
  EXPECT_THAT(chosen, Pair(0, 0));
  EXPECT_EQ(received_, 77);
  GoChoose({ToSend(0)}, -1, &chosen);
  EXPECT_EQ(chrecv(ch_[0][1], &value_, sizeof(int), 0), 0);
  RunOthers();
  EXPECT_THAT(chosen, Pair(0, 0));
  EXPECT_EQ(value_, 77);
}

TEST_F(ChooseTest, FirstReadyClauseOfTheArrayWins) {
  GoSend(1, 11);
  GoSend(2, 12);
  GoSend(0, 10);
  EXPECT_THAT(Choose({ToReceive(2), ToReceive(1), ToReceive(0)}, 0), Pair(0, 0));
  EXPECT_EQ(received_, 12);
  EXPECT_THAT(Choose({ToReceive(2), ToReceive(1), ToReceive(0)}, 0), Pair(1, 0));
  EXPECT_EQ(received_, 11);
  EXPECT_THAT(Choose({ToReceive(2), ToReceive(1), ToReceive(0)}, 0), Pair(2, 0));
  EXPECT_EQ(received_, 10);
  EXPECT_THAT(Choose({ToReceive(2), ToReceive(1), ToReceive(0)}, 0), Pair(-1, ETIMEDOUT));
}

TEST_F(ChooseTest, FirstEventWins) {
  Chosen chosen = {-9, 0};
  GoChoose({ToReceive(0), ToSend(1), ToReceive(2)}, -1, &chosen);
  EXPECT_EQ(chsend(ch_[2][0], &to_send_, sizeof(int), 0), 0);
  // Nobody is there any more for the others, though the chooser has not run yet.
  EXPECT_FAILS(ETIMEDOUT, chsend(ch_[0][0], &to_send_, sizeof(int), 0));
  EXPECT_FAILS(ETIMEDOUT, chrecv(ch_[1][1], &value_, sizeof(int), 0));
  RunOthers();
  EXPECT_THAT(chosen, Pair(2, 0));
  EXPECT_EQ(received_, 77);
}

TEST_F(ChooseTest, ChooseMeetsChoose) {
  Chosen chosen = {-9, 0};
  GoChoose({ToReceive(0), ToSend(1)}, -1, &chosen);
  EXPECT_THAT(Choose({ToSend(2), ToReceive(1)}, -1), Pair(1, 0));
  RunOthers();
  EXPECT_THAT(chosen, Pair(1, 0));
  EXPECT_EQ(received_, 77);
}

TEST_F(ChooseTest, OneChannelTwice) {
  EXPECT_THAT(Choose({ToReceive(0), ToReceive(0)}, now() + 50), Pair(-1, ETIMEDOUT));
  // Both ends of it too: a coroutine does not meet itself.
  EXPECT_THAT(Choose({ToReceive(0), ToSend(0)}, now() + 50), Pair(-1, ETIMEDOUT));
  Chosen chosen = {-9, 0};
  GoChoose({ToReceive(1), ToReceive(0), ToReceive(0)}, -1, &chosen);
  EXPECT_EQ(chsend(ch_[0][0], &to_send_, sizeof(int), 0), 0);
  EXPECT_FAILS(ETIMEDOUT, chsend(ch_[0][0], &to_send_, sizeof(int), 0));
  RunOthers();
  EXPECT_THAT(chosen, Pair(1, 0));
}

TEST_F(ChooseTest, WaitsInTurnWithOthers) {
  Chosen chosen = {-9, 0};
  GoReceive(0);
  GoChoose({ToReceive(0), ToReceive(1)}, -1, &chosen);
  int value = 1;
  EXPECT_EQ(chsend(ch_[0][0], &value, sizeof(int), 0), 0);
  value = 2;
  EXPECT_EQ(chsend(ch_[0][0], &value, sizeof(int), 0), 0);
  RunOthers();
  EXPECT_EQ(value_, 1);
  EXPECT_EQ(received_, 2);
  EXPECT_THAT(chosen, Pair(0, 0));
}

TEST_F(ChooseTest, Done) {
  EXPECT_EQ(chdone(ch_[0][0]), 0);
  EXPECT_THAT(Choose({ToReceive(1), ToReceive(0)}, -1), Pair(1, EPIPE));
  EXPECT_THAT(Choose({ToReceive(1), ToSend(0)}, 0), Pair(1, EPIPE));
  Chosen chosen[2] = {{-9, 0}, {-9, 0}};
  GoChoose({ToReceive(1), ToReceive(2)}, -1, &chosen[0]);
  GoChoose({ToSend(1), ToSend(2)}, -1, &chosen[1]);
  // They have met on channel 1.
  RunOthers();
  EXPECT_THAT(chosen[0], Pair(0, 0));
  GoChoose({ToReceive(1), ToReceive(2)}, -1, &chosen[0]);
  EXPECT_EQ(chdone(ch_[2][0]), 0);
  RunOthers();
  EXPECT_THAT(chosen[0], Pair(1, EPIPE));
  EXPECT_THAT(chosen[1], Pair(0, 0));
}

TEST_F(ChooseTest, ClosedUnderIt) {
  Chosen chosen[2] = {{-9, 0}, {-9, 0}};
  GoChoose({ToReceive(0), ToReceive(1)}, -1, &chosen[0]);
  GoChoose({ToSend(2), ToReceive(1)}, -1, &chosen[1]);
  EXPECT_FAILS(EBUSY, hown(ch_[0][1]));
  EXPECT_FAILS(EBUSY, hown(ch_[1][1]));
  EXPECT_EQ(hclose(ch_[1][1]), 0);
  // Closing more before the choosers have run changes nothing.
  EXPECT_EQ(hclose(ch_[1][0]), 0);
  EXPECT_EQ(hclose(ch_[0][1]), 0);
  EXPECT_EQ(hclose(ch_[0][0]), 0);
  RunOthers();
  EXPECT_THAT(chosen[0], Pair(1, EPIPE));
  EXPECT_THAT(chosen[1], Pair(1, EPIPE));
  // Nothing is in use any more.
  const int owned = hown(ch_[2][0]);
  EXPECT_GT(owned, 0);
  ch_[2][0] = owned;
}

TEST_F(ChooseTest, SizesMustAgree) {
  char bytes[2];
  GoSend(1, 5);
  EXPECT_THAT(Choose({ToReceive(0), {CHRECV, ch_[1][1], bytes, 2}}, -1), Pair(1, EMSGSIZE));
  RunOthers();
  EXPECT_EQ(error_, EMSGSIZE);
  GoReceive(1);
  EXPECT_THAT(Choose({{CHSEND, ch_[1][0], bytes, 2}}, -1), Pair(0, EMSGSIZE));
  RunOthers();
  EXPECT_EQ(error_, EMSGSIZE);
  Chosen chosen = {-9, 0};
  GoChoose({ToReceive(0), {CHRECV, ch_[1][1], bytes, 2}}, -1, &chosen);
  EXPECT_FAILS(EMSGSIZE, chsend(ch_[1][0], &to_send_, sizeof(int), -1));
  RunOthers();
  EXPECT_THAT(chosen, Pair(1, EMSGSIZE));
  GoChoose({{CHRECV, ch_[0][1], nullptr, 0}}, -1, &chosen);
  EXPECT_EQ(chsend(ch_[0][0], nullptr, 0, -1), 0);
  RunOthers();
  EXPECT_THAT(chosen, Pair(0, 0));
}

TEST_F(ChooseTest, ErrorsOfArguments) {
  chclause clause = ToReceive(0);
  EXPECT_FAILS(EINVAL, choose(nullptr, 1, 0));
  EXPECT_FAILS(EINVAL, choose(&clause, -1, 0));
  EXPECT_FAILS(EINVAL, choose(nullptr, -1, 0));
  EXPECT_THAT(Choose({ToReceive(0), {0, ch_[1][0], nullptr, 0}}, 0), Pair(1, EINVAL));
  EXPECT_THAT(Choose({{3, ch_[1][0], nullptr, 0}}, 0), Pair(0, EINVAL));
  EXPECT_THAT(Choose({{CHSEND, ch_[1][0], nullptr, 1}}, -1), Pair(0, EINVAL));
  EXPECT_THAT(Choose({ToReceive(0), {CHRECV, -1, nullptr, 0}}, -1), Pair(1, EBADF));
  EXPECT_THAT(Choose({{CHRECV, bundle_, nullptr, 0}, ToReceive(0)}, -1), Pair(0, ENOTSUP));
  // A clause that is ready comes before a wrong one behind it, not before one in front of it.
  GoSend(0, 5);
  EXPECT_THAT(Choose({{CHRECV, -1, nullptr, 0}, ToReceive(0)}, -1), Pair(0, EBADF));
  EXPECT_THAT(Choose({ToReceive(0), {CHRECV, -1, nullptr, 0}}, -1), Pair(0, 0));
}

TEST_F(ChooseTest, TransferBeatsCancellation) {
  Chosen chosen = {-9, 0};
  GoChoose({ToReceive(0), ToReceive(1)}, -1, &chosen);
  EXPECT_EQ(chsend(ch_[1][0], &to_send_, sizeof(int), 0), 0);
  EXPECT_EQ(hclose(bundle_), 0);
  EXPECT_THAT(chosen, Pair(1, 0));
  EXPECT_EQ(received_, 77);
  bundle_ = bundle();
}

TEST_F(ChooseTest, EveryWaitTimesOutOrIsCancelled) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    for (const size_t idle_count : {0, 2, 16, 40}) {
      const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
        std::vector<chclause> clauses(idle_count, ToReceive(2));
        clauses.push_back(ToReceive(0));
        Chosen chosen = {-9, 0};
        GoChoose(clauses, -1, &chosen);
        // A clause that has been taken off takes nothing.
        const int expected = fault.hit() ? -1 : 0;
        EXPECT_EQ(chsend(ch_[0][0], &to_send_, sizeof(int), 0), expected);
        RunOthers();
        if (fault.hit()) {
          EXPECT_THAT(chosen, Pair(-1, error));
        } else {
          EXPECT_THAT(chosen, Pair(static_cast<int>(idle_count), 0));
        }
        EXPECT_FAILS(ETIMEDOUT, chsend(ch_[2][0], &to_send_, sizeof(int), 0));
        const int owned = hown(ch_[2][1]);
        EXPECT_GT(owned, 0);
        ch_[2][1] = owned;
      });
      EXPECT_EQ(waits, 1);
    }
  }
}

TEST_F(ChooseTest, ManyClauses) {
  for (const int count : {2, 10, 16, 17, 1000}) {
    std::vector<int> ends;
    std::vector<int> values(count, -1);
    std::vector<chclause> clauses;
    for (int i = 0; i < count; ++i) {
      int ch[2];
      ASSERT_EQ(chmake(ch), 0);
      ends.push_back(ch[0]);
      clauses.push_back({CHRECV, ch[1], &values[i], sizeof(int)});
    }
    for (const int i : {0, count - 1, count / 2}) {
      Chosen chosen = {-9, 0};
      GoChoose(clauses, -1, &chosen);
      EXPECT_EQ(chsend(ends[i], &i, sizeof(int), 0), 0);
      RunOthers();
      EXPECT_THAT(chosen, Pair(i, 0));
      EXPECT_EQ(values[i], i);
      // Ready at once.
      values[i] = -1;
      ASSERT_EQ(bundle_go(bundle_, Send(ends[i], i, &error_)), 0);
      EXPECT_THAT(Choose(clauses, 0), Pair(i, 0));
      EXPECT_EQ(values[i], i);
    }
    EXPECT_THAT(Choose(clauses, now() + 1000), Pair(-1, ETIMEDOUT));
    for (int i = 0; i < count; ++i) {
      EXPECT_EQ(hclose(ends[i]), 0);
      EXPECT_EQ(hclose(clauses[i].ch), 0);
    }
  }
}

}  // namespace
}  // namespace halfpipe
