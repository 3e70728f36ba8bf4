#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bytestream/handle/handle_table.h"
#include "bytestream/handle/handle_type.h"
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

// On simulated time. At the end every handle has been closed, and no coroutine is left.
class ChannelsTest : public testing::Test {
 protected:
  ChannelsTest() { EXPECT_EQ(chmake(ch_), 0); }
  void TearDown() override {
    for (const int end : ch_) hclose(end);
    EXPECT_EQ(HandleTable::Current().live_count(), 0u);
  }

  void RunOthers() {
    for (int i = 0; i < 10; ++i) ASSERT_EQ(yield(), 0);
  }

  SimRuntime runtime_;
  int ch_[2];
};

// 0 or the errno.
int SendNumber(int ch, int value, int64_t deadline) {
  return chsend(ch, &value, sizeof(value), deadline) == 0 ? 0 : errno;
}

// The number, or -errno.
int ReceiveNumber(int ch, int64_t deadline) {
  int value = -1;
  return chrecv(ch, &value, sizeof(value), deadline) == 0 ? value : -errno;
}

coroutine void Send(int ch, int value, int* error) { *error = SendNumber(ch, value, -1); }

coroutine void Receive(int ch, std::vector<int>* results) {
  const int result = ReceiveNumber(ch, -1);
  results->push_back(result);
}

TEST_F(ChannelsTest, BothWays) {
  int errors[2] = {-1, -1};
  const int senders[2] = {go(Send(ch_[0], 10, &errors[0])), go(Send(ch_[1], 11, &errors[1]))};
  EXPECT_EQ(ReceiveNumber(ch_[0], -1), 11);
  EXPECT_EQ(ReceiveNumber(ch_[1], -1), 10);
  EXPECT_EQ(errors[0], -1);
  RunOthers();
  EXPECT_EQ(errors[0], 0);
  EXPECT_EQ(errors[1], 0);
  std::vector<int> results;
  const int receivers[2] = {go(Receive(ch_[0], &results)), go(Receive(ch_[1], &results))};
  EXPECT_EQ(SendNumber(ch_[0], 20, -1), 0);
  EXPECT_EQ(SendNumber(ch_[1], 21, -1), 0);
  RunOthers();
  EXPECT_THAT(results, ElementsAre(20, 21));
  // An end does not meet itself.
  EXPECT_EQ(SendNumber(ch_[0], 1, 0), ETIMEDOUT);
  for (const int h : {senders[0], senders[1], receivers[0], receivers[1]}) hclose(h);
}

TEST_F(ChannelsTest, FirstInFirstOut) {
  const int b = bundle();
  int errors[3] = {-1, -1, -1};
  for (int i = 0; i < 3; ++i) ASSERT_EQ(bundle_go(b, Send(ch_[0], i, &errors[i])), 0);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ReceiveNumber(ch_[1], 0), i);
  std::vector<int> results;
  for (int i = 0; i < 3; ++i) ASSERT_EQ(bundle_go(b, Receive(ch_[1], &results)), 0);
  for (int i = 5; i < 8; ++i) EXPECT_EQ(SendNumber(ch_[0], i, 0), 0);
  RunOthers();
  EXPECT_THAT(errors, ElementsAre(0, 0, 0));
  EXPECT_THAT(results, ElementsAre(5, 6, 7));
  EXPECT_EQ(hclose(b), 0);
}

coroutine void SendBytes(int ch, const void* bytes, size_t size, int* error) {
  *error = chsend(ch, bytes, size, -1) == 0 ? 0 : errno;
}

coroutine void ReceiveBytes(int ch, void* bytes, size_t size, int* error) {
  *error = chrecv(ch, bytes, size, -1) == 0 ? 0 : errno;
}

TEST_F(ChannelsTest, EmptyAndLargeMessages) {
  int error = -1;
  const int b = bundle();
  ASSERT_EQ(bundle_go(b, SendBytes(ch_[0], nullptr, 0, &error)), 0);
  EXPECT_EQ(chrecv(ch_[1], nullptr, 0, -1), 0);
  RunOthers();
  EXPECT_EQ(error, 0);
  ASSERT_EQ(bundle_go(b, ReceiveBytes(ch_[1], nullptr, 0, &error)), 0);
  EXPECT_EQ(chsend(ch_[0], nullptr, 0, -1), 0);
  RunOthers();
  EXPECT_EQ(error, 0);

  const std::string large(100'000, 'x');
  std::string received(large.size(), ' ');
  ASSERT_EQ(bundle_go(b, SendBytes(ch_[0], large.data(), large.size(), &error)), 0);
  EXPECT_EQ(chrecv(ch_[1], received.data(), received.size(), -1), 0);
  EXPECT_EQ(received, large);
  EXPECT_EQ(hclose(b), 0);
}

TEST_F(ChannelsTest, SizesMustAgree) {
  const int b = bundle();
  char bytes[8] = {};
  for (const size_t size : {3, 5, 0}) {
    int error = -1;
    ASSERT_EQ(bundle_go(b, SendBytes(ch_[0], "four", 4, &error)), 0);
    EXPECT_FAILS(EMSGSIZE, chrecv(ch_[1], bytes, size, -1));
    RunOthers();
    EXPECT_EQ(error, EMSGSIZE);
    ASSERT_EQ(bundle_go(b, ReceiveBytes(ch_[1], bytes, 4, &error)), 0);
    EXPECT_FAILS(EMSGSIZE, chsend(ch_[0], "fivex", size, -1));
    RunOthers();
    EXPECT_EQ(error, EMSGSIZE);
  }
  for (const char byte : bytes) EXPECT_EQ(byte, 0);
  // Neither side waits any more.
  EXPECT_FAILS(ETIMEDOUT, chrecv(ch_[1], bytes, 4, 0));
  EXPECT_EQ(hclose(b), 0);
}

TEST_F(ChannelsTest, ErrorsOfArguments) {
  char byte = 0;
  EXPECT_FAILS(EINVAL, chmake(nullptr));
  int other[2];
  EXPECT_FAILS(EINVAL, chmake_mem(nullptr, other));
  chstorage storage;
  EXPECT_FAILS(EINVAL, chmake_mem(&storage, nullptr));
  EXPECT_FAILS(EINVAL, chsend(ch_[0], nullptr, 1, 0));
  EXPECT_FAILS(EINVAL, chrecv(ch_[0], nullptr, 1, 0));
  EXPECT_FAILS(EBADF, chsend(-1, &byte, 1, 0));
  EXPECT_FAILS(EBADF, chrecv(0, &byte, 1, 0));
  EXPECT_FAILS(EBADF, chdone(12345));
  const int b = bundle();
  EXPECT_FAILS(ENOTSUP, chsend(b, &byte, 1, 0));
  EXPECT_FAILS(ENOTSUP, chrecv(b, &byte, 1, 0));
  EXPECT_FAILS(ENOTSUP, chdone(b));
  EXPECT_EQ(hclose(b), 0);
  EXPECT_FAILS(EBADF, chsend(b, &byte, 1, 0));
  EXPECT_FAILS(ENOTSUP, bundle_wait(ch_[0], 0));
}

TEST_F(ChannelsTest, Deadlines) {
  const int64_t start = now();
  EXPECT_EQ(SendNumber(ch_[0], 1, 0), ETIMEDOUT);
  EXPECT_EQ(ReceiveNumber(ch_[0], 0), -ETIMEDOUT);
  EXPECT_EQ(SendNumber(ch_[0], 1, start - 1), ETIMEDOUT);
  EXPECT_EQ(now(), start);
  EXPECT_EQ(SendNumber(ch_[0], 1, start + 600'000), ETIMEDOUT);
  EXPECT_EQ(ReceiveNumber(ch_[1], start + 1'200'000), -ETIMEDOUT);
  EXPECT_EQ(now(), start + 1'200'000);
  int error = -1;
  const int h = go(Send(ch_[0], 7, &error));
  EXPECT_EQ(ReceiveNumber(ch_[1], start), 7);
  EXPECT_EQ(hclose(h), 0);
  EXPECT_EQ(error, 0);
}

coroutine void UseWhenCancelled(int ch, const int* own, int* done) {
  EXPECT_EQ(ReceiveNumber(ch, -1), -ECANCELED);
  EXPECT_EQ(ReceiveNumber(ch, -1), -ECANCELED);
  EXPECT_EQ(SendNumber(ch, 1, 0), ECANCELED);
  EXPECT_EQ(SendNumber(-1, 1, 0), ECANCELED);
  int more[2];
  EXPECT_FAILS(ECANCELED, chmake(more));
  chstorage storage;
  EXPECT_FAILS(ECANCELED, chmake_mem(&storage, more));
  EXPECT_FAILS(ECANCELED, choose(nullptr, 0, 0));
  // These do not wait.
  EXPECT_EQ(chdone(own[0]), 0);
  EXPECT_EQ(hclose(own[0]), 0);
  EXPECT_FAILS(ECANCELED, hown(own[1]));
  EXPECT_FAILS(EBADF, hclose(own[1]));
  *done = 1;
}

TEST_F(ChannelsTest, Cancellation) {
  int done = 0;
  int own[2];
  ASSERT_EQ(chmake(own), 0);
  const int h = go(UseWhenCancelled(ch_[0], own, &done));
  EXPECT_EQ(hclose(h), 0);
  EXPECT_EQ(done, 1);
  EXPECT_EQ(SendNumber(ch_[1], 1, 0), ETIMEDOUT);
}

TEST_F(ChannelsTest, CloseCallbackMakesNoChannel) {
  int more[2];
  runtime_.current()->closing_depth = 1;
  EXPECT_FAILS(ECANCELED, chmake(more));
  EXPECT_EQ(SendNumber(ch_[0], 1, -1), ECANCELED);
  runtime_.current()->closing_depth = 0;
}

coroutine void ReceiveTwice(int ch, int* first, int* second) {
  *first = ReceiveNumber(ch, -1);
  *second = ReceiveNumber(ch, -1);
}

TEST_F(ChannelsTest, TransferBeatsCancellation) {
  int results[2] = {0, 0};
  const int receiver = go(ReceiveTwice(ch_[0], &results[0], &results[1]));
  EXPECT_EQ(SendNumber(ch_[1], 5, 0), 0);
  EXPECT_EQ(hclose(receiver), 0);
  EXPECT_THAT(results, ElementsAre(5, -ECANCELED));
  int error = -1;
  const int sender = go(Send(ch_[0], 6, &error));
  EXPECT_EQ(ReceiveNumber(ch_[1], 0), 6);
  EXPECT_EQ(hclose(sender), 0);
  EXPECT_EQ(error, 0);
}

TEST_F(ChannelsTest, DoneEndsOneDirection) {
  std::vector<int> results;
  int errors[2] = {-1, -1};
  const int b = bundle();
  ASSERT_EQ(bundle_go(b, Receive(ch_[1], &results)), 0);
  ASSERT_EQ(bundle_go(b, Receive(ch_[1], &results)), 0);
  EXPECT_EQ(chdone(ch_[0]), 0);
  RunOthers();
  EXPECT_THAT(results, ElementsAre(-EPIPE, -EPIPE));
  EXPECT_EQ(ReceiveNumber(ch_[1], -1), -EPIPE);
  EXPECT_EQ(ReceiveNumber(ch_[1], 0), -EPIPE);
  EXPECT_EQ(SendNumber(ch_[0], 1, -1), EPIPE);
  EXPECT_FAILS(EPIPE, chdone(ch_[0]));
  // The other direction goes on.
  ASSERT_EQ(bundle_go(b, Send(ch_[1], 4, &errors[0])), 0);
  EXPECT_EQ(ReceiveNumber(ch_[0], -1), 4);
  // Senders at the end that is done get to know as well.
  ASSERT_EQ(bundle_go(b, Send(ch_[1], 5, &errors[1])), 0);
  EXPECT_EQ(chdone(ch_[1]), 0);
  RunOthers();
  EXPECT_THAT(errors, ElementsAre(0, EPIPE));
  EXPECT_EQ(hclose(b), 0);
}

// Those who wait at either end, and those who come later.
TEST_F(ChannelsTest, HcloseEndsBothDirections) {
  std::vector<int> results;
  int errors[2] = {-1, -1};
  const int b = bundle();
  int other[2];
  ASSERT_EQ(chmake(other), 0);
  ASSERT_EQ(bundle_go(b, Receive(ch_[0], &results)), 0);
  ASSERT_EQ(bundle_go(b, Receive(ch_[1], &results)), 0);
  ASSERT_EQ(bundle_go(b, Send(other[0], 1, &errors[0])), 0);
  ASSERT_EQ(bundle_go(b, Send(other[1], 1, &errors[1])), 0);
  EXPECT_EQ(hclose(ch_[0]), 0);
  EXPECT_EQ(hclose(other[0]), 0);
  EXPECT_FAILS(EBADF, hclose(other[0]));
  RunOthers();
  EXPECT_THAT(results, ElementsAre(-EPIPE, -EPIPE));
  EXPECT_THAT(errors, ElementsAre(EPIPE, EPIPE));
  EXPECT_EQ(SendNumber(other[1], 1, -1), EPIPE);
  EXPECT_EQ(ReceiveNumber(other[1], -1), -EPIPE);
  EXPECT_EQ(SendNumber(other[0], 1, -1), EBADF);
  // The other end was not done by its owner yet.
  EXPECT_EQ(chdone(other[1]), 0);
  EXPECT_FAILS(EPIPE, chdone(other[1]));
  EXPECT_EQ(hclose(other[1]), 0);
  EXPECT_EQ(hclose(b), 0);
}

// Both ends are closed before the coroutines that waited there have run: the channel goes with the
// last of them.
TEST_F(ChannelsTest, BothEndsClosedUnderThoseWhoWait) {
  std::vector<int> results;
  const int b = bundle();
  for (int i = 0; i < 2; ++i) ASSERT_EQ(bundle_go(b, Receive(ch_[i], &results)), 0);
  EXPECT_EQ(hclose(ch_[1]), 0);
  EXPECT_EQ(hclose(ch_[0]), 0);
  EXPECT_EQ(bundle_wait(b, -1), 0);
  EXPECT_THAT(results, ElementsAre(-EPIPE, -EPIPE));
  EXPECT_EQ(hclose(b), 0);
}

TEST_F(ChannelsTest, HownMovesAnEnd) {
  std::vector<int> results;
  const int receiver = go(Receive(ch_[0], &results));
  EXPECT_FAILS(EBUSY, hown(ch_[0]));
  const int owned = hown(ch_[1]);
  ASSERT_GT(owned, 0);
  EXPECT_EQ(SendNumber(ch_[1], 1, 0), EBADF);
  EXPECT_EQ(SendNumber(owned, 2, 0), 0);
  EXPECT_EQ(hclose(receiver), 0);
  EXPECT_THAT(results, ElementsAre(2));
  const int other = hown(ch_[0]);
  ASSERT_GT(other, 0);
  EXPECT_EQ(hclose(other), 0);
  EXPECT_EQ(ReceiveNumber(owned, -1), -EPIPE);
  EXPECT_EQ(hclose(owned), 0);
}

TEST_F(ChannelsTest, StorageOfTheCaller) {
  auto storage = std::make_unique<chstorage>();
  for (int round = 0; round < 2; ++round) {
    int ch[2];
    ASSERT_EQ(chmake_mem(storage.get(), ch), 0);
    int error = -1;
    std::vector<int> results;
    const int sender = go(Send(ch[0], 9, &error));
    EXPECT_EQ(ReceiveNumber(ch[1], -1), 9);
    const int receiver = go(Receive(ch[0], &results));
    EXPECT_EQ(hclose(ch[round]), 0);
    EXPECT_EQ(hclose(ch[1 - round]), 0);
    EXPECT_EQ(bundle_wait(receiver, -1), 0);
    EXPECT_EQ(hclose(receiver), 0);
    EXPECT_EQ(hclose(sender), 0);
    EXPECT_THAT(results, ElementsAre(-EPIPE));
  }
  // The storage is the caller's again.
  storage.reset();
}

class NothingObject final : public HandleObject {
 public:
  void* Query(const void*) override { return nullptr; }
  void Close() noexcept override {}
  void Dispose() noexcept override {}
};

TEST_F(ChannelsTest, NoMoreHandles) {
  HandleTable& table = HandleTable::Current();
  NothingObject object;
  std::deque<int> numbers;
  for (;;) {
    const int number = table.Make(&object);
    if (number < 0) break;
    numbers.push_back(number);
  }
  const auto release = [&] {
    int error = 0;
    table.Release(numbers.front(), &error);
    numbers.pop_front();
  };
  int ch[2] = {-7, -7};
  chstorage storage;
  EXPECT_FAILS(EMFILE, chmake(ch));
  EXPECT_FAILS(EMFILE, chmake_mem(&storage, ch));
  // Room for one of two: it is given back.
  release();
  EXPECT_FAILS(EMFILE, chmake(ch));
  EXPECT_FAILS(EMFILE, chmake_mem(&storage, ch));
  EXPECT_THAT(ch, ElementsAre(-7, -7));
  release();
  EXPECT_EQ(chmake(ch), 0);
  while (!numbers.empty()) release();
  for (const int end : ch) EXPECT_EQ(hclose(end), 0);
}

// What the coroutines below have done.
struct Tally {
  int sent = 0;
  int received = 0;
  int senders_left = 2;
};

coroutine void SendSome(int ch, Tally* tally) {
  int error = 0;
  for (int i = 0; i < 4 && error != ECANCELED; ++i) {
    error = SendNumber(ch, 1, -1);
    tally->sent += error == 0 ? 1 : 0;
  }
  if (--tally->senders_left == 0) {
    EXPECT_EQ(chdone(ch), 0);
  }
}

coroutine void ReceiveAll(int ch, Tally* tally) {
  int result = 0;
  while (result != -EPIPE && result != -ECANCELED) {
    result = ReceiveNumber(ch, -1);
    tally->received += result > 0 ? result : 0;
  }
}

// Every wait of a sender or a receiver times out or is cancelled: nothing is lost or comes twice.
TEST_F(ChannelsTest, EveryWaitTimesOutOrIsCancelled) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&runtime_, error, [&](WaitFault&) {
      int ch[2];
      ASSERT_EQ(chmake(ch), 0);
      Tally tally;
      const int b = bundle();
      for (int i = 0; i < 2; ++i) ASSERT_EQ(bundle_go(b, SendSome(ch[0], &tally)), 0);
      for (int i = 0; i < 2; ++i) ASSERT_EQ(bundle_go(b, ReceiveAll(ch[1], &tally)), 0);
      while (runtime_.coroutine_count() > 0) ASSERT_EQ(yield(), 0);
      EXPECT_EQ(tally.received, tally.sent);
      EXPECT_GE(tally.sent, 4);
      for (const int handle : {b, ch[0], ch[1]}) EXPECT_EQ(hclose(handle), 0);
    });
    EXPECT_GT(waits, 4);
  }
}

coroutine void CountTurns(int* turns) {
  while (yield() == 0) ++*turns;
}

// Calls that never wait let others run, also those that fail.
TEST_F(ChannelsTest, CallsThatNeverWaitYield) {
  int turns = 0;
  const int h = go(CountTurns(&turns));
  const auto expect_turn = [&](int error, auto call) {
    const int before = turns;
    for (int i = 0; i < 2 * Runtime::kOperationsPerTurn; ++i) EXPECT_FAILS(error, call());
    EXPECT_GT(turns, before);
  };
  char byte = 0;
  expect_turn(ETIMEDOUT, [&] { return chsend(ch_[0], &byte, 1, 0); });
  expect_turn(ETIMEDOUT, [&] { return chrecv(ch_[0], &byte, 1, 1); });
  expect_turn(EBADF, [&] { return chrecv(-1, &byte, 1, -1); });
  expect_turn(ETIMEDOUT, [&] { return choose(nullptr, 0, 0); });
  expect_turn(EBADF, [&] { return chdone(-1); });
  EXPECT_EQ(chdone(ch_[0]), 0);
  expect_turn(EPIPE, [&] { return chsend(ch_[0], &byte, 1, -1); });
  EXPECT_EQ(hclose(h), 0);
}

// The thread ends while coroutines wait; the stack of one has gone.
TEST(ChannelsAtTheEndTest, AbandonedCoroutinesAreNotTouched) {
  std::thread thread([] {
    auto stack = std::make_unique<char[]>(65536);
    auto storage = std::make_unique<chstorage>();
    int ch[2];
    int in_storage[2];
    EXPECT_EQ(chmake(ch), 0);
    EXPECT_EQ(chmake_mem(storage.get(), in_storage), 0);
    static std::vector<int> never;
    EXPECT_EQ(bundle_go_mem(bundle(), Receive(ch[0], &never), stack.get(), 65536), 0);
    EXPECT_GT(go(Receive(in_storage[1], &never)), 0);
    int open[2];
    EXPECT_EQ(chmake(open), 0);
    EXPECT_EQ(chmake(open), 0);
    EXPECT_EQ(hclose(open[0]), 0);
    // Handles in storage of the caller are looked at until the end.
    static std::unique_ptr<chstorage> kept;
    kept = std::move(storage);
  });
  thread.join();
}

}  // namespace
}  // namespace halfpipe
