#include "bytestream/net/fd_stream.h"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/net/net_test_support.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/patience.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

// More than any of the sockets under test takes while its peer does not read.
constexpr size_t kTooMuch = 512 * 1024;

class FdStreamTest : public testing::TestWithParam<Transport> {
 protected:
  FdStreamTest() { Connect(FdStream::Options()); }

  ~FdStreamTest() override {
    bundle.CancelAndJoin();
    a.reset();
    b.reset();
    EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 0u);
    EXPECT_EQ(OpenDescriptorCount(), descriptors_before);
  }

  void Connect(FdStream::Options options) {
    a.reset();
    b.reset();
    const std::array<int, 2> fds = ConnectedFds(GetParam());
    a = std::make_unique<FdStream>(&runtime, fds[0], options);
    b = std::make_unique<FdStream>(&runtime, fds[1]);
  }

  // Takes the runtime's own descriptors before they are counted.
  static size_t CountWithEngine(Runtime* runtime) {
    const std::array<int, 2> fds = ConnectedFds(Transport::kUnix);
    {
      FdStream x(runtime, fds[0]);
      FdStream y(runtime, fds[1]);
      const Deadline soon = Deadline::In(absl::Milliseconds(1));
      EXPECT_EQ(StatusErrno(x.Peek(1, soon).status()), ETIMEDOUT);
    }
    return OpenDescriptorCount();
  }

  static int Write(FdStream* stream, absl::string_view text, bool more = false,
                   Deadline deadline = Deadline::Never()) {
    const IoSlice slice(text);
    return StatusErrno(stream->Write({&slice, 1}, more, deadline));
  }

  static int WriteTail(FdStream* stream, absl::string_view text) {
    const IoSlice slice(text);
    return StatusErrno(stream->WriteTail({&slice, 1}));
  }

  static std::string ReadText(FdStream* stream, size_t size,
                              Deadline deadline = Deadline::Never()) {
    std::string text(size, '?');
    const IoSpan span(text.data(), text.size());
    const absl::Status status = stream->Read({&span, 1}, deadline);
    return status.ok() ? text : std::string(ErrnoName(StatusErrno(status)));
  }

  static int PeekErrno(FdStream* stream, size_t min, Deadline deadline = Deadline::Never()) {
    return StatusErrno(stream->Peek(min, deadline).status());
  }

  // Writes to `a`, whose peer does not read, until not a byte more goes; returns how many went.
  size_t FillA() { return FillSocket(a->fd()); }

  // Runs `function` in a coroutine of its own.
  void Go(std::function<void()> function) { ASSERT_TRUE(bundle.Go(std::move(function)).ok()); }

  // Lets everything happen that can.
  void Settle() {
    for (int i = 0; i < 3 * Runtime::kSwitchesPerPoll; ++i) EXPECT_EQ(runtime.Yield(), 0);
  }

  // Until what is sure to happen has.
  void Until(const std::function<bool()>& condition) {
    for (const Patience patience; !condition() && patience.Lasts();) EXPECT_EQ(runtime.Yield(), 0);
    EXPECT_TRUE(condition());
  }

  Runtime runtime;
  const size_t descriptors_before = CountWithEngine(&runtime);
  std::unique_ptr<FdStream> a;
  std::unique_ptr<FdStream> b;
  Bundle bundle{&runtime};
};

INSTANTIATE_TEST_SUITE_P(Sockets, FdStreamTest, testing::Values(Transport::kUnix, Transport::kTcp),
                         [](const testing::TestParamInfo<Transport>& info) {
                           return std::string(TransportName(info.param));
                         });

TEST_P(FdStreamTest, CarriesBytesBothWaysAndCountsThem) {
  EXPECT_EQ(Write(a.get(), "hello"), 0);
  EXPECT_EQ(ReadText(b.get(), 5), "hello");
  EXPECT_EQ(Write(b.get(), "back"), 0);
  EXPECT_EQ(ReadText(a.get(), 4), "back");
  EXPECT_EQ(a->bytes_sent(), 5u);
  EXPECT_EQ(a->bytes_received(), 4u);
}

TEST_P(FdStreamTest, LongListOfSlicesArrivesInOrder) {
  const std::string text = Pattern(100);
  std::vector<IoSlice> slices;
  for (size_t i = 0; i < text.size(); ++i) {
    slices.emplace_back(text.data() + i, 1);
    slices.emplace_back(nullptr, 0);
  }
  Go([&] { EXPECT_TRUE(a->Write(slices, false, Deadline::Never()).ok()); });
  EXPECT_EQ(ReadText(b.get(), 100), text);
}

TEST_P(FdStreamTest, LargeWriteWaitsForTheReader) {
  const std::string text = Pattern(kTooMuch);
  Go([&] { EXPECT_EQ(Write(a.get(), text), 0); });
  EXPECT_TRUE(a->writer_busy());
  EXPECT_EQ(ReadText(b.get(), text.size()), text);
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(a->bytes_sent(), text.size());
}

TEST_P(FdStreamTest, ExpiredDeadlineStillDoesWhatNeedsNoWaiting) {
  EXPECT_EQ(Write(a.get(), "hello", false, Deadline::Immediately()), 0);
  EXPECT_EQ(StatusErrno(a->Flush(Deadline::Immediately())), 0);
  EXPECT_EQ(StatusErrno(a->Done(Deadline::Immediately())), 0);
  EXPECT_EQ(PeekErrno(b.get(), 1), 0);
  EXPECT_EQ(ReadText(b.get(), 5, Deadline::Immediately()), "hello");
  EXPECT_EQ(ReadText(a.get(), 1, Deadline::Immediately()), "ETIMEDOUT");
}

TEST_P(FdStreamTest, HalfCloseEndsOneDirectionOnly) {
  EXPECT_EQ(Write(a.get(), "last", /*more=*/true), 0);
  EXPECT_EQ(StatusErrno(a->Done(Deadline::Never())), 0);
  EXPECT_EQ(StatusErrno(a->Done(Deadline::Never())), EPIPE);
  EXPECT_EQ(Write(a.get(), "x"), EPIPE);
  EXPECT_EQ(WriteTail(a.get(), "x"), EPIPE);
  EXPECT_EQ(StatusErrno(a->Flush(Deadline::Never())), 0);
  EXPECT_EQ(ReadText(b.get(), 5), "EPIPE");
  EXPECT_EQ(ReadText(b.get(), 4), "last");
  EXPECT_EQ(b->Peek(1, Deadline::Never())->size(), 0u);
  EXPECT_EQ(Write(b.get(), "still here"), 0);
  EXPECT_EQ(ReadText(a.get(), 10), "still here");
}

TEST_P(FdStreamTest, SecondCallerOfADirectionIsBusy) {
  FillA();
  Go([&] { EXPECT_EQ(Write(a.get(), "x"), EBADF); });
  Go([&] { EXPECT_EQ(PeekErrno(a.get(), 1), EBADF); });
  EXPECT_EQ(Write(a.get(), "y"), EBUSY);
  EXPECT_EQ(WriteTail(a.get(), "y"), EBUSY);
  EXPECT_EQ(StatusErrno(a->Flush(Deadline::Never())), EBUSY);
  EXPECT_EQ(StatusErrno(a->Done(Deadline::Never())), EBUSY);
  EXPECT_EQ(PeekErrno(a.get(), 0), EBUSY);
  EXPECT_EQ(ReadText(a.get(), 1), "EBUSY");
  EXPECT_EQ(StatusErrno(a->Close(Deadline::Never())), EBUSY);
  a->Abort();
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
}

// The peer does not read and the kernel's buffers are full, so that the send really waits; it then
// times out, or is cancelled, before its first byte.
TEST_P(FdStreamTest, SendThatEndsBeforeItsFirstByteLeavesTheConnectionUsable) {
  for (const int reason : {ETIMEDOUT, ECANCELED}) {
    Connect(FdStream::Options());
    const size_t filled = FillA();
    {
      WaitFault end(&runtime, reason, 0);
      end.set_except(runtime.current());
      Go([&] {
        EXPECT_EQ(Write(a.get(), Pattern(1000)), reason);
        EXPECT_EQ(a->tail_size(), 0u);
      });
      Settle();
      EXPECT_TRUE(end.hit());
    }
    EXPECT_EQ(ReadText(b.get(), filled), std::string(filled, 'f'));
    EXPECT_EQ(Write(a.get(), "later"), 0);
    EXPECT_EQ(ReadText(b.get(), 5), "later");
  }
}

TEST_P(FdStreamTest, ARealDeadlineEndsASendThatWaits) {
  FillA();
  EXPECT_EQ(Write(a.get(), "x", false, Deadline::In(absl::Milliseconds(5))), ETIMEDOUT);
}

// Its deadline passes, or it is cancelled, after the first byte: it succeeds, and all of it
// arrives, though the coroutine has gone.
TEST_P(FdStreamTest, PartSentWriteBecomesTheTailAndArrivesWhole) {
  const std::string text = Pattern(kTooMuch);
  for (const int reason : {ETIMEDOUT, ECANCELED}) {
    Connect(FdStream::Options());
    WaitFault end(&runtime, reason, 0);
    end.set_except(runtime.current());
    Go([&] {
      EXPECT_EQ(Write(a.get(), text), 0);
      EXPECT_GT(a->tail_size(), 0u);
    });
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    EXPECT_TRUE(end.hit());
    EXPECT_EQ(runtime.coroutine_count(), 0u);
    EXPECT_EQ(ReadText(b.get(), text.size()), text);
    EXPECT_EQ(a->tail_size(), 0u);
    EXPECT_EQ(Write(a.get(), "next"), 0);
    EXPECT_EQ(ReadText(b.get(), 4), "next");
  }
}

// For each operation that has to wait behind a tail: ended at that wait nothing has happened, and
// it may be called again.
TEST_P(FdStreamTest, LaterCallsWaitBehindTheTail) {
  const std::string text = Pattern(kTooMuch);
  for (const int reason : {ETIMEDOUT, ECANCELED}) {
    const std::vector<std::function<int(Deadline)>> operations = {
        [&](Deadline deadline) { return Write(a.get(), "z", false, deadline); },
        [&](Deadline deadline) { return Write(a.get(), "z", true, deadline); },
        [&](Deadline deadline) { return StatusErrno(a->Flush(deadline)); },
        [&](Deadline deadline) { return StatusErrno(a->Done(deadline)); }};
    for (size_t i = 0; i < operations.size(); ++i) {
      Connect(FdStream::Options());
      EXPECT_EQ(Write(a.get(), text, false, Deadline::Immediately()), 0);
      EXPECT_GT(a->tail_size(), 0u);
      EXPECT_EQ(operations[i](Deadline::Immediately()), ETIMEDOUT);
      {
        WaitFault end(&runtime, reason, 0);
        end.set_except(runtime.current());
        Go([&] { EXPECT_EQ(operations[i](Deadline::Never()), reason); });
        EXPECT_TRUE(end.hit());
        EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
      }
      Go([&] { EXPECT_EQ(operations[i](Deadline::Never()), 0); });
      EXPECT_TRUE(a->writer_busy());
      EXPECT_EQ(ReadText(b.get(), text.size()), text);
      EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
      if (i < 2) {
        EXPECT_EQ(ReadText(b.get(), 1), "z");
      }
      if (i == 3) {
        EXPECT_EQ(ReadText(b.get(), 1), "EPIPE");
      }
    }
  }
}

TEST_P(FdStreamTest, TailBoundIsExact) {
  for (const int difference : {-1, 0, 1}) {
    constexpr size_t kBound = 1000;
    FdStream::Options options;
    options.send_tail_bytes_max = kBound;
    Connect(options);
    const size_t filled = FillA();
    const std::string text = Pattern(kBound - 1 + static_cast<size_t>(difference + 1));
    if (difference <= 0) {
      EXPECT_EQ(WriteTail(a.get(), text), 0);
      EXPECT_EQ(a->tail_size(), text.size());
      EXPECT_EQ(ReadText(b.get(), filled), std::string(filled, 'f'));
      EXPECT_EQ(ReadText(b.get(), text.size()), text);
      continue;
    }
    Go([&] { EXPECT_EQ(ReadText(a.get(), 1), "ECONNRESET"); });
    EXPECT_EQ(WriteTail(a.get(), text), ECONNRESET);
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    EXPECT_EQ(Write(a.get(), "x"), ECONNRESET);
    EXPECT_EQ(StatusErrno(a->Flush(Deadline::Never())), ECONNRESET);
    EXPECT_EQ(StatusErrno(a->Done(Deadline::Never())), ECONNRESET);
    EXPECT_EQ(PeekErrno(a.get(), 0), ECONNRESET);
    EXPECT_EQ(a->fd(), -1);
    if (GetParam() == Transport::kTcp) {
      EXPECT_EQ(PeekErrno(b.get(), 16384), ECONNRESET);
    }
    a->Abort();
    EXPECT_EQ(Write(a.get(), "x"), EBADF);
  }
}

TEST_P(FdStreamTest, PartSentWriteAboveTheBoundResets) {
  FdStream::Options options;
  options.send_tail_bytes_max = 100;
  Connect(options);
  EXPECT_EQ(Write(a.get(), Pattern(kTooMuch), false, Deadline::Immediately()), ECONNRESET);
  EXPECT_EQ(PeekErrno(a.get(), 1), ECONNRESET);
}

TEST_P(FdStreamTest, WriteTailQueuesBehindTheTailInOrder) {
  const std::string text = Pattern(kTooMuch);
  size_t offset = 0;
  for (size_t size = 1; offset < text.size(); size = size * 3 + 1) {
    const size_t count = std::min(size, text.size() - offset);
    EXPECT_EQ(WriteTail(a.get(), absl::string_view(text).substr(offset, count)), 0);
    offset += count;
  }
  EXPECT_GT(a->tail_size(), 0u);
  EXPECT_EQ(ReadText(b.get(), text.size()), text);
}

TEST_P(FdStreamTest, WriteTailWorksInACancelledCoroutine) {
  Go([&] {
    EXPECT_EQ(PeekErrno(a.get(), 1), ECANCELED);
    EXPECT_EQ(Write(a.get(), "no"), ECANCELED);
    EXPECT_EQ(WriteTail(a.get(), "yes"), 0);
  });
  bundle.CancelAndJoin();
  EXPECT_EQ(ReadText(b.get(), 3), "yes");
}

TEST_P(FdStreamTest, GatheredBytesLeaveTogetherWithTheNextWrite) {
  EXPECT_EQ(Write(a.get(), "one ", /*more=*/true), 0);
  EXPECT_EQ(Write(a.get(), "two ", /*more=*/true), 0);
  EXPECT_EQ(a->bytes_sent(), 0u);
  EXPECT_EQ(Write(a.get(), "three"), 0);
  EXPECT_EQ(a->bytes_sent(), 13u);
  EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 0u);
  EXPECT_EQ(ReadText(b.get(), 13), "one two three");
}

TEST_P(FdStreamTest, GatheredBytesLeaveAtEachOfTheirMoments) {
  const std::vector<std::function<void()>> moments = {
      [&] { EXPECT_EQ(StatusErrno(a->Flush(Deadline::Immediately())), 0); },
      [&] { EXPECT_EQ(WriteTail(a.get(), ""), 0); },
      [&] { EXPECT_EQ(Write(a.get(), ""), 0); },
      // The reader has to wait.
      [&] { EXPECT_EQ(PeekErrno(a.get(), 1, Deadline::Immediately()), ETIMEDOUT); },
      // The runtime polls.
      [&] { Settle(); },
      [&] { EXPECT_EQ(StatusErrno(a->Done(Deadline::Immediately())), 0); },
  };
  for (const std::function<void()>& moment : moments) {
    EXPECT_EQ(Write(a.get(), "held", /*more=*/true), 0);
    EXPECT_EQ(PeekErrno(b.get(), 1, Deadline::Immediately()), ETIMEDOUT);
    moment();
    EXPECT_EQ(ReadText(b.get(), 4), "held");
  }
}

TEST_P(FdStreamTest, GatheringStopsAtSixteenKibibytes) {
  const std::string piece(4096, 'g');
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Write(a.get(), piece, /*more=*/true), 0);
  EXPECT_EQ(a->bytes_sent(), 0u);
  Go([&] { EXPECT_EQ(Write(a.get(), piece, /*more=*/true), 0); });
  EXPECT_GT(a->bytes_sent(), 0u);
  EXPECT_EQ(ReadText(b.get(), 4 * 4096), std::string(4 * 4096, 'g'));
}

TEST_P(FdStreamTest, GatheredBytesThatCannotGoBecomeTheTail) {
  const size_t filled = FillA();
  EXPECT_EQ(Write(a.get(), "held", /*more=*/true), 0);
  // Nothing of this one leaves, and so it may be made again; what was held is kept.
  EXPECT_EQ(Write(a.get(), "later", false, Deadline::Immediately()), ETIMEDOUT);
  EXPECT_EQ(a->tail_size(), 4u);
  EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 0u);
  EXPECT_EQ(ReadText(b.get(), filled), std::string(filled, 'f'));
  EXPECT_EQ(Write(a.get(), "later"), 0);
  EXPECT_EQ(ReadText(b.get(), 9), "heldlater");
}

// Aborted while a coroutine waits in each operation: that call ends with EBADF, and so do all later
// ones.
TEST_P(FdStreamTest, AbortWakesBlockedCallers) {
  const std::string text = Pattern(kTooMuch);
  uint8_t memory[100];
  const IoSpan skip(nullptr, 100);
  struct Case {
    bool with_tail;
    std::function<int()> call;
  };
  const std::vector<Case> cases = {
      {false, [&] { return PeekErrno(a.get(), 1); }},
      {false, [&] { return PeekErrno(a.get(), 16384); }},
      {false,
       [&] {
         return StatusErrno(a->Read({&skip, 1}, Deadline::Never()));
       }},
      {false, [&] { return ReadText(a.get(), 100) == "EBADF" ? EBADF : 0; }},
      {false,
       [&] {
         return StatusErrno(a->ReadSome(absl::MakeSpan(memory), 7, Deadline::Never()).status());
       }},
      {false, [&] { return Write(a.get(), text); }},
      {true, [&] { return Write(a.get(), "x"); }},
      {true, [&] { return Write(a.get(), "x", /*more=*/true); }},
      {true, [&] { return StatusErrno(a->Flush(Deadline::Never())); }},
      {true, [&] { return StatusErrno(a->Done(Deadline::Never())); }},
      {false, [&] { return StatusErrno(a->Close(Deadline::Never())); }},
      {true, [&] { return StatusErrno(a->Close(Deadline::Never())); }},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    Connect(FdStream::Options());
    if (cases[i].with_tail) {
      EXPECT_EQ(Write(a.get(), text, false, Deadline::Immediately()), 0);
      EXPECT_GT(a->tail_size(), 0u);
    }
    int result = -1;
    Go([&] { result = cases[i].call(); });
    EXPECT_TRUE(a->reader_busy() || a->writer_busy()) << i;
    a->Abort();
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    EXPECT_EQ(result, EBADF) << i;
    EXPECT_FALSE(a->reader_busy() || a->writer_busy()) << i;
    EXPECT_EQ(cases[i].call(), EBADF) << i;
    EXPECT_EQ(WriteTail(a.get(), "x"), EBADF);
  }
}

TEST_P(FdStreamTest, PeerSeesAResetWhereATailWasDropped) {
  EXPECT_EQ(Write(a.get(), Pattern(kTooMuch), false, Deadline::Immediately()), 0);
  a->Abort();
  if (GetParam() == Transport::kTcp) {
    EXPECT_EQ(ReadText(b.get(), kTooMuch), "ECONNRESET");
  } else {
    EXPECT_EQ(ReadText(b.get(), kTooMuch), "EPIPE");
  }
}

TEST_P(FdStreamTest, PeerSeesAnEndWhereNothingWasPending) {
  EXPECT_EQ(Write(a.get(), "all"), 0);
  a->Abort();
  a->Abort();
  EXPECT_EQ(ReadText(b.get(), 4), "EPIPE");
  EXPECT_EQ(ReadText(b.get(), 3), "all");
}

TEST_P(FdStreamTest, SendToAPeerThatIsGoneIsAResetNeverEpipe) {
  b.reset();
  int error = 0;
  // The first ones are what tells the peer's system, which answers.
  for (const Patience patience; error == 0 && patience.Lasts();) error = Write(a.get(), "x");
  EXPECT_EQ(error, ECONNRESET);
  EXPECT_EQ(Write(a.get(), "x"), ECONNRESET);
  EXPECT_EQ(WriteTail(a.get(), "x"), ECONNRESET);
  EXPECT_EQ(StatusErrno(a->Done(Deadline::Never())), ECONNRESET);
  EXPECT_EQ(StatusErrno(a->Close(Deadline::Never())), ECONNRESET);
  EXPECT_EQ(a->fd(), -1);
}

// The system tells of the reset once. A send heard of it; a receive must not take what follows for
// a clean end.
TEST_P(FdStreamTest, ResetThatASendWasToldIsNoCleanEnd) {
  EXPECT_EQ(Write(a.get(), "unread"), 0);
  EXPECT_EQ(PeekErrno(b.get(), 1), 0);
  EXPECT_EQ(Write(a.get(), "unread in the socket"), 0);
  int waiting = 0;
  while (waiting == 0) ASSERT_EQ(ioctl(b->fd(), FIONREAD, &waiting), 0);
  b.reset();  // with unread bytes: a reset
  EXPECT_TRUE(AwaitEvents(a->fd(), 0));
  EXPECT_EQ(Write(a.get(), "x"), ECONNRESET);
  EXPECT_EQ(PeekErrno(a.get(), 1), ECONNRESET);
}

TEST_P(FdStreamTest, TailThatFailsWakesWhoWaitsForIt) {
  EXPECT_EQ(Write(a.get(), Pattern(kTooMuch), false, Deadline::Immediately()), 0);
  int writable = 0;
  a->WhenWritable([&] { ++writable; });
  Go([&] { EXPECT_EQ(Write(a.get(), "x"), ECONNRESET); });
  b.reset();
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  Settle();
  EXPECT_EQ(writable, 1);
  EXPECT_EQ(a->tail_size(), 0u);
}

TEST_P(FdStreamTest, WhenReadableCallsOnceWhenThereIsSomething) {
  int calls = 0;
  a->WhenReadable([&] { ++calls; });
  Settle();
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(Write(b.get(), "x"), 0);
  Until([&] { return calls > 0; });
  Settle();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(Write(b.get(), "y"), 0);
  Settle();
  EXPECT_EQ(calls, 1);
  a->WhenReadable([&] { calls += 10; });  // at once
  EXPECT_EQ(calls, 11);
  EXPECT_EQ(ReadText(a.get(), 2), "xy");
  a->WhenReadable([&] { calls += 100; });
  Settle();
  EXPECT_EQ(calls, 11);
  a->WhenReadable(nullptr);
  EXPECT_EQ(Write(b.get(), "z"), 0);
  Settle();
  EXPECT_EQ(calls, 11);
}

TEST_P(FdStreamTest, WhenReadableSeesTheEndOfTheStream) {
  int calls = 0;
  a->WhenReadable([&] { ++calls; });
  EXPECT_EQ(StatusErrno(b->Done(Deadline::Never())), 0);
  Until([&] { return calls > 0; });
  EXPECT_EQ(calls, 1);
}

// A receive that took more than it needed left the rest in the buffer, of which the system knows
// nothing.
TEST_P(FdStreamTest, WhenReadableSeesWhatAnotherReceiveBuffered) {
  int calls = 0;
  a->WhenReadable([&] { ++calls; });
  EXPECT_EQ(Write(b.get(), "xyz"), 0);
  EXPECT_EQ(ReadText(a.get(), 1), "x");
  Until([&] { return calls > 0; });
  EXPECT_EQ(calls, 1);
}

TEST_P(FdStreamTest, CallbacksMayDestroyTheStream) {
  a->WhenReadable([&] { a.reset(); });
  EXPECT_EQ(Write(b.get(), "x"), 0);
  Until([&] { return a == nullptr; });
  Connect(FdStream::Options());
  EXPECT_EQ(Write(a.get(), Pattern(kTooMuch), false, Deadline::Immediately()), 0);
  a->WhenWritable([&] { a.reset(); });
  EXPECT_NE(a, nullptr);
  EXPECT_EQ(ReadText(b.get(), kTooMuch), Pattern(kTooMuch));
  Until([&] { return a == nullptr; });
}

TEST_P(FdStreamTest, WhenWritableWaitsForTheTail) {
  int calls = 0;
  a->WhenWritable([&] { ++calls; });  // at once
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(Write(a.get(), Pattern(kTooMuch), false, Deadline::Immediately()), 0);
  a->WhenWritable([&] {
    EXPECT_EQ(a->tail_size(), 0u);
    ++calls;
  });
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(ReadText(b.get(), kTooMuch), Pattern(kTooMuch));
  Until([&] { return calls > 1; });
  EXPECT_EQ(calls, 2);
}

TEST_P(FdStreamTest, AbortClearsCallbacks) {
  FillA();
  int calls = 0;
  a->WhenReadable([&] { ++calls; });
  a->WhenWritable([&] { ++calls; });
  a->Abort();
  Settle();
  EXPECT_EQ(calls, 0);
}

TEST_P(FdStreamTest, CloseIsOrderlyOnBothSides) {
  const std::string text = Pattern(kTooMuch);
  EXPECT_EQ(Write(a.get(), text, false, Deadline::Immediately()), 0);
  EXPECT_EQ(Write(b.get(), "never read"), 0);
  Go([&] { EXPECT_EQ(StatusErrno(a->Close(Deadline::Never())), 0); });
  EXPECT_EQ(ReadText(b.get(), text.size()), text);
  EXPECT_EQ(ReadText(b.get(), 1), "EPIPE");
  EXPECT_EQ(Write(b.get(), "nor this"), 0);
  EXPECT_EQ(StatusErrno(b->Close(Deadline::Never())), 0);
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(a->fd(), -1);
  EXPECT_EQ(StatusErrno(a->Close(Deadline::Never())), EBADF);
}

// Close() ended at each of its waits reports why and has closed.
TEST_P(FdStreamTest, CloseClosesInEveryCase) {
  for (const int reason : {ETIMEDOUT, ECANCELED}) {
    for (int nth = 0;; ++nth) {
      Connect(FdStream::Options());
      EXPECT_EQ(Write(a.get(), Pattern(kTooMuch), false, Deadline::Immediately()), 0);
      WaitFault end(&runtime, reason, nth);
      end.set_except(runtime.current());
      int result = 0;
      Go([&] { result = StatusErrno(a->Close(Deadline::Never())); });
      // An interrupted peer is no part of this test.
      while (a->fd() >= 0) {
        if (PeekErrno(b.get(), 1, Deadline::Immediately()) == 0) {
          const size_t count = b->Peek(0, Deadline::Immediately())->size();
          if (count == 0) {
            b.reset();
            break;
          }
          b->Consume(count);
        }
        EXPECT_EQ(runtime.Yield(), 0);
      }
      EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
      EXPECT_EQ(a->fd(), -1);
      EXPECT_EQ(result, end.hit() ? reason : 0);
      if (!end.hit()) break;
      ASSERT_LT(nth, 1000);
    }
  }
}

// One exchange of a large message each way, with the N-th wait ended, for all N. Whatever happens,
// a call that failed is made again by another coroutine, and every byte arrives once.
TEST_P(FdStreamTest, SweepOfEndedWaitsLosesNothing) {
  const std::string text = Pattern(60000);
  for (const int reason : {ETIMEDOUT, ECANCELED}) {
    for (int nth = 0;; ++nth) {
      Connect(FdStream::Options());
      WaitFault end(&runtime, reason, nth);
      end.set_except(runtime.current());
      std::string received(text.size(), '?');
      const std::function<int()> operations[] = {
          [&] {
            const IoSpan spans[] = {{received.data(), 10000}, {received.data() + 10000, 50000}};
            return StatusErrno(b->Read(spans, Deadline::Never()));
          },
          [&] { return Write(a.get(), text); }};
      constexpr int kNotStarted = -1;
      constexpr int kRunning = -2;
      int results[] = {kNotStarted, kNotStarted};
      while (results[0] != 0 || results[1] != 0) {
        for (int i = 0; i < 2; ++i) {
          if (results[i] == 0 || results[i] == kRunning) continue;
          if (results[i] != kNotStarted) {
            EXPECT_EQ(results[i], reason);
            if (i == 0) received.assign(received.size(), '!');
          }
          results[i] = kRunning;
          Go([&, i] { results[i] = operations[i](); });
        }
        EXPECT_EQ(runtime.Yield(), 0);
      }
      EXPECT_EQ(received, text) << nth;
      if (!end.hit()) break;
      ASSERT_LT(nth, 1000);
    }
  }
}

TEST_P(FdStreamTest, IdleReadersHoldNoBuffer) {
  char c;
  const IoSpan span(&c, 1);
  Go([&] { EXPECT_EQ(PeekErrno(a.get(), 1), ECANCELED); });
  Go([&] { EXPECT_EQ(StatusErrno(b->Read({&span, 1}, Deadline::Never())), ECANCELED); });
  Settle();
  EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 0u);
}

TEST_P(FdStreamTest, OperationsFitOnTheSmallestStack) {
  alignas(16) static char stack[4096];
  const std::string text = Pattern(kTooMuch);
  int write_error = -1;
  Bundle::Placement placement;
  placement.memory = stack;
  placement.memory_size = sizeof(stack);
  const IoSlice slice(text);
  FdStream* const stream = a.get();
  const auto body = [stream, &slice, &write_error] {
    write_error = stream->Write({&slice, 1}, false, Deadline::Never()).ok() ? 0 : 1;
  };
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  ASSERT_TRUE(bundle.Go(body).ok());
#else
  ASSERT_TRUE(bundle.Go(body, placement).ok());
#endif
  EXPECT_EQ(ReadText(b.get(), text.size()), text);
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(write_error, 0);
}

}  // namespace
}  // namespace halfpipe
