#include "bytestream/user_bytestream.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/iolist.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/runtime/waiter.h"
#include "bytestream/socket_vfs.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

// A user's stream that is all in memory: `in` is what can be received, and sends are taken into
// `out` while `out_room` lasts. It never takes or gives a part of what it is asked for.
class FakeUser : private UserStreamOwner {
 public:
  explicit FakeUser(Runtime* runtime)
      : runtime_(runtime), background_(runtime), stream_(new UserBytestream(this, &background_)) {
    table_ = {{&Bsendl, &Brecvl}, this};
    stream_->set_vfs(&table_.vfs);
  }
  ~FakeUser() {
    if (stream_ != nullptr) stream_->Dispose();
    runtime_->SleepUntil(Deadline::In(absl::Seconds(1)));
    EXPECT_EQ(closes, 1);
    EXPECT_EQ(stream_, nullptr);
  }

  UserBytestream& stream() { return *stream_; }
  bool disposed() const { return stream_ == nullptr; }

  void Give(absl::string_view bytes) {
    in.append(bytes.data(), bytes.size());
    WakeAll();
  }
  void End() {
    ended = true;
    WakeAll();
  }
  void Fail(int error) {
    failure = error;
    WakeAll();
  }
  void MakeRoom(size_t room) {
    out_room = room;
    WakeAll();
  }

  std::string in;
  std::string out;
  std::vector<size_t> asked;  // sizes of receives
  size_t out_room = SIZE_MAX;
  bool ended = false;
  int failure = 0;
  int closes = 0;
  int inside = 0;
  int inside_at_close = -1;

 private:
  struct Table {
    dill_bsock_vfs vfs;
    FakeUser* self;
  };

  static FakeUser* From(dill_bsock_vfs* vfs) { return reinterpret_cast<Table*>(vfs)->self; }

  static size_t Size(const dill_iolist* first) {
    size_t size = 0;
    for (; first != nullptr; first = first->iol_next) size += first->iol_len;
    return size;
  }

  // Waits until ready() or the failure is set.
  template <typename Ready>
  int Await(Ready ready, int64_t deadline) {
    ++inside;
    int error = 0;
    while (error == 0 && !ready() && failure == 0) {
      Waiter waiter;
      waiters_.PushBack(&waiter);
      error = runtime_->Wait(&waiter, Deadline::FromMillis(deadline));
      if (ready()) error = 0;
    }
    --inside;
    return error != 0 ? error : failure;
  }

  static int Bsendl(dill_bsock_vfs* vfs, dill_iolist* first, dill_iolist* last, int64_t deadline) {
    FakeUser* const self = From(vfs);
    EXPECT_NE(first, nullptr);
    EXPECT_EQ(last->iol_next, nullptr);
    const size_t size = Size(first);
    const int error = self->Await([&] { return size <= self->out_room; }, deadline);
    if (error != 0) {
      errno = error;
      return -1;
    }
    if (self->out_room != SIZE_MAX) self->out_room -= size;
    for (dill_iolist* it = first; it != nullptr; it = it->iol_next) {
      if (it->iol_len > 0) self->out.append(static_cast<char*>(it->iol_base), it->iol_len);
    }
    return 0;
  }

  static int Brecvl(dill_bsock_vfs* vfs, dill_iolist* first, dill_iolist*, int64_t deadline) {
    FakeUser* const self = From(vfs);
    const size_t size = Size(first);
    self->asked.push_back(size);
    int error = self->Await([&] { return size <= self->in.size() || self->ended; }, deadline);
    if (error == 0 && size > self->in.size()) error = EPIPE;
    if (error != 0) {
      errno = error;
      return -1;
    }
    for (dill_iolist* it = first; it != nullptr; it = it->iol_next) {
      if (it->iol_base != nullptr) std::memcpy(it->iol_base, self->in.data(), it->iol_len);
      self->in.erase(0, it->iol_len);
    }
    return 0;
  }

  void CloseUserObject() noexcept override {
    ++closes;
    inside_at_close = inside;
    Fail(EBADF);
  }
  void DestroyUserObject() noexcept override {
    EXPECT_EQ(closes, 1);
    delete std::exchange(stream_, nullptr);
  }

  void WakeAll() {
    while (Waiter* const waiter = waiters_.PopFront()) runtime_->Wake(waiter);
  }

  Runtime* const runtime_;
  Bundle background_;
  UserBytestream* stream_;
  Table table_;
  WaiterList waiters_;
};

absl::StatusOr<std::string> Peek(Bytestream& stream, size_t min,
                                 Deadline deadline = Deadline::Never()) {
  const absl::StatusOr<absl::Span<uint8_t>> bytes = stream.Peek(min, deadline);
  if (!bytes.ok()) return bytes.status();
  return std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size());
}

absl::StatusOr<std::string> Read(Bytestream& stream, size_t size,
                                 Deadline deadline = Deadline::Never()) {
  std::string text(size, '?');
  const IoSpan span(text.data(), size);
  const absl::Status status = stream.Read(absl::MakeConstSpan(&span, 1), deadline);
  if (!status.ok()) return status;
  return text;
}

absl::StatusOr<std::string> ReadSome(Bytestream& stream, size_t max, size_t min,
                                     Deadline deadline = Deadline::Never()) {
  std::string text(max, '?');
  const absl::StatusOr<size_t> size =
      stream.ReadSome(absl::MakeSpan(reinterpret_cast<uint8_t*>(text.data()), max), min, deadline);
  if (!size.ok()) return size.status();
  return text.substr(0, *size);
}

absl::Status Write(Bytestream& stream, absl::string_view text,
                   Deadline deadline = Deadline::Never()) {
  const IoSlice slice(text);
  return stream.Write(absl::MakeConstSpan(&slice, 1), false, deadline);
}

absl::Status WriteTail(Bytestream& stream, absl::string_view text) {
  const IoSlice slice(text);
  return stream.WriteTail(absl::MakeConstSpan(&slice, 1));
}

class UserBytestreamTest : public testing::Test {
 protected:
  Deadline Soon() { return Deadline::In(absl::Milliseconds(1500)); }

  SimRuntime runtime_;
};

// Nothing is asked for beyond what the caller must have.
TEST_F(UserBytestreamTest, NeverReadsAhead) {
  FakeUser user(&runtime_);
  user.Give("abcdefghijklmnopqrstuvwxyz");
  UserBytestream& stream = user.stream();
  EXPECT_FALSE(stream.reads_ahead());
  EXPECT_THAT(Peek(stream, 0), IsOkAndHolds(""));
  EXPECT_THAT(Peek(stream, 2), IsOkAndHolds("ab"));
  EXPECT_THAT(Peek(stream, 1), IsOkAndHolds("ab"));
  EXPECT_THAT(Peek(stream, 5), IsOkAndHolds("abcde"));
  EXPECT_EQ(stream.buffered(), 5u);
  stream.Consume(4);
  EXPECT_THAT(Read(stream, 3), IsOkAndHolds("efg"));
  EXPECT_THAT(ReadSome(stream, 9, 2), IsOkAndHolds("hi"));
  EXPECT_THAT(Peek(stream, 3), IsOkAndHolds("jkl"));
  EXPECT_THAT(ReadSome(stream, 9, 2), IsOkAndHolds("jkl"));
  EXPECT_THAT(Peek(stream, 3), IsOkAndHolds("mno"));
  EXPECT_THAT(ReadSome(stream, 9, 5), IsOkAndHolds("mnopq"));
  EXPECT_THAT(Peek(stream, 3), IsOkAndHolds("rst"));
  EXPECT_THAT(Read(stream, 2), IsOkAndHolds("rs"));
  EXPECT_THAT(Read(stream, 1), IsOkAndHolds("t"));
  EXPECT_EQ(user.asked, (std::vector<size_t>{2, 3, 2, 2, 3, 3, 2, 3}));
  EXPECT_EQ(user.in, "uvwxyz");
}

TEST_F(UserBytestreamTest, LimitsOfPeek) {
  FakeUser user(&runtime_);
  user.Give(std::string(Bytestream::kPeekMax + 5, 'x'));
  EXPECT_THAT(Peek(user.stream(), Bytestream::kPeekMax + 1), IsErrno(EINVAL));
  EXPECT_THAT(Peek(user.stream(), Bytestream::kPeekMax - 1), IsOk());
  EXPECT_THAT(Peek(user.stream(), Bytestream::kPeekMax), IsOk());
  EXPECT_EQ(user.in.size(), 5u);
  EXPECT_THAT(ReadSome(user.stream(), 4, 0), IsErrno(EINVAL));
  EXPECT_THAT(ReadSome(user.stream(), 4, 5), IsErrno(EINVAL));
}

TEST_F(UserBytestreamTest, WhatComesBeforeTheEnd) {
  for (const size_t sent : {0u, 1u, 3u, 100u}) {
    const std::string text(sent, 'e');
    for (const size_t wanted : {sent + 1, sent + 200}) {
      FakeUser peeked(&runtime_);
      peeked.Give(text);
      peeked.End();
      EXPECT_THAT(Peek(peeked.stream(), wanted), IsOkAndHolds(text));
      EXPECT_THAT(Peek(peeked.stream(), wanted), IsOkAndHolds(text));
      EXPECT_THAT(Read(peeked.stream(), sent), IsErrno(0));
      EXPECT_THAT(Peek(peeked.stream(), 1), IsOkAndHolds(""));
      EXPECT_THAT(Read(peeked.stream(), 1), IsErrno(EPIPE));
      FakeUser some(&runtime_);
      some.Give(text);
      some.End();
      EXPECT_THAT(ReadSome(some.stream(), wanted, wanted), IsOkAndHolds(text));
      EXPECT_THAT(ReadSome(some.stream(), 1, 1), IsOkAndHolds(""));
      FakeUser read(&runtime_);
      read.Give(text);
      read.End();
      EXPECT_THAT(Read(read.stream(), wanted), IsErrno(EPIPE));
      EXPECT_THAT(Read(read.stream(), sent), IsOkAndHolds(text));
    }
  }
}

TEST_F(UserBytestreamTest, TimeNeverLosesAnything) {
  FakeUser user(&runtime_);
  UserBytestream& stream = user.stream();
  user.Give("abc");
  EXPECT_THAT(Peek(stream, 2), IsOkAndHolds("ab"));
  EXPECT_THAT(Peek(stream, 5, Soon()), IsErrno(ETIMEDOUT));
  EXPECT_THAT(Read(stream, 5, Soon()), IsErrno(ETIMEDOUT));
  EXPECT_THAT(Read(stream, 5, Deadline::Immediately()), IsErrno(ETIMEDOUT));
  EXPECT_THAT(ReadSome(stream, 5, 5, Soon()), IsErrno(ETIMEDOUT));
  user.Give("de");
  EXPECT_THAT(Read(stream, 5), IsOkAndHolds("abcde"));
}

TEST_F(UserBytestreamTest, OneCoroutineInEachDirection) {
  FakeUser user(&runtime_);
  user.MakeRoom(0);
  UserBytestream& stream = user.stream();
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(Read(stream, 1), IsErrno(EBADF)); }), IsOk());
  ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(Write(stream, "x"), IsErrno(EBADF)); }), IsOk());
  EXPECT_TRUE(stream.reader_busy());
  EXPECT_TRUE(stream.writer_busy());
  EXPECT_THAT(Peek(stream, 1), IsErrno(EBUSY));
  EXPECT_THAT(Read(stream, 1), IsErrno(EBUSY));
  EXPECT_THAT(ReadSome(stream, 1, 1), IsErrno(EBUSY));
  EXPECT_THAT(Write(stream, "y"), IsErrno(EBUSY));
  EXPECT_THAT(WriteTail(stream, "y"), IsErrno(EBUSY));
  EXPECT_THAT(stream.Flush(Deadline::Never()), IsErrno(EBUSY));
  EXPECT_THAT(stream.Done(Deadline::Never()), IsErrno(EBUSY));
  stream.Abort();
  stream.Abort();
  EXPECT_EQ(user.closes, 1);
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_THAT(Peek(stream, 1), IsErrno(EBADF));
  EXPECT_THAT(Write(stream, "y"), IsErrno(EBADF));
  EXPECT_THAT(WriteTail(stream, "y"), IsErrno(EBADF));
}

// The user's errors are his to repeat.
TEST_F(UserBytestreamTest, ErrorsArePassedOn) {
  FakeUser user(&runtime_);
  for (const int error : {ECONNRESET, EPROTO, ENOMEM, EPIPE, EIO}) {
    user.Fail(error);
    EXPECT_THAT(Write(user.stream(), "x"), IsErrno(error));
    if (error != EPIPE) {
      EXPECT_THAT(Read(user.stream(), 1), IsErrno(error));
      EXPECT_THAT(Peek(user.stream(), 1), IsErrno(error));
      EXPECT_THAT(ReadSome(user.stream(), 1, 1), IsErrno(error));
    }
    EXPECT_THAT(WriteTail(user.stream(), "x"), IsErrno(error));
  }
  user.Fail(0);
  EXPECT_THAT(Write(user.stream(), "x"), IsOk());
  EXPECT_THAT(user.stream().Done(Deadline::Never()), IsErrno(ENOTSUP));
  EXPECT_THAT(user.stream().Flush(Deadline::Never()), IsOk());
}

TEST_F(UserBytestreamTest, InACancelledCoroutine) {
  FakeUser user(&runtime_);
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] {
    runtime_.Cancel(runtime_.current());
    EXPECT_THAT(Peek(user.stream(), 1), IsErrno(ECANCELED));
    EXPECT_THAT(Peek(user.stream(), 0), IsOk());
    EXPECT_THAT(Read(user.stream(), 1), IsErrno(ECANCELED));
    EXPECT_THAT(ReadSome(user.stream(), 1, 1), IsErrno(ECANCELED));
    EXPECT_THAT(Write(user.stream(), "x"), IsErrno(ECANCELED));
    EXPECT_THAT(user.stream().Flush(Deadline::Never()), IsErrno(ECANCELED));
    EXPECT_THAT(user.stream().Done(Deadline::Never()), IsErrno(ECANCELED));
    EXPECT_THAT(WriteTail(user.stream(), "last words"), IsOk());
  }),
              IsOk());
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(user.out, "last words");
}

// What cannot go at once goes later, in order, and everybody waits behind it.
TEST_F(UserBytestreamTest, ATail) {
  FakeUser user(&runtime_);
  UserBytestream& stream = user.stream();
  user.MakeRoom(0);
  EXPECT_THAT(WriteTail(stream, "one "), IsOk());
  EXPECT_THAT(WriteTail(stream, "two "), IsOk());
  EXPECT_EQ(stream.tail_size(), 8u);
  EXPECT_THAT(Write(stream, "x", Soon()), IsErrno(ETIMEDOUT));
  EXPECT_THAT(stream.Flush(Soon()), IsErrno(ETIMEDOUT));
  EXPECT_EQ(stream.tail_size(), 8u);
  EXPECT_THAT(WriteTail(stream, "three "), IsOk());  // while the others are in flight
  EXPECT_EQ(runtime_.coroutine_count(), 1u);
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(Write(stream, "four"), IsOk()); }), IsOk());
  EXPECT_EQ(user.out, "");
  user.MakeRoom(100);
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(user.out, "one two three four");
  EXPECT_EQ(stream.tail_size(), 0u);
  EXPECT_THAT(stream.Flush(Deadline::Immediately()), IsOk());
  runtime_.Yield();
  EXPECT_EQ(runtime_.coroutine_count(), 0u);  // it lives no longer than the tail
}

TEST_F(UserBytestreamTest, TheBoundOfATail) {
  constexpr size_t kMax = Bytestream::kDefaultSendTailBytesMax;
  for (const int off : {-1, 0, 1}) {
    FakeUser user(&runtime_);
    UserBytestream& stream = user.stream();
    user.MakeRoom(0);
    EXPECT_THAT(WriteTail(stream, "first"), IsOk());
    const std::string rest(kMax - 5 + static_cast<size_t>(off), 'x');
    if (off <= 0) {
      EXPECT_THAT(WriteTail(stream, rest), IsOk());
      EXPECT_EQ(stream.tail_size(), 5 + rest.size());
      continue;
    }
    EXPECT_THAT(WriteTail(stream, rest), IsErrno(ECONNRESET));
    EXPECT_THAT(Write(stream, "x"), IsErrno(ECONNRESET));
    EXPECT_THAT(Peek(stream, 1), IsErrno(ECONNRESET));
  }
}

TEST_F(UserBytestreamTest, ATailThatFails) {
  FakeUser user(&runtime_);
  UserBytestream& stream = user.stream();
  user.MakeRoom(0);
  EXPECT_THAT(WriteTail(stream, "tail"), IsOk());
  bool called = false;
  stream.WhenWritable([&] { called = true; });
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(Write(stream, "x"), IsErrno(ECONNRESET)); }), IsOk());
  user.Fail(EPROTO);
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_THAT(Write(stream, "x"), IsErrno(ECONNRESET));
  EXPECT_EQ(stream.tail_size(), 0u);
  EXPECT_EQ(runtime_.SleepUntil(Soon()), 0);
  EXPECT_TRUE(called);
}

// The user's object is closed when the library's own coroutine is out of it.
TEST_F(UserBytestreamTest, AbortDuringATail) {
  FakeUser user(&runtime_);
  user.MakeRoom(0);
  EXPECT_THAT(WriteTail(user.stream(), "tail"), IsOk());
  runtime_.Yield();
  EXPECT_EQ(user.inside, 1);
  user.stream().Abort();
  EXPECT_EQ(user.closes, 0);
  EXPECT_THAT(Write(user.stream(), "x"), IsErrno(EBADF));
  runtime_.Yield();
  EXPECT_EQ(user.closes, 1);
  EXPECT_EQ(user.inside_at_close, 0);
  EXPECT_EQ(user.out, "");
}

TEST_F(UserBytestreamTest, AbortBeforeTheTailsCoroutineRuns) {
  FakeUser user(&runtime_);
  user.MakeRoom(0);
  EXPECT_THAT(WriteTail(user.stream(), "tail"), IsOk());
  user.stream().Abort();
  runtime_.Yield();
  EXPECT_EQ(user.closes, 1);
}

TEST_F(UserBytestreamTest, DisposeDuringATail) {
  FakeUser user(&runtime_);
  user.MakeRoom(0);
  EXPECT_THAT(WriteTail(user.stream(), "tail"), IsOk());
  runtime_.Yield();
  user.stream().Dispose();
  EXPECT_FALSE(user.disposed());
  runtime_.Yield();
  EXPECT_TRUE(user.disposed());
}

TEST_F(UserBytestreamTest, WhenReadable) {
  FakeUser user(&runtime_);
  UserBytestream& stream = user.stream();
  int calls = 0;
  const auto count = [&] { ++calls; };
  stream.WhenReadable(count);
  EXPECT_EQ(runtime_.SleepUntil(Soon()), 0);
  EXPECT_EQ(calls, 0);
  user.Give("ab");
  EXPECT_EQ(runtime_.SleepUntil(Soon()), 0);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(user.in, "b");  // one byte and no more
  EXPECT_EQ(stream.buffered(), 1u);
  stream.WhenReadable(count);  // there is something already
  EXPECT_EQ(calls, 2);
  EXPECT_THAT(Read(stream, 2), IsOkAndHolds("ab"));
  // A reader takes what would have been reported; then it is not.
  stream.WhenReadable(count);
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(Read(stream, 2), IsOkAndHolds("cd")); }), IsOk());
  EXPECT_EQ(runtime_.SleepUntil(Soon()), 0);
  user.Give("cd");
  EXPECT_EQ(runtime_.SleepUntil(Soon()), 0);
  EXPECT_EQ(calls, 2);
  user.End();
  EXPECT_EQ(runtime_.SleepUntil(Soon()), 0);
  EXPECT_EQ(calls, 3);
  stream.WhenReadable(count);
  EXPECT_EQ(calls, 4);
  stream.WhenReadable({});
  EXPECT_EQ(runtime_.SleepUntil(Soon()), 0);
  EXPECT_EQ(runtime_.coroutine_count(), 0u);
}

TEST_F(UserBytestreamTest, WhenReadableIsCleared) {
  FakeUser user(&runtime_);
  user.stream().WhenReadable([] { ADD_FAILURE(); });
  user.stream().WhenReadable({});
  user.Give("x");
  EXPECT_EQ(runtime_.SleepUntil(Soon()), 0);
  EXPECT_EQ(runtime_.coroutine_count(), 0u);
  EXPECT_EQ(user.in, "x");
}

TEST_F(UserBytestreamTest, WhenWritable) {
  FakeUser user(&runtime_);
  UserBytestream& stream = user.stream();
  int calls = 0;
  stream.WhenWritable([&] { ++calls; });
  EXPECT_EQ(calls, 0);  // nobody knows; soon somebody may try
  EXPECT_EQ(runtime_.SleepUntil(Soon()), 0);
  EXPECT_EQ(calls, 1);
  user.MakeRoom(0);
  EXPECT_THAT(WriteTail(stream, "tail"), IsOk());
  stream.WhenWritable([&] { ++calls; });
  EXPECT_EQ(runtime_.SleepUntil(Soon()), 0);
  EXPECT_EQ(calls, 1);
  user.MakeRoom(4);
  runtime_.Yield();
  EXPECT_EQ(calls, 2);
}

TEST_F(UserBytestreamTest, ACallbackMayEndTheStream) {
  for (const bool writable : {true, false}) {
    FakeUser user(&runtime_);
    user.Give("x");
    const auto end = [&] { user.stream().Dispose(); };
    if (writable) {
      user.stream().WhenWritable(end);
    } else {
      user.stream().WhenReadable(end);
    }
    EXPECT_EQ(runtime_.SleepUntil(Soon()), 0);
    EXPECT_TRUE(user.disposed());
    EXPECT_EQ(user.closes, 1);
  }
}

// Every wait of a scenario with a tail ended: what is said to be sent arrives, in order.
TEST_F(UserBytestreamTest, EveryWait) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      FakeUser user(&runtime_);
      user.MakeRoom(0);
      std::string expected = "tail ";
      bool received = false;
      EXPECT_THAT(WriteTail(user.stream(), "tail "), IsOk());
      Bundle bundle(&runtime_);
      ASSERT_THAT(bundle.Go([&] {
        fault.set_only(runtime_.current());
        for (const absl::string_view text : {"one ", "two "}) {
          const absl::Status status = Write(user.stream(), text);
          if (status.ok()) {
            expected += std::string(text);
          } else {
            EXPECT_THAT(status, IsErrno(error));
          }
        }
        const absl::Status status = Read(user.stream(), 3).status();
        EXPECT_THAT(status, IsErrno(status.ok() ? 0 : error));
        received = status.ok();
      }),
                  IsOk());
      user.MakeRoom(100);
      runtime_.Yield();
      runtime_.Yield();
      user.Give("abc");
      EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
      EXPECT_THAT(user.stream().Flush(Deadline::Never()), IsOk());
      EXPECT_EQ(user.out, expected);
      EXPECT_EQ(user.in, received ? "" : "abc");
    });
    EXPECT_GE(waits, 1);
  }
}

}  // namespace
}  // namespace halfpipe
