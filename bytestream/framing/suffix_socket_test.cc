#include "bytestream/framing/suffix_socket.h"

#include <cerrno>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/framing/framing_test_support.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/testing/choppy_bytestream.h"
#include "bytestream/testing/fault_bytestream.h"
#include "bytestream/testing/scripted_bytestream.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

constexpr absl::string_view kCrlf = "\r\n";
constexpr size_t kBuffer = Bytestream::kPeekMax;

class SuffixSocketTest : public testing::Test {
 protected:
  SuffixSocket& Scripted(ScriptedBytestream** script, absl::string_view suffix = kCrlf) {
    ScriptedBytestreamPtr stream = MakeScripted(&runtime_);
    *script = stream.get();
    socket_.emplace(&runtime_, std::move(stream), AsBytes(suffix));
    return *socket_;
  }

  Deadline Soon() { return Deadline::In(absl::Seconds(1)); }

  SimRuntime runtime_;
  std::optional<SuffixSocket> socket_;
};

TEST_F(SuffixSocketTest, MessageAndDelimiterLeaveTogether) {
  ScriptedBytestream* script;
  SuffixSocket& socket = Scripted(&script);
  script->ExpectWrite("abc\r\n").ExpectWrite("\r\n");
  EXPECT_THAT(Send(socket, "abc"), IsOk());
  EXPECT_THAT(Send(socket, ""), IsOk());
}

TEST_F(SuffixSocketTest, AMessageWithTheDelimiterInIt) {
  ScriptedBytestream* script;
  SuffixSocket& socket = Scripted(&script);
  EXPECT_THAT(Send(socket, "a\r\nb"), IsErrno(EINVAL));
  script->ExpectWrite("\r\r\n");
  EXPECT_THAT(Send(socket, "\r"), IsOk());
}

TEST_F(SuffixSocketTest, ReceivesHoweverItComes) {
  const std::string wire = "abc\r\n\r\n\r\r\n\n\r\nlast\r\n";
  for (size_t step = 1; step <= wire.size(); ++step) {
    ScriptedBytestream* script;
    SuffixSocket& socket = Scripted(&script);
    for (size_t at = 0; at < wire.size(); at += step) script->Deliver(wire.substr(at, step));
    script->End();
    EXPECT_THAT(Receive(socket, 3), IsOkAndHolds("[abc]"));
    EXPECT_THAT(Receive(socket, 0), IsOkAndHolds("[]"));
    EXPECT_THAT(Receive(socket, 9), IsOkAndHolds("[\r]"));
    EXPECT_THAT(Receive(socket, 9), IsOkAndHolds("[\n]"));
    EXPECT_THAT(Receive(socket, 9), IsOkAndHolds("[last]"));
    EXPECT_THAT(Receive(socket, 9), IsOkAndHolds("end"));
    socket_.reset();
  }
}

// A delimiter that begins like itself.
TEST_F(SuffixSocketTest, OverlappingDelimiter) {
  const std::string wire = "aaaab.aabaab.";
  for (size_t step = 1; step <= wire.size(); ++step) {
    ScriptedBytestream* script;
    SuffixSocket& socket = Scripted(&script, "aab.");
    for (size_t at = 0; at < wire.size(); at += step) script->Deliver(wire.substr(at, step));
    EXPECT_THAT(Receive(socket, 9), IsOkAndHolds("[aa]"));
    EXPECT_THAT(Receive(socket, 9), IsOkAndHolds("[aab]"));
    socket_.reset();
  }
}

// Around the size of the stream's buffer, beyond which a message is moved on before its end.
TEST_F(SuffixSocketTest, LengthsRoundTheBuffer) {
  for (const size_t whole : {kBuffer, 2 * kBuffer}) {
    for (int off = -4; off <= 4; ++off) {
      auto [near, far] = MakePair(&runtime_);
      SuffixSocket a(&runtime_, std::move(near), AsBytes(kCrlf));
      SuffixSocket b(&runtime_, std::move(far), AsBytes(kCrlf));
      // CRs, so that a delimiter seems to begin wherever the buffer ends.
      const std::string text(whole + static_cast<size_t>(off), '\r');
      Bundle bundle(&runtime_);
      ASSERT_THAT(bundle.Go([&] {
        EXPECT_THAT(Send(a, text), IsOk());
        EXPECT_THAT(Send(a, text), IsOk());
        EXPECT_THAT(Send(a, text), IsOk());
        EXPECT_THAT(Send(a, "x"), IsOk());
      }),
                  IsOk());
      EXPECT_THAT(Receive(b, text.size()), IsOkAndHolds("[" + text + "]"));
      EXPECT_THAT(Discard(b), IsOkAndHolds(text.size()));
      EXPECT_THAT(Receive(b, text.size() - 1), IsErrno(EMSGSIZE));
      EXPECT_THAT(Receive(b, 1), IsOkAndHolds("[x]"));
    }
  }
}

TEST_F(SuffixSocketTest, RoomAtMinusOneZeroPlusOne) {
  ScriptedBytestream* script;
  SuffixSocket& socket = Scripted(&script);
  for (int i = 0; i < 6; ++i) script->Deliver("abc\r\n");
  EXPECT_THAT(Receive(socket, 2), IsErrno(EMSGSIZE));
  EXPECT_THAT(Receive(socket, 3), IsOkAndHolds("[abc]"));
  EXPECT_THAT(Receive(socket, 4), IsOkAndHolds("[abc]"));
  EXPECT_THAT(Skip(socket, 2), IsErrno(EMSGSIZE));
  EXPECT_THAT(Skip(socket, SIZE_MAX), IsOkAndHolds(3u));
  EXPECT_THAT(Discard(socket), IsOkAndHolds(3u));
}

// As soon as there are more bytes than room, and what they could be a delimiter of is not counted.
TEST_F(SuffixSocketTest, TooLargeIsToldAtOnceAndSkippedLater) {
  ScriptedBytestream* script;
  SuffixSocket& socket = Scripted(&script);
  script->Deliver("ab\r");
  EXPECT_THAT(Receive(socket, 2, Soon()), IsErrno(ETIMEDOUT));
  script->Deliver("c");
  EXPECT_THAT(Receive(socket, 2, Soon()), IsErrno(EMSGSIZE));
  EXPECT_THAT(Receive(socket, 2, Soon()), IsErrno(ETIMEDOUT));
  script->Deliver("d\r");
  EXPECT_THAT(Receive(socket, 2, Soon()), IsErrno(ETIMEDOUT));
  script->Deliver("\nok\r\n");
  EXPECT_THAT(Receive(socket, 2), IsOkAndHolds("[ok]"));
}

TEST_F(SuffixSocketTest, AnEndInsideIsNoEnd) {
  const std::string wire = "abc\r\n";
  for (size_t size = 1; size < wire.size(); ++size) {
    for (const size_t room : {2u, 3u}) {
      ScriptedBytestream* script;
      SuffixSocket& socket = Scripted(&script);
      script->Deliver(wire.substr(0, size)).End();
      absl::Status status = Receive(socket, room).status();
      if (StatusErrno(status) == EMSGSIZE) status = Receive(socket, room).status();
      EXPECT_THAT(status, IsErrno(ECONNRESET));
      EXPECT_THAT(Receive(socket, room), IsErrno(ECONNRESET));
      EXPECT_THAT(socket.Detach(Deadline::Never()), IsErrno(ECONNRESET));
      socket_.reset();
    }
  }
}

TEST_F(SuffixSocketTest, TimeNeverLosesAnything) {
  ScriptedBytestream* script;
  SuffixSocket& socket = Scripted(&script);
  for (const char c : std::string("ab\rc\r\n")) {
    EXPECT_THAT(Receive(socket, 4, Soon()), IsErrno(ETIMEDOUT));
    EXPECT_THAT(Receive(socket, 4, Deadline::Immediately()), IsErrno(ETIMEDOUT));
    script->Deliver(absl::string_view(&c, 1));
  }
  EXPECT_THAT(Receive(socket, 4, Deadline::Immediately()), IsOkAndHolds("[ab\rc]"));
}

// Nor of a message that the stream's buffer cannot hold.
TEST_F(SuffixSocketTest, TimeInALongMessage) {
  ScriptedBytestream* script;
  SuffixSocket& socket = Scripted(&script);
  std::string text;
  for (int i = 0; text.size() < 3 * kBuffer; ++i) absl::StrAppend(&text, i, ",");
  for (size_t at = 0; at < text.size(); at += 5000) {
    script->Deliver(text.substr(at, 5000));
    EXPECT_THAT(Receive(socket, text.size(), Soon()), IsErrno(ETIMEDOUT));
  }
  // Now most of it is set aside: a list of another shape takes it, one that is too small does not.
  script->Deliver("\r\n");
  std::string got(text.size(), '?');
  const IoSpan two[] = {IoSpan(&got[0], 100), IoSpan(&got[100], got.size() - 100)};
  EXPECT_THAT(socket.ReceiveMessage(two, Soon()), IsOkAndHolds(text.size()));
  EXPECT_EQ(got, text);

  script->Deliver(text);
  EXPECT_THAT(Receive(socket, text.size(), Soon()), IsErrno(ETIMEDOUT));
  EXPECT_THAT(Receive(socket, 1000, Soon()), IsErrno(EMSGSIZE));
  script->Deliver("\r\nnext\r\n");
  EXPECT_THAT(Receive(socket, 4, Soon()), IsOkAndHolds("[next]"));

  // Dropped bytes are gone.
  script->Deliver(text);
  EXPECT_THAT(Discard(socket, Soon()), IsErrno(ETIMEDOUT));
  EXPECT_THAT(Receive(socket, text.size(), Soon()), IsErrno(EINVAL));
  script->Deliver("\r\n");
  EXPECT_THAT(Discard(socket, Soon()), IsOkAndHolds(text.size()));
}

TEST_F(SuffixSocketTest, SendsAreAllOrNothing) {
  ScriptedBytestream* script;
  SuffixSocket& socket = Scripted(&script);
  script->BlockWrites();
  EXPECT_THAT(Send(socket, "abc", Soon()), IsErrno(ETIMEDOUT));
  script->UnblockWrites().ExpectWrite("abc\r\n");
  EXPECT_THAT(Send(socket, "abc"), IsOk());
}

TEST_F(SuffixSocketTest, MoreSlicesThanAreHeldInline) {
  auto [near, far] = MakePair(&runtime_);
  SuffixSocket a(&runtime_, std::move(near), AsBytes(kCrlf));
  SuffixSocket b(&runtime_, std::move(far), AsBytes(kCrlf));
  const std::vector<IoSlice> out(30, IoSlice("ab"));
  EXPECT_THAT(a.SendMessage(out, Deadline::Never()), IsOk());
  char got[60];
  std::vector<IoSpan> in;
  for (size_t i = 0; i < 30; ++i) in.emplace_back(&got[2 * i], 2);
  EXPECT_THAT(b.ReceiveMessage(in, Deadline::Never()), IsOkAndHolds(60u));
  EXPECT_EQ(std::string(got + 56, 4), "abab");
}

TEST_F(SuffixSocketTest, DetachGivesTheNextByte) {
  ScriptedBytestream* script;
  SuffixSocket& socket = Scripted(&script);
  script->Deliver("abc\r\nre").Deliver("st");
  EXPECT_THAT(Receive(socket, 3), IsOkAndHolds("[abc]"));
  EXPECT_THAT(Receive(socket, 9, Soon()), IsErrno(ETIMEDOUT));  // "rest" is not consumed by this
  auto lower = socket.Detach(Deadline::Immediately());
  ASSERT_THAT(lower, IsOk());
  char rest[4];
  const IoSpan span(rest, 4);
  EXPECT_THAT((*lower)->Read(absl::MakeConstSpan(&span, 1), Deadline::Never()), IsOk());
  EXPECT_EQ(absl::string_view(rest, 4), "rest");
  EXPECT_THAT(Send(socket, "x"), IsErrno(EBADF));
  EXPECT_THAT(Receive(socket, 3), IsErrno(EBADF));
  EXPECT_THAT(socket.Detach(Deadline::Never()), IsErrno(EBADF));
}

TEST_F(SuffixSocketTest, DetachDropsWhatWasBegun) {
  const std::string text(kBuffer + 100, 'x');
  for (const bool too_large : {true, false}) {
    ScriptedBytestream* script;
    SuffixSocket& socket = Scripted(&script);
    script->Deliver(text.substr(0, kBuffer)).Deliver(text.substr(kBuffer));
    EXPECT_THAT(Receive(socket, too_large ? 10 : text.size(), Soon()),
                IsErrno(too_large ? EMSGSIZE : ETIMEDOUT));
    script->AwaitReader().Deliver("\r\n!");
    auto lower = socket.Detach(Soon());
    ASSERT_THAT(lower, IsOk());
    char next = '?';
    const IoSpan span(&next, 1);
    EXPECT_THAT((*lower)->Read(absl::MakeConstSpan(&span, 1), Deadline::Never()), IsOk());
    EXPECT_EQ(next, '!');
    socket_.reset();
  }
}

TEST_F(SuffixSocketTest, DetachHasADeadlineAndCanBeCancelled) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    ScriptedBytestream* script;
    SuffixSocket& socket = Scripted(&script);
    script->Deliver("abc");
    Bundle bundle(&runtime_);
    ASSERT_THAT(bundle.Go([&] {
      EXPECT_THAT(Receive(socket, 2), IsErrno(EMSGSIZE));
      EXPECT_THAT(socket.Detach(error == ETIMEDOUT ? Soon() : Deadline::Never()), IsErrno(error));
    }),
                IsOk());
    if (error == ECANCELED) {
      EXPECT_THAT(Receive(socket, 9), IsErrno(EBUSY));
      EXPECT_THAT(Send(socket, "x"), IsErrno(EBUSY));
      bundle.Cancel();
    }
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    socket_.reset();
  }
}

TEST_F(SuffixSocketTest, OneCoroutineInEachDirection) {
  ScriptedBytestream* script;
  SuffixSocket& socket = Scripted(&script);
  script->BlockWrites();
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(Send(socket, "x"), IsErrno(EBADF)); }), IsOk());
  ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(Receive(socket, 9), IsErrno(EBADF)); }), IsOk());
  EXPECT_TRUE(socket.sender_busy());
  EXPECT_THAT(Send(socket, "y"), IsErrno(EBUSY));
  EXPECT_THAT(Receive(socket, 9), IsErrno(EBUSY));
  EXPECT_THAT(socket.Detach(Deadline::Never()), IsErrno(EBUSY));
  socket.Abort();
  socket.Abort();
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
}

TEST_F(SuffixSocketTest, HoweverTheBytesAreCut) {
  std::random_device seeds;
  for (int round = 0; round < 20; ++round) {
    auto [near, far] = MakePair(&runtime_);
    SuffixSocket a(&runtime_, BytestreamPtr(new ChoppyBytestream(std::move(near), seeds())),
                   AsBytes("12121"));
    SuffixSocket b(&runtime_, BytestreamPtr(new ChoppyBytestream(std::move(far), seeds())),
                   AsBytes("12121"));
    const std::string longer = std::string(2 * kBuffer, '1') + "2";
    Bundle bundle(&runtime_);
    ASSERT_THAT(bundle.Go([&] {
      for (const absl::string_view text : {"one", "", "1212x", "2121"}) {
        EXPECT_THAT(Send(a, text), IsOk());
      }
      EXPECT_THAT(Send(a, longer), IsErrno(EINVAL));  // ...12 12121
      EXPECT_THAT(Send(a, longer + "x"), IsOk());
      EXPECT_THAT(Send(a, longer + "y"), IsOk());
      EXPECT_THAT(Send(a, "last"), IsOk());
    }),
                IsOk());
    EXPECT_THAT(Receive(b, 10), IsOkAndHolds("[one]"));
    EXPECT_THAT(Receive(b, 10), IsOkAndHolds("[]"));
    EXPECT_THAT(Receive(b, 4), IsErrno(EMSGSIZE));
    EXPECT_THAT(Receive(b, 10), IsOkAndHolds("[2121]"));
    EXPECT_THAT(Receive(b, 40'000), IsOkAndHolds("[" + longer + "x]"));
    EXPECT_THAT(Discard(b), IsOkAndHolds(longer.size() + 1));
    EXPECT_THAT(Receive(b, 10), IsOkAndHolds("[last]"));
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  }
}

// Every wait of a receive ended once: the next call gives the whole message.
TEST_F(SuffixSocketTest, EveryWaitOfAReceive) {
  const std::string text(50'000, 'r');
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      PairOptions options;
      options.capacity_bytes = 8000;
      auto [near, far] = MakePair(&runtime_, options);
      SuffixSocket a(&runtime_, std::move(near), AsBytes(kCrlf));
      SuffixSocket b(&runtime_, std::move(far), AsBytes(kCrlf));
      Bundle sender(&runtime_);
      ASSERT_THAT(sender.Go([&] {
        runtime_.Yield();
        EXPECT_THAT(Send(a, text), IsOk());
      }),
                  IsOk());
      Bundle receiver(&runtime_);
      ASSERT_THAT(receiver.Go([&] {
        fault.set_only(runtime_.current());
        const auto got = Receive(b, text.size());
        EXPECT_THAT(got, IsErrno(fault.hit() ? error : 0));
      }),
                  IsOk());
      EXPECT_EQ(receiver.Wait(Deadline::Never()), 0);
      if (fault.hit()) {
        EXPECT_THAT(Receive(b, text.size()), IsOkAndHolds("[" + text + "]"));
      }
      EXPECT_EQ(sender.Wait(Deadline::Never()), 0);
    });
    EXPECT_GT(waits, 3);
  }
}

TEST_F(SuffixSocketTest, EveryCallOfTheStreamFails) {
  for (const int error : {ECONNRESET, ENOMEM, EIO}) {
    const int calls = SweepFaults(error, [&](FaultPlan& plan) {
      auto [near, far] = MakePair(&runtime_);
      SuffixSocket a(&runtime_, std::move(near), AsBytes(kCrlf));
      SuffixSocket b(&runtime_, BytestreamPtr(new FaultBytestream(std::move(far), &plan)),
                     AsBytes(kCrlf));
      const std::string longer(20'000, 'x');
      EXPECT_THAT(Send(a, "abc"), IsOk());
      EXPECT_THAT(Send(a, longer), IsOk());
      absl::Status status = Receive(b, 3).status();
      if (status.ok()) status = Discard(b).status();
      if (status.ok()) status = Send(b, "reply");
      if (status.ok()) status = b.Detach(Deadline::Never()).status();
      EXPECT_THAT(status, IsErrno(plan.hit() ? error : 0));
    });
    EXPECT_GT(calls, 4);
  }
}

}  // namespace
}  // namespace halfpipe
