#include "bytestream/framing/term_socket.h"

#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/framing/framing_test_support.h"
#include "bytestream/framing/prefix_socket.h"
#include "bytestream/message_socket.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/testing/scripted_bytestream.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

PrefixSocket::Options OneByte() {
  PrefixSocket::Options options;
  options.prefix_bytes = 1;
  return options;
}

// A peer that speaks in whole messages, and a socket with the terminal message.
struct Ends {
  Ends(Runtime* runtime, absl::string_view terminator, size_t capacity = 65536) {
    PairOptions options;
    options.capacity_bytes = capacity;
    auto [near, far] = MakePair(runtime, options);
    lower = std::make_unique<PrefixSocket>(runtime, std::move(near), OneByte());
    peer = std::make_unique<PrefixSocket>(runtime, std::move(far), OneByte());
    socket = std::make_unique<TermSocket>(runtime, lower.get(), AsBytes(terminator));
  }

  std::unique_ptr<PrefixSocket> lower;
  std::unique_ptr<PrefixSocket> peer;
  std::unique_ptr<TermSocket> socket;
};

class TermSocketTest : public testing::Test {
 protected:
  Deadline Soon() { return Deadline::In(absl::Seconds(1)); }

  SimRuntime runtime_;
};

TEST_F(TermSocketTest, PassesMessagesUntilTheTerminalOne) {
  Ends ends(&runtime_, "STOP");
  for (const absl::string_view text : {"abc", "", "STO", "STOQ", "STOPS", "STOP", "behind"}) {
    EXPECT_THAT(Send(*ends.peer, text), IsOk());
  }
  TermSocket& socket = *ends.socket;
  EXPECT_THAT(Receive(socket, 9), IsOkAndHolds("[abc]"));
  EXPECT_THAT(Receive(socket, 9), IsOkAndHolds("[]"));
  EXPECT_THAT(Receive(socket, 3), IsOkAndHolds("[STO]"));
  EXPECT_THAT(Receive(socket, 4), IsOkAndHolds("[STOQ]"));
  EXPECT_THAT(Receive(socket, 5), IsOkAndHolds("[STOPS]"));
  EXPECT_THAT(Receive(socket, 9), IsOkAndHolds("end"));
  EXPECT_THAT(Receive(socket, 9), IsOkAndHolds("end"));
  EXPECT_THAT(Discard(socket), IsOkAndHolds(std::nullopt));
  EXPECT_THAT(Receive(*ends.lower, 9), IsOkAndHolds("[behind]"));
}

// The terminal message is the end, whatever there is room for.
TEST_F(TermSocketTest, RoomForTheMessageAndForTheTerminalOne) {
  for (size_t room = 0; room <= 6; ++room) {
    Ends ends(&runtime_, "STOP");
    for (const absl::string_view text : {"abcde", "ab", "STOP"}) {
      EXPECT_THAT(Send(*ends.peer, text), IsOk());
    }
    EXPECT_THAT(Receive(*ends.socket, room), IsErrno(room < 5 ? EMSGSIZE : 0)) << room;
    EXPECT_THAT(Receive(*ends.socket, room), IsErrno(room < 2 ? EMSGSIZE : 0)) << room;
    EXPECT_THAT(Receive(*ends.socket, room), IsOkAndHolds("end")) << room;
  }
}

TEST_F(TermSocketTest, DroppedMessages) {
  Ends ends(&runtime_, "STOP");
  for (const absl::string_view text : {"abcdefgh", "ab", "abc", "STOP"}) {
    EXPECT_THAT(Send(*ends.peer, text), IsOk());
  }
  EXPECT_THAT(Discard(*ends.socket), IsOkAndHolds(8u));
  EXPECT_THAT(Skip(*ends.socket, SIZE_MAX), IsOkAndHolds(2u));
  EXPECT_THAT(Skip(*ends.socket, 2), IsErrno(EMSGSIZE));
  EXPECT_THAT(Skip(*ends.socket, SIZE_MAX), IsOkAndHolds(std::nullopt));
}

TEST_F(TermSocketTest, ListsOfAnyShape) {
  Ends ends(&runtime_, "STOP");
  char text[] = "12345678";
  for (size_t cut = 0; cut <= 8; ++cut) {
    EXPECT_THAT(Send(*ends.peer, "abcdefgh"), IsOk());
    char got[9] = "????????";
    const IoSpan list[] = {IoSpan(got, cut), IoSpan(text, 0), IoSpan(got + cut, 8 - cut)};
    EXPECT_THAT(ends.socket->ReceiveMessage(list, Deadline::Never()), IsOkAndHolds(8u));
    EXPECT_STREQ(got, "abcdefgh");
    EXPECT_THAT(Send(*ends.peer, "abcdefgh"), IsOk());
    const IoSpan gap[] = {IoSpan(nullptr, cut), IoSpan(text, 8 - cut)};
    EXPECT_THAT(ends.socket->ReceiveMessage(gap, Deadline::Never()), IsOkAndHolds(8u));
    EXPECT_EQ(std::string(text, 8 - cut), std::string("abcdefgh").substr(cut));
  }
}

TEST_F(TermSocketTest, AnEmptyTerminalMessage) {
  Ends ends(&runtime_, "");
  EXPECT_THAT(Send(*ends.socket, ""), IsErrno(EINVAL));
  EXPECT_THAT(Send(*ends.socket, "x"), IsOk());
  EXPECT_THAT(ends.socket->Done(Deadline::Never()), IsOk());
  EXPECT_THAT(Receive(*ends.peer, 1), IsOkAndHolds("[x]"));
  EXPECT_THAT(Receive(*ends.peer, 1), IsOkAndHolds("[]"));
  EXPECT_THAT(Send(*ends.peer, "ab"), IsOk());
  EXPECT_THAT(Send(*ends.peer, "ab"), IsOk());
  EXPECT_THAT(Send(*ends.peer, ""), IsOk());
  EXPECT_THAT(Receive(*ends.socket, 2), IsOkAndHolds("[ab]"));
  EXPECT_THAT(Discard(*ends.socket), IsOkAndHolds(2u));
  EXPECT_THAT(Receive(*ends.socket, 2), IsOkAndHolds("end"));
}

TEST_F(TermSocketTest, LongestTerminalMessage) {
  const std::string longest(kTerminatorBytesMax, 't');
  Ends ends(&runtime_, longest);
  EXPECT_THAT(Send(*ends.peer, longest.substr(1)), IsOk());
  EXPECT_THAT(Send(*ends.peer, longest), IsOk());
  EXPECT_THAT(Receive(*ends.socket, 99), IsOkAndHolds("[" + longest.substr(1) + "]"));
  EXPECT_THAT(Receive(*ends.socket, 99), IsOkAndHolds("end"));
}

TEST_F(TermSocketTest, NothingIsSentAfterTheTerminalMessage) {
  Ends ends(&runtime_, "STOP");
  const IoSlice cut[] = {IoSlice("ST"), IoSlice(""), IoSlice("OP")};
  EXPECT_THAT(ends.socket->SendMessage(cut, Deadline::Never()), IsErrno(EINVAL));
  EXPECT_THAT(Send(*ends.socket, "STOQ"), IsOk());
  EXPECT_THAT(ends.socket->Done(Deadline::Never()), IsOk());
  EXPECT_THAT(ends.socket->Done(Deadline::Never()), IsErrno(EPIPE));
  EXPECT_THAT(Send(*ends.socket, "x"), IsErrno(EPIPE));
  EXPECT_THAT(Receive(*ends.peer, 9), IsOkAndHolds("[STOQ]"));
  EXPECT_THAT(Receive(*ends.peer, 9), IsOkAndHolds("[STOP]"));
  EXPECT_THAT(Receive(*ends.peer, 9, Deadline::Immediately()), IsErrno(ETIMEDOUT));
}

TEST_F(TermSocketTest, AnEndWithoutTheTerminalMessage) {
  for (const absl::string_view terminator : {"STOP", ""}) {
    Ends ends(&runtime_, terminator);
    ends.peer.reset();
    EXPECT_THAT(Receive(*ends.socket, 9), IsErrno(ECONNRESET));
    EXPECT_THAT(ends.socket->Finish(Deadline::Never()), IsErrno(ECONNRESET));
  }
}

TEST_F(TermSocketTest, FinishMeetsInTheMiddle) {
  Ends ends(&runtime_, "STOP");
  TermSocket peer(&runtime_, ends.peer.get(), AsBytes("STOP"));
  EXPECT_THAT(Send(peer, "dropped"), IsOk());
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] {
    EXPECT_THAT(ends.socket->Finish(Deadline::Never()), IsOk());
    EXPECT_THAT(ends.socket->Finish(Deadline::Never()), IsOk());
    EXPECT_THAT(Send(*ends.lower, "after"), IsOk());
  }),
              IsOk());
  EXPECT_THAT(Receive(*ends.socket, 9), IsErrno(EBUSY));
  EXPECT_THAT(ends.socket->Finish(Deadline::Never()), IsErrno(EBUSY));
  EXPECT_THAT(Receive(peer, 9), IsOkAndHolds("end"));
  EXPECT_THAT(peer.Finish(Deadline::Never()), IsOk());
  EXPECT_THAT(Receive(*ends.peer, 9), IsOkAndHolds("[after]"));
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
}

TEST_F(TermSocketTest, TimeNeverLosesAnything) {
  Ends ends(&runtime_, "STOP", /*capacity=*/4);
  EXPECT_THAT(Send(*ends.lower, "xyz"), IsOk());  // fills what lies between
  EXPECT_THAT(Send(*ends.socket, "abc", Soon()), IsErrno(ETIMEDOUT));
  EXPECT_THAT(ends.socket->Done(Soon()), IsErrno(ETIMEDOUT));
  EXPECT_THAT(ends.socket->Finish(Soon()), IsErrno(ETIMEDOUT));
  EXPECT_THAT(Receive(*ends.peer, 9), IsOkAndHolds("[xyz]"));
  EXPECT_THAT(Send(*ends.socket, "abc"), IsOk());
  EXPECT_THAT(Receive(*ends.peer, 9), IsOkAndHolds("[abc]"));
  EXPECT_THAT(Receive(*ends.socket, 9, Soon()), IsErrno(ETIMEDOUT));
  EXPECT_THAT(Send(*ends.peer, "in"), IsOk());
  EXPECT_THAT(Receive(*ends.socket, 9, Soon()), IsOkAndHolds("[in]"));
  // The terminal message leaves, then the peer's does not come.
  EXPECT_THAT(ends.socket->Finish(Soon()), IsErrno(ETIMEDOUT));
  EXPECT_THAT(Receive(*ends.peer, 9), IsOkAndHolds("[STOP]"));
  EXPECT_THAT(Send(*ends.peer, "STO"), IsOk());
  EXPECT_THAT(Receive(*ends.socket, 9), IsOkAndHolds("[STO]"));
}

// A message of which a part has come, and its call is interrupted at each byte.
TEST_F(TermSocketTest, TimeInAMessage) {
  for (const std::string wire : {"\6STOPPE", "\4STOP", "\2ab"}) {
    ScriptedBytestreamPtr stream = MakeScripted(&runtime_);
    ScriptedBytestream* const script = stream.get();
    PrefixSocket lower(&runtime_, std::move(stream), OneByte());
    TermSocket socket(&runtime_, &lower, AsBytes("STOP"));
    for (const char c : wire) {
      EXPECT_THAT(Receive(socket, 9, Soon()), IsErrno(ETIMEDOUT));
      script->Deliver(absl::string_view(&c, 1));
    }
    const std::string expected = wire[0] == 4 ? "end" : "[" + wire.substr(1) + "]";
    EXPECT_THAT(Receive(socket, 9, Soon()), IsOkAndHolds(expected));
  }
}

TEST_F(TermSocketTest, EveryWait) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      Ends ends(&runtime_, "STOP", /*capacity=*/8);
      TermSocket peer(&runtime_, ends.peer.get(), AsBytes("STOP"));
      Bundle bundle(&runtime_);
      ASSERT_THAT(bundle.Go([&] {
        fault.set_only(runtime_.current());
        for (const absl::string_view text : {"one message", "another message"}) {
          absl::Status status = Send(*ends.socket, text);
          // All or nothing: what was not sent is sent again by somebody who is not cancelled.
          if (!status.ok()) return;
        }
        static_cast<void>(ends.socket->Finish(Deadline::Never()));
      }),
                  IsOk());
      Bundle reader(&runtime_);
      std::string got;
      ASSERT_THAT(reader.Go([&] {
        for (;;) {
          const auto text = Receive(peer, 99);
          if (!text.ok() || *text == "end") break;
          got += *text;
        }
        if (!fault.hit()) {
          EXPECT_EQ(got, "[one message][another message]");
        }
        static_cast<void>(peer.Finish(Deadline::Never()));
      }),
                  IsOk());
      EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
      if (fault.hit()) reader.Cancel();
      EXPECT_EQ(reader.Wait(Deadline::Never()), 0);
    });
    EXPECT_GT(waits, 2);
  }
}

TEST_F(TermSocketTest, CloseEndsEverything) {
  Ends ends(&runtime_, "STOP", /*capacity=*/1);
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(Send(*ends.socket, "x"), IsErrno(EBADF)); }), IsOk());
  ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(Receive(*ends.socket, 9), IsErrno(EBADF)); }), IsOk());
  EXPECT_TRUE(ends.socket->sender_busy());
  EXPECT_THAT(Send(*ends.socket, "y"), IsErrno(EBUSY));
  EXPECT_THAT(ends.socket->Done(Deadline::Never()), IsErrno(EBUSY));
  EXPECT_THAT(Receive(*ends.socket, 9), IsErrno(EBUSY));
  ends.socket->Close();
  ends.lower->Abort();
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_THAT(Send(*ends.socket, "y"), IsErrno(EBADF));
  EXPECT_THAT(Receive(*ends.socket, 9), IsErrno(EBADF));
  EXPECT_THAT(ends.socket->Finish(Deadline::Never()), IsErrno(EBADF));
}

}  // namespace
}  // namespace halfpipe
