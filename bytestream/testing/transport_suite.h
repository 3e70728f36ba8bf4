#ifndef HALFPIPE_BYTESTREAM_TESTING_TRANSPORT_SUITE_H_
#define HALFPIPE_BYTESTREAM_TESTING_TRANSPORT_SUITE_H_

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/choppy_bytestream.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/patience.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"

// The contract of bytestream.h as tests, for any two connected streams. No test depends on time:
// waits are ended by an observer of the runtime, not by a clock.
//
// A transport says how to connect:
//
//   struct PairTransport {
//     using RuntimeType = SimRuntime;           // or Runtime, for descriptors
//     static constexpr bool kHasReset = true;   // the peer of an abort with a tail sees ECONNRESET
//     static constexpr size_t kLongBytes = size_t{1} << 20;   // takes tens of waits to send
//     static std::pair<BytestreamPtr, BytestreamPtr> Connect(Runtime* runtime,
//                                                            size_t send_tail_bytes_max);
//   };
//   INSTANTIATE_TYPED_TEST_SUITE_P(Pair, TransportSuite, PairTransport);

namespace halfpipe {
namespace transport_suite {

// Ends every wait of the coroutine that makes it, for as long as it lives, as if its time had come.
class NoWaits final : public WaitObserver {
 public:
  explicit NoWaits(Runtime* runtime) : runtime_(runtime), only_(runtime->current()) {
    runtime->set_wait_observer(this);
  }
  ~NoWaits() override { runtime_->set_wait_observer(nullptr); }
  NoWaits(const NoWaits&) = delete;
  NoWaits& operator=(const NoWaits&) = delete;

  int OnWait(Coroutine* waiting, Deadline) override { return waiting == only_ ? ETIMEDOUT : 0; }

 private:
  Runtime* const runtime_;
  const Coroutine* const only_;
};

inline absl::Status Write(Bytestream& stream, absl::string_view text,
                          Deadline deadline = Deadline::Never(), bool more = false) {
  const IoSlice slice(text);
  return stream.Write(absl::MakeConstSpan(&slice, 1), more, deadline);
}

inline absl::Status WriteTail(Bytestream& stream, absl::string_view text) {
  const IoSlice slice(text);
  return stream.WriteTail(absl::MakeConstSpan(&slice, 1));
}

// Reads exactly `size` bytes.
inline absl::StatusOr<std::string> Read(Bytestream& stream, size_t size,
                                        Deadline deadline = Deadline::Never()) {
  std::string text(size, '\0');
  const IoSpan span(text.data(), size);
  const absl::Status status = stream.Read(absl::MakeConstSpan(&span, 1), deadline);
  if (!status.ok()) return status;
  return text;
}

inline absl::StatusOr<std::string> Peek(Bytestream& stream, size_t min,
                                        Deadline deadline = Deadline::Never()) {
  const absl::StatusOr<absl::Span<uint8_t>> view = stream.Peek(min, deadline);
  if (!view.ok()) return view.status();
  return std::string(reinterpret_cast<const char*>(view->data()), view->size());
}

inline absl::StatusOr<std::string> ReadSome(Bytestream& stream, size_t max, size_t min,
                                            Deadline deadline = Deadline::Never()) {
  std::string text(max, '\0');
  const absl::StatusOr<size_t> size =
      stream.ReadSome(absl::MakeSpan(reinterpret_cast<uint8_t*>(text.data()), max), min, deadline);
  if (!size.ok()) return size.status();
  text.resize(*size);
  return text;
}

// Everything up to the end of the stream; `error` gets the errno that ended it, 0 for a clean end.
inline std::string ReadAll(Bytestream& stream, int* error) {
  std::string all;
  for (;;) {
    const absl::StatusOr<std::string> part = ReadSome(stream, 20'000, 1);
    *error = StatusErrno(part.status());
    if (!part.ok() || part->empty()) return all;
    all += *part;
  }
}

inline std::string Pattern(size_t size, uint32_t seed) {
  std::mt19937 random(seed);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

}  // namespace transport_suite

template <typename Transport>
class TransportSuite : public testing::Test {
 protected:
  static constexpr size_t kTailMax = Bytestream::kDefaultSendTailBytesMax;

  TransportSuite() { Connect(kTailMax); }

  void Connect(size_t send_tail_bytes_max) {
    std::tie(a_, b_) = Transport::Connect(&runtime_, send_tail_bytes_max);
  }

  // Writes to `stream` until it takes no more; returns what was written. A tail is left, and is more
  // than the system takes as time goes by, though the peer does not read.
  std::string Fill(Bytestream& stream) {
    std::string written;
    for (uint32_t i = 0; i < 100'000; ++i) {
      const std::string part = transport_suite::Pattern(5000, i);
      const absl::Status status = transport_suite::Write(stream, part, Deadline::Immediately());
      if (StatusErrno(status) == ETIMEDOUT) {
        // Nothing of it was sent; now something is left behind for certain.
        EXPECT_THAT(transport_suite::WriteTail(stream, part), IsOk());
      } else {
        EXPECT_THAT(status, IsOk());
      }
      written += part;
      if (!status.ok() || stream.tail_size() > 0) break;
    }
    const std::string more = transport_suite::Pattern(32'000, 100'000);
    EXPECT_THAT(transport_suite::WriteTail(stream, more), IsOk());
    EXPECT_GE(stream.tail_size(), more.size());
    return written + more;
  }

  // Lets others and the engine run until `condition` holds.
  void Until(const std::function<bool()>& condition) {
    for (const Patience patience; !condition() && patience.Lasts();) {
      ASSERT_EQ(runtime_.Yield(), 0);
    }
    ASSERT_TRUE(condition());
  }

  // Several polls long.
  void LetOthersRun() {
    for (int i = 0; i < 3 * Runtime::kSwitchesPerPoll; ++i) ASSERT_EQ(runtime_.Yield(), 0);
  }

  // Starts a coroutine.
  template <typename F>
  void Go(Bundle* bundle, F&& function) {
    ASSERT_THAT(bundle->Go(std::forward<F>(function)), IsOk());
  }

  // A call of each kind that waits for the peer.
  struct Call {
    const char* name;
    std::function<absl::Status(Bytestream&)> call;
  };
  static std::vector<Call> InboundCalls() {
    return {
        {"Peek", [](Bytestream& s) { return transport_suite::Peek(s, 1).status(); }},
        {"Read", [](Bytestream& s) { return transport_suite::Read(s, 1).status(); }},
        {"ReadSome", [](Bytestream& s) { return transport_suite::ReadSome(s, 5, 1).status(); }}};
  }
  static std::vector<Call> OutboundCalls() {
    return {{"Write", [](Bytestream& s) { return transport_suite::Write(s, "lost"); }},
            {"Flush", [](Bytestream& s) { return s.Flush(Deadline::Never()); }},
            {"Done", [](Bytestream& s) { return s.Done(Deadline::Never()); }}};
  }

  FdLeakCheck leaks_;
  typename Transport::RuntimeType runtime_;
  BytestreamPtr a_;
  BytestreamPtr b_;
};

TYPED_TEST_SUITE_P(TransportSuite);

TYPED_TEST_P(TransportSuite, SlicesArriveInOrder) {
  using namespace transport_suite;  // NOLINT: names of this suite only
  const IoSlice slices[] = {IoSlice("he"), IoSlice(), IoSlice("l"), IoSlice("lo")};
  EXPECT_THAT(this->a_->Write(slices, false, Deadline::Never()), IsOk());
  EXPECT_THAT(this->a_->Write({}, false, Deadline::Never()), IsOk());
  EXPECT_THAT(Write(*this->b_, "back"), IsOk());
  EXPECT_THAT(Read(*this->b_, 5), IsOkAndHolds(std::string("hello")));
  EXPECT_THAT(Read(*this->a_, 4), IsOkAndHolds(std::string("back")));
  EXPECT_EQ(this->a_->tail_size(), 0u);
}

TYPED_TEST_P(TransportSuite, PeekShowsAndConsumeDrops) {
  using namespace transport_suite;  // NOLINT
  EXPECT_THAT(Peek(*this->b_, 0), IsOkAndHolds(std::string()));
  EXPECT_THAT(Write(*this->a_, "hello"), IsOk());
  EXPECT_THAT(Peek(*this->b_, 5), IsOkAndHolds(std::string("hello")));
  EXPECT_EQ(this->b_->buffered(), 5u);
  this->b_->Consume(2);
  EXPECT_THAT(Peek(*this->b_, 0), IsOkAndHolds(std::string("llo")));
  EXPECT_THAT(ReadSome(*this->b_, 2, 1), IsOkAndHolds(std::string("ll")));
  EXPECT_THAT(Read(*this->b_, 1), IsOkAndHolds(std::string("o")));
  EXPECT_EQ(this->b_->buffered(), 0u);
  EXPECT_EQ(this->runtime_.buffer_pool().blocks_in_use(), 0u);
}

TYPED_TEST_P(TransportSuite, PeekedBytesMayBeChangedInPlace) {
  using namespace transport_suite;  // NOLINT
  EXPECT_THAT(Write(*this->a_, "abc"), IsOk());
  absl::StatusOr<absl::Span<uint8_t>> view = this->b_->Peek(3, Deadline::Never());
  ASSERT_THAT(view, IsOk());
  (*view)[1] = 'X';
  EXPECT_THAT(Read(*this->b_, 3), IsOkAndHolds(std::string("aXc")));
}

TYPED_TEST_P(TransportSuite, PeekUpToItsMaximum) {
  using namespace transport_suite;  // NOLINT
  const std::string text = Pattern(Bytestream::kPeekMax, 1);
  Bundle bundle(&this->runtime_);
  this->Go(&bundle, [&] { EXPECT_THAT(Write(*this->a_, "x" + text), IsOk()); });
  EXPECT_THAT(this->b_->Peek(Bytestream::kPeekMax + 1, Deadline::Never()), IsErrno(EINVAL));
  EXPECT_THAT(Read(*this->b_, 1), IsOkAndHolds(std::string("x")));
  EXPECT_THAT(Peek(*this->b_, Bytestream::kPeekMax), IsOkAndHolds(text));
  this->b_->Consume(Bytestream::kPeekMax);
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
}

TYPED_TEST_P(TransportSuite, NullSlicesSkip) {
  using namespace transport_suite;  // NOLINT
  const std::string text = Pattern(100'000, 2);
  Bundle bundle(&this->runtime_);
  this->Go(&bundle, [&] { EXPECT_THAT(Write(*this->a_, text + "tail"), IsOk()); });
  char first[3];
  char last[10];
  const IoSpan spans[] = {IoSpan(first, 3), IoSpan(nullptr, 50'000), IoSpan(),
                          IoSpan(nullptr, 49'987), IoSpan(last, 10)};
  EXPECT_THAT(this->b_->Read(spans, Deadline::Never()), IsOk());
  EXPECT_EQ(std::string(first, 3), text.substr(0, 3));
  EXPECT_EQ(std::string(last, 10), text.substr(text.size() - 10));
  const IoSpan skip(nullptr, 3);
  EXPECT_THAT(this->b_->Read(absl::MakeConstSpan(&skip, 1), Deadline::Never()), IsOk());
  EXPECT_THAT(Read(*this->b_, 1), IsOkAndHolds(std::string("l")));
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
}

TYPED_TEST_P(TransportSuite, InterruptedSkipCounts) {
  using namespace transport_suite;  // NOLINT
  const IoSpan skip(nullptr, 5);
  EXPECT_THAT(Write(*this->a_, "abc"), IsOk());
  EXPECT_THAT(Peek(*this->b_, 3), IsOk());
  EXPECT_THAT(this->b_->Read(absl::MakeConstSpan(&skip, 1), Deadline::Immediately()),
              IsErrno(ETIMEDOUT));
  EXPECT_THAT(Write(*this->a_, "defg"), IsOk());
  EXPECT_THAT(this->b_->Read(absl::MakeConstSpan(&skip, 1), Deadline::Never()), IsOk());
  EXPECT_THAT(Read(*this->b_, 2), IsOkAndHolds(std::string("fg")));
}

TYPED_TEST_P(TransportSuite, ReadSomeWantsAMinimumThatFits) {
  using namespace transport_suite;  // NOLINT
  EXPECT_THAT(ReadSome(*this->b_, 5, 0), IsErrno(EINVAL));
  EXPECT_THAT(ReadSome(*this->b_, 5, 6), IsErrno(EINVAL));
  EXPECT_THAT(Write(*this->a_, "abcdef"), IsOk());
  EXPECT_THAT(ReadSome(*this->b_, 4, 4), IsOkAndHolds(std::string("abcd")));
  EXPECT_THAT(ReadSome(*this->b_, 4, 2), IsOkAndHolds(std::string("ef")));
}

TYPED_TEST_P(TransportSuite, NothingThereIsATimeout) {
  using namespace transport_suite;  // NOLINT
  const Deadline now = Deadline::Immediately();
  EXPECT_THAT(Peek(*this->b_, 1, now), IsErrno(ETIMEDOUT));
  EXPECT_THAT(Read(*this->b_, 1, now), IsErrno(ETIMEDOUT));
  EXPECT_THAT(ReadSome(*this->b_, 1, 1, now), IsErrno(ETIMEDOUT));
  EXPECT_THAT(Write(*this->a_, "abc", now), IsOk());
  EXPECT_THAT(Peek(*this->b_, 3), IsOk());
  // What needs no waiting is done, whatever the deadline; what is not enough stays.
  EXPECT_THAT(Read(*this->b_, 4, now), IsErrno(ETIMEDOUT));
  EXPECT_THAT(ReadSome(*this->b_, 9, 4, now), IsErrno(ETIMEDOUT));
  EXPECT_THAT(Peek(*this->b_, 0), IsOkAndHolds(std::string("abc")));
  EXPECT_THAT(Read(*this->b_, 3, now), IsOkAndHolds(std::string("abc")));
  EXPECT_THAT(this->a_->Flush(now), IsOk());
  EXPECT_THAT(this->a_->Done(now), IsOk());
}

TYPED_TEST_P(TransportSuite, DoneIsTheEndOfOneDirection) {
  using namespace transport_suite;  // NOLINT
  EXPECT_THAT(Write(*this->a_, "abc"), IsOk());
  EXPECT_THAT(this->a_->Done(Deadline::Never()), IsOk());
  EXPECT_THAT(this->a_->Done(Deadline::Never()), IsErrno(EPIPE));
  EXPECT_THAT(Write(*this->a_, "d"), IsErrno(EPIPE));
  EXPECT_THAT(WriteTail(*this->a_, "d"), IsErrno(EPIPE));
  // What came before the end is not lost by asking for more.
  EXPECT_THAT(Read(*this->b_, 4), IsErrno(EPIPE));
  EXPECT_THAT(Peek(*this->b_, 4), IsOkAndHolds(std::string("abc")));
  EXPECT_THAT(ReadSome(*this->b_, 9, 4), IsOkAndHolds(std::string("abc")));
  EXPECT_THAT(ReadSome(*this->b_, 9, 1), IsOkAndHolds(std::string()));
  EXPECT_THAT(Peek(*this->b_, 1), IsOkAndHolds(std::string()));
  EXPECT_THAT(Read(*this->b_, 1), IsErrno(EPIPE));
  // The other direction goes on, to its own end.
  EXPECT_THAT(Write(*this->b_, "more"), IsOk());
  EXPECT_THAT(Read(*this->a_, 4), IsOkAndHolds(std::string("more")));
  EXPECT_THAT(this->b_->Done(Deadline::Never()), IsOk());
  EXPECT_THAT(Peek(*this->a_, 1), IsOkAndHolds(std::string()));
}

// Times out the N-th wait of a read for all N: no byte is ever lost.
TYPED_TEST_P(TransportSuite, ReadsTimedOutAtEachWaitLoseNothing) {
  using namespace transport_suite;  // NOLINT
  using Attempt = std::function<absl::StatusOr<std::string>(Bytestream&)>;
  const std::string text = "0123456789";
  const Attempt attempts[] = {[](Bytestream& s) { return Read(s, 10); },
                              [](Bytestream& s) { return ReadSome(s, 10, 10); },
                              [](Bytestream& s) { return Peek(s, 10); }};
  for (const Attempt& attempt : attempts) {
    for (const int error : {ETIMEDOUT, ECANCELED}) {
      const int waits = SweepWaits(&this->runtime_, error, [&](WaitFault& fault) {
        this->Connect(this->kTailMax);
        Bundle bundle(&this->runtime_);
        absl::StatusOr<std::string> got = absl::UnknownError("not run");
        this->Go(&bundle, [&] {
          fault.set_only(this->runtime_.current());
          got = attempt(*this->b_);
        });
        for (size_t i = 0; i < text.size(); i += 5) {
          EXPECT_THAT(WriteTail(*this->a_, text.substr(i, 5)), IsOk());
          this->LetOthersRun();
        }
        EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
        if (got.ok()) {
          EXPECT_EQ(*got, text);
        } else {
          EXPECT_THAT(got, IsErrno(error));
          EXPECT_TRUE(fault.hit());
          EXPECT_THAT(Read(*this->b_, 10), IsOkAndHolds(text));
        }
      });
      EXPECT_GE(waits, 1);
    }
  }
}

// A long read that is interrupted at every wait, more than a hundred times.
TYPED_TEST_P(TransportSuite, ReadResumesHoweverOften) {
  using namespace transport_suite;  // NOLINT
  const std::string text = Pattern(TypeParam::kLongBytes, 3);
  const size_t piece = text.size() / 256;
  Bundle bundle(&this->runtime_);
  this->Go(&bundle, [&] {
    for (size_t i = 0; i < text.size(); i += piece) {
      EXPECT_THAT(Write(*this->a_, absl::string_view(text).substr(i, piece)), IsOk());
      EXPECT_EQ(this->runtime_.Yield(), 0);
    }
  });
  int interrupted = 0;
  absl::StatusOr<std::string> got = absl::UnknownError("not run");
  while (!got.ok()) {
    {
      NoWaits no_waits(&this->runtime_);
      got = Read(*this->b_, text.size());
    }
    if (got.ok()) break;
    ASSERT_THAT(got, IsErrno(ETIMEDOUT));
    ++interrupted;
    ASSERT_EQ(this->runtime_.Yield(), 0);
  }
  EXPECT_GE(interrupted, 100);
  EXPECT_TRUE(*got == text);
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(this->b_->buffered(), 0u);
}

TYPED_TEST_P(TransportSuite, TailLeavesByItself) {
  using namespace transport_suite;  // NOLINT
  const std::string written = this->Fill(*this->a_);
  EXPECT_THAT(this->a_->Flush(Deadline::Immediately()), IsErrno(ETIMEDOUT));
  EXPECT_THAT(this->a_->Done(Deadline::Immediately()), IsErrno(ETIMEDOUT));
  const absl::StatusOr<std::string> got = Read(*this->b_, written.size());
  ASSERT_THAT(got, IsOk());
  EXPECT_TRUE(*got == written);
  EXPECT_EQ(this->a_->tail_size(), 0u);
  EXPECT_THAT(this->a_->Flush(Deadline::Immediately()), IsOk());
  EXPECT_THAT(this->a_->Done(Deadline::Immediately()), IsOk());
}

// A write that really waited and timed out has sent nothing, and later ones arrive whole.
TYPED_TEST_P(TransportSuite, WriteInterruptedBeforeItsFirstByteSendsNothing) {
  using namespace transport_suite;  // NOLINT
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    for (const auto& call : this->OutboundCalls()) {
      SCOPED_TRACE(call.name);
      this->Connect(this->kTailMax);
      const std::string written = this->Fill(*this->a_);
      absl::Status status;
      {
        Bundle bundle(&this->runtime_);
        this->Go(&bundle, [&] {
          WaitFault fault(&this->runtime_, error, 0, this->runtime_.current());
          status = call.call(*this->a_);
          EXPECT_TRUE(fault.hit());
        });
        EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
      }
      EXPECT_THAT(status, IsErrno(error));
      EXPECT_FALSE(this->a_->writer_busy());
      Bundle bundle(&this->runtime_);
      this->Go(&bundle, [&] {
        EXPECT_THAT(Write(*this->a_, "kept"), IsOk());
        EXPECT_THAT(this->a_->Done(Deadline::Never()), IsOk());
      });
      int end = -1;
      EXPECT_TRUE(ReadAll(*this->b_, &end) == written + "kept");
      EXPECT_EQ(end, 0);
      EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    }
  }
}

// Ends the N-th wait of a long write for all N: nothing or everything arrives.
TYPED_TEST_P(TransportSuite, WriteIsAllOrNothing) {
  using namespace transport_suite;  // NOLINT
  const std::string text = Pattern(TypeParam::kLongBytes / 4, 4);
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&this->runtime_, error, [&](WaitFault& fault) {
      this->Connect(this->kTailMax);
      const std::string before = this->Fill(*this->a_);
      absl::Status status = absl::UnknownError("not run");
      Bundle bundle(&this->runtime_);
      this->Go(&bundle, [&] {
        fault.set_only(this->runtime_.current());
        status = Write(*this->a_, text);
      });
      Bundle finisher(&this->runtime_);
      this->Go(&finisher, [&] {
        EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
        // The writer's coroutine is gone; a tail is not.
        EXPECT_THAT(Write(*this->a_, "last"), IsOk());
        EXPECT_THAT(this->a_->Done(Deadline::Never()), IsOk());
      });
      int end = -1;
      const std::string got = ReadAll(*this->b_, &end);
      EXPECT_EQ(end, 0);
      EXPECT_EQ(finisher.Wait(Deadline::Never()), 0);
      EXPECT_THAT(status, IsErrno(status.ok() ? 0 : error));
      EXPECT_TRUE(got == before + (status.ok() ? text : "") + "last");
    });
    EXPECT_GE(waits, 1);
  }
}

TYPED_TEST_P(TransportSuite, TailAboveItsBoundResets) {
  using namespace transport_suite;  // NOLINT
  this->Connect(/*send_tail_bytes_max=*/1000);
  const std::string text = Pattern(size_t{8} << 20, 5);
  {
    WaitFault fault(&this->runtime_, ETIMEDOUT, 0, this->runtime_.current());
    EXPECT_THAT(Write(*this->a_, text), IsErrno(ECONNRESET));
  }
  EXPECT_THAT(Write(*this->a_, "x"), IsErrno(ECONNRESET));
  EXPECT_THAT(WriteTail(*this->a_, "x"), IsErrno(ECONNRESET));
  EXPECT_THAT(Peek(*this->a_, 1), IsErrno(ECONNRESET));
  EXPECT_EQ(this->a_->tail_size(), 0u);
  int end = -1;
  const std::string got = ReadAll(*this->b_, &end);
  EXPECT_EQ(end, TypeParam::kHasReset ? ECONNRESET : end);
  EXPECT_LT(got.size(), text.size());
  EXPECT_TRUE(got == text.substr(0, got.size()));
}

TYPED_TEST_P(TransportSuite, WriteTailNeverWaits) {
  using namespace transport_suite;  // NOLINT
  EXPECT_THAT(WriteTail(*this->a_, "abc"), IsOk());
  EXPECT_THAT(Read(*this->b_, 3), IsOkAndHolds(std::string("abc")));
  std::string written = this->Fill(*this->a_);
  const size_t tail = this->a_->tail_size();
  EXPECT_THAT(WriteTail(*this->a_, "behind"), IsOk());
  EXPECT_EQ(this->a_->tail_size(), tail + 6);
  EXPECT_THAT(WriteTail(*this->a_, Pattern(this->kTailMax, 6)), IsErrno(ECONNRESET));
  EXPECT_THAT(Write(*this->a_, "x"), IsErrno(ECONNRESET));
}

TYPED_TEST_P(TransportSuite, OneReaderAndOneWriterAtATime) {
  using namespace transport_suite;  // NOLINT
  for (const auto& blocked : this->InboundCalls()) {
    SCOPED_TRACE(blocked.name);
    Bundle bundle(&this->runtime_);
    this->Go(&bundle, [&] { EXPECT_THAT(blocked.call(*this->b_), IsErrno(ECANCELED)); });
    EXPECT_TRUE(this->b_->reader_busy());
    for (const auto& call : this->InboundCalls()) {
      EXPECT_THAT(call.call(*this->b_), IsErrno(EBUSY)) << call.name;
    }
    EXPECT_THAT(Write(*this->b_, "x"), IsOk());  // The other direction does not care.
    bundle.CancelAndJoin();
    EXPECT_FALSE(this->b_->reader_busy());
  }
  this->Fill(*this->a_);
  for (const auto& blocked : this->OutboundCalls()) {
    SCOPED_TRACE(blocked.name);
    Bundle bundle(&this->runtime_);
    this->Go(&bundle, [&] { EXPECT_THAT(blocked.call(*this->a_), IsErrno(ECANCELED)); });
    EXPECT_TRUE(this->a_->writer_busy());
    for (const auto& call : this->OutboundCalls()) {
      EXPECT_THAT(call.call(*this->a_), IsErrno(EBUSY)) << call.name;
    }
    EXPECT_THAT(WriteTail(*this->a_, "x"), IsErrno(EBUSY));
    EXPECT_THAT(Peek(*this->a_, 1), IsOk());
    bundle.CancelAndJoin();
    EXPECT_FALSE(this->a_->writer_busy());
  }
}

TYPED_TEST_P(TransportSuite, CancelledCoroutineGetsNothingElse) {
  using namespace transport_suite;  // NOLINT
  EXPECT_THAT(Write(*this->b_, "abc"), IsOk());
  EXPECT_THAT(Peek(*this->a_, 3), IsOk());
  Bundle bundle(&this->runtime_);
  this->Go(&bundle, [&] {
    EXPECT_EQ(this->runtime_.SleepUntil(Deadline::Never()), ECANCELED);
    for (const auto& call : this->InboundCalls()) {
      EXPECT_THAT(call.call(*this->a_), IsErrno(ECANCELED)) << call.name;
    }
    for (const auto& call : this->OutboundCalls()) {
      EXPECT_THAT(call.call(*this->a_), IsErrno(ECANCELED)) << call.name;
    }
    EXPECT_THAT(Peek(*this->a_, 0), IsOkAndHolds(std::string("abc")));
  });
  bundle.CancelAndJoin();
  EXPECT_THAT(Read(*this->a_, 3), IsOkAndHolds(std::string("abc")));
  EXPECT_THAT(this->a_->Done(Deadline::Never()), IsOk());
  EXPECT_THAT(Peek(*this->b_, 1), IsOkAndHolds(std::string()));
}

TYPED_TEST_P(TransportSuite, AbortWakesWhoeverIsBlocked) {
  using namespace transport_suite;  // NOLINT
  for (const auto& inbound : this->InboundCalls()) {
    for (const auto& outbound : this->OutboundCalls()) {
      SCOPED_TRACE(std::string(inbound.name) + " and " + outbound.name);
      this->Connect(this->kTailMax);
      this->Fill(*this->a_);
      int called = 0;
      Bundle bundle(&this->runtime_);
      this->Go(&bundle, [&] { EXPECT_THAT(inbound.call(*this->a_), IsErrno(EBADF)); });
      this->Go(&bundle, [&] { EXPECT_THAT(outbound.call(*this->a_), IsErrno(EBADF)); });
      this->a_->WhenReadable([&] { ++called; });
      this->a_->WhenWritable([&] { ++called; });
      EXPECT_TRUE(this->a_->reader_busy() && this->a_->writer_busy());
      this->a_->Abort();
      this->a_->Abort();
      EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
      EXPECT_THAT(inbound.call(*this->a_), IsErrno(EBADF));
      EXPECT_THAT(outbound.call(*this->a_), IsErrno(EBADF));
      EXPECT_THAT(WriteTail(*this->a_, "x"), IsErrno(EBADF));
      this->a_->WhenReadable([&] { ++called; });
      this->a_->WhenReadable(nullptr);
      this->LetOthersRun();
      EXPECT_EQ(this->a_->tail_size(), 0u);
      this->a_.reset();
      int end = -1;
      static_cast<void>(ReadAll(*this->b_, &end));
      EXPECT_EQ(end, TypeParam::kHasReset ? ECONNRESET : end);
    }
  }
}

TYPED_TEST_P(TransportSuite, EndThatIsDestroyedIsTheEndOfTheStream) {
  using namespace transport_suite;  // NOLINT
  EXPECT_THAT(Write(*this->a_, "abc"), IsOk());
  this->a_.reset();
  EXPECT_THAT(Read(*this->b_, 3), IsOkAndHolds(std::string("abc")));
  EXPECT_THAT(Peek(*this->b_, 1), IsOkAndHolds(std::string()));
  absl::Status status;
  for (const Patience patience; status.ok() && patience.Lasts();) {
    status = Write(*this->b_, "x");
    ASSERT_EQ(this->runtime_.Yield(), 0);
  }
  EXPECT_THAT(status, IsErrno(ECONNRESET));
  EXPECT_THAT(Write(*this->b_, "x"), IsErrno(ECONNRESET));
}

TYPED_TEST_P(TransportSuite, UnreadBytesMakeItAReset) {
  using namespace transport_suite;  // NOLINT
  bool arrived = false;
  this->a_->WhenReadable([&] { arrived = true; });
  EXPECT_THAT(Write(*this->b_, "unread"), IsOk());
  this->Until([&] { return arrived; });
  this->a_.reset();
  EXPECT_THAT(Peek(*this->b_, 1), IsErrno(ECONNRESET));
  EXPECT_THAT(Read(*this->b_, 1), IsErrno(ECONNRESET));
}

TYPED_TEST_P(TransportSuite, ReadableIsToldOnce) {
  using namespace transport_suite;  // NOLINT
  int first = 0;
  int second = 0;
  this->b_->WhenReadable([&] { ++first; });
  this->b_->WhenReadable([&] { ++second; });
  this->LetOthersRun();
  EXPECT_EQ(first + second, 0);
  EXPECT_THAT(Write(*this->a_, "ab"), IsOk());
  this->Until([&] { return second > 0; });
  this->LetOthersRun();
  EXPECT_EQ(first, 0);
  EXPECT_EQ(second, 1);
  EXPECT_THAT(Read(*this->b_, 1), IsOk());
  this->b_->WhenReadable([&] { ++first; });  // At once: there is a byte in the buffer.
  EXPECT_EQ(first, 1);
  EXPECT_THAT(Read(*this->b_, 1), IsOk());
  this->b_->WhenReadable([&] { ++first; });
  this->b_->WhenReadable(nullptr);
  EXPECT_THAT(Write(*this->a_, "c"), IsOk());
  this->LetOthersRun();
  EXPECT_EQ(first, 1);
  EXPECT_THAT(Read(*this->b_, 1), IsOk());
  this->b_->WhenReadable([&] { ++first; });
  EXPECT_THAT(this->a_->Done(Deadline::Never()), IsOk());
  this->Until([&] { return first == 2; });
  EXPECT_THAT(Peek(*this->b_, 1, Deadline::Immediately()), IsOkAndHolds(std::string()));
}

// Bytes that an interrupted read gives back are news too.
TYPED_TEST_P(TransportSuite, ReadableIsToldOfBytesPutBack) {
  using namespace transport_suite;  // NOLINT
  bool readable = false;
  Bundle bundle(&this->runtime_);
  this->Go(&bundle, [&] { EXPECT_THAT(Read(*this->b_, 10), IsErrno(ECANCELED)); });
  this->b_->WhenReadable([&] { readable = true; });
  EXPECT_THAT(Write(*this->a_, "abc"), IsOk());
  this->LetOthersRun();
  bundle.CancelAndJoin();
  this->Until([&] { return readable; });
  EXPECT_THAT(Read(*this->b_, 3), IsOkAndHolds(std::string("abc")));
}

TYPED_TEST_P(TransportSuite, CallbacksMayDestroyTheStream) {
  using namespace transport_suite;  // NOLINT
  this->b_->WhenReadable([&] { this->b_.reset(); });
  EXPECT_THAT(Write(*this->a_, "a"), IsOk());
  this->Until([&] { return this->b_ == nullptr; });
  this->Connect(this->kTailMax);
  this->a_->WhenWritable([&] { this->a_.reset(); });
  EXPECT_EQ(this->a_, nullptr);
  this->Connect(this->kTailMax);
  this->Fill(*this->a_);
  this->a_->WhenReadable([&] { this->a_.reset(); });
  this->a_->WhenWritable([&] { this->a_.reset(); });
  EXPECT_THAT(Write(*this->b_, "a"), IsOk());
  int end = -1;
  static_cast<void>(ReadAll(*this->b_, &end));
  EXPECT_EQ(this->a_, nullptr);
}

TYPED_TEST_P(TransportSuite, WritableIsToldWhenThereIsRoom) {
  using namespace transport_suite;  // NOLINT
  int writable = 0;
  this->a_->WhenWritable([&] { ++writable; });
  EXPECT_EQ(writable, 1);
  const std::string written = this->Fill(*this->a_);
  this->a_->WhenWritable([&] {
    ++writable;
    EXPECT_EQ(this->a_->tail_size(), 0u);
    EXPECT_THAT(Write(*this->a_, "now", Deadline::Immediately()), IsOk());
  });
  this->LetOthersRun();
  EXPECT_EQ(writable, 1);
  EXPECT_THAT(Read(*this->b_, written.size()), IsOk());
  EXPECT_THAT(Read(*this->b_, 3), IsOkAndHolds(std::string("now")));
  EXPECT_EQ(writable, 2);
}

// Bytes that may be held back leave with the next write, with Flush() and Done(), when the reader
// waits, and before the runtime does.
TYPED_TEST_P(TransportSuite, HeldBytesLeaveInTime) {
  using namespace transport_suite;  // NOLINT
  const Deadline never = Deadline::Never();
  EXPECT_THAT(Write(*this->a_, "a", never, /*more=*/true), IsOk());
  EXPECT_THAT(Write(*this->a_, "b"), IsOk());
  EXPECT_THAT(Read(*this->b_, 2), IsOkAndHolds(std::string("ab")));
  EXPECT_THAT(Write(*this->a_, "c", never, /*more=*/true), IsOk());
  EXPECT_THAT(this->a_->Flush(never), IsOk());
  EXPECT_THAT(Read(*this->b_, 1), IsOkAndHolds(std::string("c")));
  EXPECT_THAT(Write(*this->a_, "d", never, /*more=*/true), IsOk());
  EXPECT_THAT(Peek(*this->a_, 1, Deadline::Immediately()), IsErrno(ETIMEDOUT));
  EXPECT_THAT(Read(*this->b_, 1), IsOkAndHolds(std::string("d")));
  EXPECT_THAT(Write(*this->a_, "e", never, /*more=*/true), IsOk());
  EXPECT_THAT(Read(*this->b_, 1), IsOkAndHolds(std::string("e")));  // Waits: so does the runtime.
  EXPECT_THAT(Write(*this->a_, "f", never, /*more=*/true), IsOk());
  EXPECT_THAT(this->a_->Done(never), IsOk());
  EXPECT_THAT(Read(*this->b_, 1), IsOkAndHolds(std::string("f")));
  EXPECT_THAT(Peek(*this->b_, 1), IsOkAndHolds(std::string()));
}

// Both directions at once, cut in any way.
TYPED_TEST_P(TransportSuite, LongTransfersThroughChoppyStreams) {
  using namespace transport_suite;  // NOLINT
  const size_t size = std::max(TypeParam::kLongBytes, size_t{128} * 1024);
  const std::string forth = Pattern(size, 7);
  const std::string back = Pattern(size, 8);
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  this->a_ = BytestreamPtr(new ChoppyBytestream(std::move(this->a_), seed));
  this->b_ = BytestreamPtr(new ChoppyBytestream(std::move(this->b_), seed + 1));
  const auto send = [](Bytestream& stream, absl::string_view text) {
    for (size_t i = 0; i < text.size(); i += 30'000) {
      EXPECT_THAT(Write(stream, text.substr(i, 30'000), Deadline::Never(), i % 4 == 0), IsOk());
    }
    EXPECT_THAT(stream.Done(Deadline::Never()), IsOk());
  };
  Bundle bundle(&this->runtime_);
  int end_a = -1;
  std::string got_a;
  this->Go(&bundle, [&] { send(*this->a_, forth); });
  this->Go(&bundle, [&] { send(*this->b_, back); });
  this->Go(&bundle, [&] { got_a = ReadAll(*this->a_, &end_a); });
  int end_b = -1;
  EXPECT_TRUE(ReadAll(*this->b_, &end_b) == forth);
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_TRUE(got_a == back);
  EXPECT_EQ(end_a, 0);
  EXPECT_EQ(end_b, 0);
}

REGISTER_TYPED_TEST_SUITE_P(
    TransportSuite, SlicesArriveInOrder, PeekShowsAndConsumeDrops, PeekedBytesMayBeChangedInPlace,
    PeekUpToItsMaximum, NullSlicesSkip, InterruptedSkipCounts, ReadSomeWantsAMinimumThatFits,
    NothingThereIsATimeout, DoneIsTheEndOfOneDirection, ReadsTimedOutAtEachWaitLoseNothing,
    ReadResumesHoweverOften, TailLeavesByItself, WriteInterruptedBeforeItsFirstByteSendsNothing,
    WriteIsAllOrNothing, TailAboveItsBoundResets, WriteTailNeverWaits, OneReaderAndOneWriterAtATime,
    CancelledCoroutineGetsNothingElse, AbortWakesWhoeverIsBlocked,
    EndThatIsDestroyedIsTheEndOfTheStream, UnreadBytesMakeItAReset, ReadableIsToldOnce,
    ReadableIsToldOfBytesPutBack, CallbacksMayDestroyTheStream, WritableIsToldWhenThereIsRoom,
    HeldBytesLeaveInTime, LongTransfersThroughChoppyStreams);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_TRANSPORT_SUITE_H_
