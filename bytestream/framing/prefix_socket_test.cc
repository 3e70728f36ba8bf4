#include "bytestream/framing/prefix_socket.h"

#include <cerrno>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/framing/framing_test_support.h"
#include "bytestream/framing/prefix_codec.h"
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

constexpr absl::string_view kAbc("\0\3abc", 5);

class PrefixSocketTest : public testing::Test {
 protected:
  static PrefixSocket::Options TwoBytes() {
    PrefixSocket::Options options;
    options.prefix_bytes = 2;
    return options;
  }

  // A socket with two bytes of length over a script.
  PrefixSocket& Scripted(ScriptedBytestream** script) {
    ScriptedBytestreamPtr stream = MakeScripted(&runtime_);
    *script = stream.get();
    socket_.emplace(&runtime_, std::move(stream), TwoBytes());
    return *socket_;
  }

  Deadline Soon() { return Deadline::In(absl::Seconds(1)); }

  SimRuntime runtime_;
  std::optional<PrefixSocket> socket_;
};

TEST_F(PrefixSocketTest, LengthAndMessageLeaveTogether) {
  ScriptedBytestream* script;
  PrefixSocket& socket = Scripted(&script);
  script->ExpectWrite(kAbc).ExpectWrite(absl::string_view("\0\0", 2));
  EXPECT_THAT(Send(socket, "abc"), IsOk());
  EXPECT_THAT(Send(socket, ""), IsOk());
}

TEST_F(PrefixSocketTest, ReceivesWhatIsThere) {
  ScriptedBytestream* script;
  PrefixSocket& socket = Scripted(&script);
  script->Deliver(kAbc).Deliver(absl::string_view("\0\0\0\1x", 5)).End();
  EXPECT_THAT(Receive(socket, 3), IsOkAndHolds("[abc]"));
  EXPECT_THAT(Receive(socket, 0), IsOkAndHolds("[]"));
  EXPECT_THAT(Receive(socket, 9), IsOkAndHolds("[x]"));
  EXPECT_THAT(Receive(socket, 9), IsOkAndHolds("end"));
  EXPECT_THAT(Discard(socket), IsOkAndHolds(std::nullopt));
}

TEST_F(PrefixSocketTest, EachBytePerReceive) {
  ScriptedBytestream* script;
  PrefixSocket& socket = Scripted(&script);
  for (const char c : kAbc) script->Deliver(absl::string_view(&c, 1));
  EXPECT_THAT(Receive(socket, 3), IsOkAndHolds("[abc]"));
}

// Neither the size of the length nor its byte order matters, up to the longest message it can say.
TEST_F(PrefixSocketTest, EveryLengthOfTheLength) {
  for (size_t bytes = 1; bytes <= kPrefixBytesMax; ++bytes) {
    for (const ByteOrder order : {ByteOrder::kBigEndian, ByteOrder::kLittleEndian}) {
      PrefixSocket::Options options;
      options.prefix_bytes = bytes;
      options.byte_order = order;
      auto [near, far] = MakePair(&runtime_);
      PrefixSocket a(&runtime_, std::move(near), options);
      PrefixSocket b(&runtime_, std::move(far), options);
      const std::string longest(bytes == 1 ? 255 : 40'000, 'm');
      Bundle bundle(&runtime_);
      ASSERT_THAT(bundle.Go([&] {
        EXPECT_THAT(Send(a, longest), IsOk());
        EXPECT_THAT(Send(a, "x"), IsOk());
      }),
                  IsOk());
      EXPECT_THAT(Receive(b, longest.size()), IsOkAndHolds("[" + longest + "]"));
      EXPECT_THAT(Receive(b, 1), IsOkAndHolds("[x]"));
    }
  }
}

TEST_F(PrefixSocketTest, AMessageThatTheLengthCannotSay) {
  auto [near, far] = MakePair(&runtime_);
  PrefixSocket::Options options;
  options.prefix_bytes = 1;
  PrefixSocket a(&runtime_, std::move(near), options);
  PrefixSocket b(&runtime_, std::move(far), options);
  EXPECT_THAT(Send(a, std::string(254, 'x')), IsOk());
  EXPECT_THAT(Send(a, std::string(255, 'x')), IsOk());
  EXPECT_THAT(Send(a, std::string(256, 'x')), IsErrno(EMSGSIZE));
  EXPECT_THAT(Send(a, "y"), IsOk());
  EXPECT_THAT(Discard(b), IsOkAndHolds(254u));
  EXPECT_THAT(Discard(b), IsOkAndHolds(255u));
  EXPECT_THAT(Receive(b, 1), IsOkAndHolds("[y]"));
}

TEST_F(PrefixSocketTest, RoomAtMinusOneZeroPlusOne) {
  ScriptedBytestream* script;
  PrefixSocket& socket = Scripted(&script);
  for (int i = 0; i < 6; ++i) script->Deliver(kAbc);
  EXPECT_THAT(Receive(socket, 2), IsErrno(EMSGSIZE));
  EXPECT_THAT(Receive(socket, 3), IsOkAndHolds("[abc]"));
  EXPECT_THAT(Receive(socket, 4), IsOkAndHolds("[abc]"));
  EXPECT_THAT(Skip(socket, 2), IsErrno(EMSGSIZE));
  EXPECT_THAT(Skip(socket, 3), IsOkAndHolds(3u));
  EXPECT_THAT(Skip(socket, SIZE_MAX), IsOkAndHolds(3u));
}

// What did not fit is skipped before the next message, however late it comes.
TEST_F(PrefixSocketTest, TooLargeIsToldAtOnceAndSkippedLater) {
  ScriptedBytestream* script;
  PrefixSocket& socket = Scripted(&script);
  script->Deliver(absl::string_view("\0\5he", 4));
  EXPECT_THAT(Receive(socket, 4), IsErrno(EMSGSIZE));
  EXPECT_THAT(Receive(socket, 4, Deadline::Immediately()), IsErrno(ETIMEDOUT));
  script->Deliver("l");
  EXPECT_THAT(Receive(socket, 4, Soon()), IsErrno(ETIMEDOUT));
  script->Deliver("lo").Deliver(kAbc);
  EXPECT_THAT(Receive(socket, 4), IsOkAndHolds("[abc]"));
}

TEST_F(PrefixSocketTest, AnnouncedLengthsAtTheLimit) {
  for (const int above : {-1, 0, 1}) {
    ScriptedBytestreamPtr stream = MakeScripted(&runtime_);
    ScriptedBytestream* const script = stream.get();
    PrefixSocket::Options options = TwoBytes();
    options.message_bytes_max = 300;
    PrefixSocket socket(&runtime_, std::move(stream), options);
    const int size = 300 + above;
    const char length[] = {static_cast<char>(size >> 8), static_cast<char>(size)};
    script->Deliver(absl::string_view(length, 2));
    script->Deliver(std::string(static_cast<size_t>(size), 'x'));
    if (above <= 0) {
      EXPECT_THAT(Discard(socket), IsOkAndHolds(static_cast<size_t>(size)));
      continue;
    }
    EXPECT_THAT(Discard(socket), IsErrno(EPROTO));
    EXPECT_THAT(Discard(socket), IsErrno(EPROTO));
    EXPECT_THAT(socket.Detach(), IsErrno(EPROTO));
    // For a clean end of the script.
    while (script->steps_left() > 0) {
      ASSERT_THAT(script->Peek(script->buffered() + 1, Deadline::Never()), IsOk());
    }
  }
}

TEST_F(PrefixSocketTest, AnEndInsideIsNoEnd) {
  for (size_t size = 1; size < kAbc.size(); ++size) {
    for (const bool keep : {false, true}) {
      ScriptedBytestream* script;
      PrefixSocket& socket = Scripted(&script);
      script->Deliver(kAbc.substr(0, size)).End();
      if (keep) {
        EXPECT_THAT(Receive(socket, 3), IsErrno(ECONNRESET));
        EXPECT_THAT(Receive(socket, 3), IsErrno(ECONNRESET));
      } else {
        EXPECT_THAT(Discard(socket), IsErrno(ECONNRESET));
        EXPECT_THAT(Discard(socket), IsErrno(ECONNRESET));
      }
      EXPECT_THAT(socket.Detach(), IsErrno(ECONNRESET));
      socket_.reset();
    }
  }
}

TEST_F(PrefixSocketTest, TimeNeverLosesAnything) {
  for (const absl::string_view message : {kAbc, absl::string_view("\0\1x", 3)}) {
    ScriptedBytestream* script;
    PrefixSocket& socket = Scripted(&script);
    for (const char c : message) {
      EXPECT_THAT(Receive(socket, 3, Soon()), IsErrno(ETIMEDOUT));
      EXPECT_THAT(Receive(socket, 3, Deadline::Immediately()), IsErrno(ETIMEDOUT));
      script->Deliver(absl::string_view(&c, 1));
    }
    EXPECT_THAT(Receive(socket, 3, Deadline::Immediately()),
                IsOkAndHolds("[" + std::string(message.substr(2)) + "]"));
    socket_.reset();
  }
}

// A list that keeps some bytes and drops others goes on where it was.
TEST_F(PrefixSocketTest, TimeAndListsWithGaps) {
  ScriptedBytestream* script;
  PrefixSocket& socket = Scripted(&script);
  char begin[2];
  char end[2];
  const IoSpan list[] = {IoSpan(begin, 2), IoSpan(nullptr, 2), IoSpan(end, 2)};
  const IoSpan all_null[] = {IoSpan(nullptr, 2), IoSpan(nullptr, 4)};
  for (const char c : std::string("\0\6abcdef", 8)) {
    EXPECT_THAT(socket.ReceiveMessage(list, Soon()), IsErrno(ETIMEDOUT));
    std::memset(begin, '?', 2);
    std::memset(end, '?', 2);
    script->Deliver(absl::string_view(&c, 1));
  }
  EXPECT_THAT(socket.ReceiveMessage(list, Soon()), IsOkAndHolds(6u));
  EXPECT_EQ(std::string(begin, 2) + std::string(end, 2), "abef");
  // The other way round there is nothing left to be given.
  script->Deliver(absl::string_view("\0\6uv", 4));
  EXPECT_THAT(socket.ReceiveMessage(all_null, Soon()), IsErrno(ETIMEDOUT));
  EXPECT_THAT(Receive(socket, 6, Soon()), IsErrno(EINVAL));
  EXPECT_THAT(Skip(socket, 5, Deadline::Never()), IsErrno(EMSGSIZE));
  script->Deliver("wxyz").Deliver(kAbc);
  EXPECT_THAT(Receive(socket, 6), IsOkAndHolds("[abc]"));
  script->Deliver(absl::string_view("\0\6uv", 4));
  EXPECT_THAT(Discard(socket, Soon()), IsErrno(ETIMEDOUT));
  EXPECT_THAT(Receive(socket, 6, Soon()), IsErrno(EINVAL));
  script->Deliver("wxyz");
  EXPECT_THAT(Discard(socket), IsOkAndHolds(6u));
}

TEST_F(PrefixSocketTest, MoreSlicesThanAreHeldInline) {
  auto [near, far] = MakePair(&runtime_);
  PrefixSocket a(&runtime_, std::move(near), TwoBytes());
  PrefixSocket b(&runtime_, std::move(far), TwoBytes());
  std::string text(60, '.');
  std::string got(60, '?');
  std::vector<IoSlice> out;
  std::vector<IoSpan> in;
  for (size_t i = 0; i < 30; ++i) {
    text[2 * i] = static_cast<char>('A' + i);
    out.emplace_back(&text[2 * i], 2);
    in.emplace_back(&got[2 * i], 2);
  }
  EXPECT_THAT(a.SendMessage(out, Deadline::Never()), IsOk());
  EXPECT_THAT(b.ReceiveMessage(in, Deadline::Never()), IsOkAndHolds(60u));
  EXPECT_EQ(got, text);
  // The same when it has not come as a whole.
  ScriptedBytestream* script;
  PrefixSocket& socket = Scripted(&script);
  script->Deliver(std::string("\0\x3c", 2)).Deliver(text.substr(0, 17)).Deliver(text.substr(17));
  got.assign(60, '?');
  EXPECT_THAT(socket.ReceiveMessage(in, Deadline::Never()), IsOkAndHolds(60u));
  EXPECT_EQ(got, text);
}

TEST_F(PrefixSocketTest, SendsAreAllOrNothing) {
  ScriptedBytestream* script;
  PrefixSocket& socket = Scripted(&script);
  script->BlockWrites();
  EXPECT_THAT(Send(socket, "abc", Soon()), IsErrno(ETIMEDOUT));
  script->UnblockWrites().ExpectWrite(kAbc);
  EXPECT_THAT(Send(socket, "abc"), IsOk());
}

TEST_F(PrefixSocketTest, DetachGivesTheNextByte) {
  for (const bool all_at_once : {true, false}) {
    ScriptedBytestream* script;
    PrefixSocket& socket = Scripted(&script);
    if (all_at_once) {
      script->Deliver(std::string(kAbc) + "rest");
    } else {
      script->Deliver(kAbc).Deliver("rest");
    }
    EXPECT_THAT(Receive(socket, 3), IsOkAndHolds("[abc]"));
    auto lower = socket.Detach();
    ASSERT_THAT(lower, IsOk());
    char rest[4];
    const IoSpan span(rest, 4);
    EXPECT_THAT((*lower)->Read(absl::MakeConstSpan(&span, 1), Deadline::Never()), IsOk());
    EXPECT_EQ(absl::string_view(rest, 4), "rest");
    EXPECT_THAT(Send(socket, "x"), IsErrno(EBADF));
    EXPECT_THAT(Receive(socket, 3), IsErrno(EBADF));
    EXPECT_THAT(socket.Detach(), IsErrno(EBADF));
    socket_.reset();
  }
}

// A message that was not received is left as it is, its length included.
TEST_F(PrefixSocketTest, DetachAfterATimeout) {
  ScriptedBytestream* script;
  PrefixSocket& socket = Scripted(&script);
  script->Deliver(kAbc.substr(0, 3));
  EXPECT_THAT(Receive(socket, 3, Soon()), IsErrno(ETIMEDOUT));
  auto lower = socket.Detach();
  ASSERT_THAT(lower, IsOk());
  script->Deliver(kAbc.substr(3));
  PrefixSocket again(&runtime_, *std::move(lower), TwoBytes());
  EXPECT_THAT(Receive(again, 3), IsOkAndHolds("[abc]"));
}

TEST_F(PrefixSocketTest, DetachBehindAMessageThatWasTooLarge) {
  for (const bool complete : {true, false}) {
    ScriptedBytestream* script;
    PrefixSocket& socket = Scripted(&script);
    script->Deliver(complete ? std::string(kAbc) + "!" : std::string(kAbc.substr(0, 4)));
    EXPECT_THAT(Receive(socket, 2), IsErrno(EMSGSIZE));
    auto lower = socket.Detach();
    EXPECT_THAT(lower, IsErrno(complete ? 0 : ECONNRESET));
    if (complete) {
      EXPECT_EQ((*lower)->buffered(), 1u);
    }
    socket_.reset();
  }
}

TEST_F(PrefixSocketTest, OneCoroutineInEachDirection) {
  ScriptedBytestream* script;
  PrefixSocket& socket = Scripted(&script);
  script->BlockWrites();
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(Send(socket, "x"), IsErrno(EBADF)); }), IsOk());
  ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(Receive(socket, 9), IsErrno(EBADF)); }), IsOk());
  EXPECT_TRUE(socket.sender_busy());
  EXPECT_THAT(Send(socket, "y"), IsErrno(EBUSY));
  EXPECT_THAT(Receive(socket, 9), IsErrno(EBUSY));
  EXPECT_THAT(socket.Detach(), IsErrno(EBUSY));
  socket.Abort();
  socket.Abort();
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_THAT(Send(socket, "y"), IsErrno(EBADF));
  EXPECT_THAT(Receive(socket, 9), IsErrno(EBADF));
}

TEST_F(PrefixSocketTest, ErrorsOfTheStream) {
  ScriptedBytestream* script;
  PrefixSocket& socket = Scripted(&script);
  script->Deliver(kAbc.substr(0, 3)).Reset();
  EXPECT_THAT(Receive(socket, 3), IsErrno(ECONNRESET));
  EXPECT_THAT(Send(socket, "x"), IsErrno(ECONNRESET));
}

// One conversation, with long and short messages, gaps and messages that do not fit.
void Converse(Runtime* runtime, BytestreamPtr near, BytestreamPtr far) {
  PrefixSocket::Options options;
  options.prefix_bytes = 3;
  PrefixSocket a(runtime, std::move(near), options);
  PrefixSocket b(runtime, std::move(far), options);
  const std::string longest(100'000, 'l');
  Bundle bundle(runtime);
  ASSERT_THAT(bundle.Go([&] {
    for (const absl::string_view text : {"one", "", "three"}) EXPECT_THAT(Send(a, text), IsOk());
    EXPECT_THAT(Send(a, longest), IsOk());
    EXPECT_THAT(Send(a, longest), IsOk());
    EXPECT_THAT(Send(a, "last"), IsOk());
    EXPECT_THAT(Receive(a, 5), IsOkAndHolds("[reply]"));
  }),
              IsOk());
  EXPECT_THAT(Receive(b, 10), IsOkAndHolds("[one]"));
  EXPECT_THAT(Receive(b, 10), IsOkAndHolds("[]"));
  EXPECT_THAT(Receive(b, 4), IsErrno(EMSGSIZE));
  EXPECT_THAT(Receive(b, longest.size()), IsOkAndHolds("[" + longest + "]"));
  EXPECT_THAT(Discard(b), IsOkAndHolds(longest.size()));
  EXPECT_THAT(Receive(b, 10), IsOkAndHolds("[last]"));
  EXPECT_THAT(Send(b, "reply"), IsOk());
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
}

TEST_F(PrefixSocketTest, HoweverTheBytesAreCut) {
  std::random_device seeds;
  for (int round = 0; round < 20; ++round) {
    auto [near, far] = MakePair(&runtime_);
    Converse(&runtime_, BytestreamPtr(new ChoppyBytestream(std::move(near), seeds())),
             BytestreamPtr(new ChoppyBytestream(std::move(far), seeds())));
  }
}

// Every wait of a receive ended once: the next call gives the whole message.
TEST_F(PrefixSocketTest, EveryWaitOfAReceive) {
  const std::string text(50'000, 'r');
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      PairOptions options;
      options.capacity_bytes = 8000;
      auto [near, far] = MakePair(&runtime_, options);
      PrefixSocket a(&runtime_, std::move(near), TwoBytes());
      PrefixSocket b(&runtime_, std::move(far), TwoBytes());
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

// Every wait of a send ended once: all of the message arrives, or none.
TEST_F(PrefixSocketTest, EveryWaitOfASend) {
  const std::string text(50'000, 's');
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      PairOptions options;
      options.capacity_bytes = 8000;
      auto [near, far] = MakePair(&runtime_, options);
      PrefixSocket a(&runtime_, std::move(near), TwoBytes());
      PrefixSocket b(&runtime_, std::move(far), TwoBytes());
      bool sent = false;
      Bundle sender(&runtime_);
      ASSERT_THAT(sender.Go([&] {
        fault.set_only(runtime_.current());
        const absl::Status status = Send(a, text);
        sent = status.ok();
        if (!sent) {
          EXPECT_THAT(status, IsErrno(error));
        }
      }),
                  IsOk());
      Bundle next(&runtime_);
      ASSERT_THAT(next.Go([&] {
        EXPECT_EQ(sender.Wait(Deadline::Never()), 0);
        EXPECT_THAT(Send(a, "next"), IsOk());
      }),
                  IsOk());
      const auto first = Receive(b, text.size());
      EXPECT_EQ(sender.Wait(Deadline::Never()), 0);
      EXPECT_THAT(first, IsOkAndHolds(sent ? "[" + text + "]" : std::string("[next]")));
      if (sent) {
        EXPECT_THAT(Receive(b, text.size()), IsOkAndHolds("[next]"));
      }
      EXPECT_EQ(next.Wait(Deadline::Never()), 0);
    });
    EXPECT_GT(waits, 1);
  }
}

TEST_F(PrefixSocketTest, EveryCallOfTheStreamFails) {
  for (const int error : {ECONNRESET, ENOMEM, EIO}) {
    const int calls = SweepFaults(error, [&](FaultPlan& plan) {
      auto [near, far] = MakePair(&runtime_);
      PrefixSocket a(&runtime_, std::move(near), TwoBytes());
      PrefixSocket b(&runtime_, BytestreamPtr(new FaultBytestream(std::move(far), &plan)),
                     TwoBytes());
      const std::string longer(20'000, 'x');
      EXPECT_THAT(Send(a, "abc"), IsOk());
      EXPECT_THAT(Send(a, longer), IsOk());
      absl::Status status = Receive(b, 3).status();
      if (status.ok()) status = Discard(b).status();
      if (status.ok()) status = Send(b, "reply");
      if (status.ok()) status = b.Detach().status();
      EXPECT_THAT(status, IsErrno(plan.hit() ? error : 0));
    });
    EXPECT_GT(calls, 4);
  }
}

}  // namespace
}  // namespace halfpipe
