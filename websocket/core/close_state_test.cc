#include "websocket/core/close_state.h"

#include "gtest/gtest.h"

namespace halfpipe::websocket {
namespace {

using Event = CloseEvent;
using Phase = ClosePhase;
using Verdict = CloseVerdict;

CloseState In(Phase phase) {
  CloseState state;
  if (phase == Phase::kCloseReceived || phase == Phase::kClosed) {
    (void)state.On(Event::kReceiveClose);
  }
  if (phase == Phase::kCloseSent || phase == Phase::kClosed) (void)state.On(Event::kSendClose);
  return state;
}

void ExpectCell(Event event, Phase before, Verdict verdict, Phase after) {
  CloseState state = In(before);
  ASSERT_EQ(state.phase(), before);
  EXPECT_EQ(state.Judge(event), verdict);
  EXPECT_EQ(state.phase(), before) << "Judge() changed the state";
  EXPECT_EQ(state.On(event), verdict);
  EXPECT_EQ(state.phase(), after);
}

TEST(CloseStateTest, OpenSendData) {
  ExpectCell(Event::kSendData, Phase::kOpen, Verdict::kProceed, Phase::kOpen);
}
TEST(CloseStateTest, OpenSendPingPong) {
  ExpectCell(Event::kSendPingPong, Phase::kOpen, Verdict::kProceed, Phase::kOpen);
}
TEST(CloseStateTest, OpenSendClose) {
  ExpectCell(Event::kSendClose, Phase::kOpen, Verdict::kProceed, Phase::kCloseSent);
}
TEST(CloseStateTest, OpenReceiveData) {
  ExpectCell(Event::kReceiveData, Phase::kOpen, Verdict::kProceed, Phase::kOpen);
}
TEST(CloseStateTest, OpenReceivePingPong) {
  ExpectCell(Event::kReceivePingPong, Phase::kOpen, Verdict::kProceed, Phase::kOpen);
}
TEST(CloseStateTest, OpenReceiveClose) {
  ExpectCell(Event::kReceiveClose, Phase::kOpen, Verdict::kProceed, Phase::kCloseReceived);
}
TEST(CloseStateTest, OpenEndOfStream) {
  ExpectCell(Event::kEndOfStream, Phase::kOpen, Verdict::kTruncated, Phase::kOpen);
}

// No data behind our Close (RFC 6455 section 5.5.1).
TEST(CloseStateTest, CloseSentSendData) {
  ExpectCell(Event::kSendData, Phase::kCloseSent, Verdict::kRefuse, Phase::kCloseSent);
}
// Pings are answered until the peer's Close.
TEST(CloseStateTest, CloseSentSendPingPong) {
  ExpectCell(Event::kSendPingPong, Phase::kCloseSent, Verdict::kProceed, Phase::kCloseSent);
}
TEST(CloseStateTest, CloseSentSendClose) {
  ExpectCell(Event::kSendClose, Phase::kCloseSent, Verdict::kRefuse, Phase::kCloseSent);
}
// Half-close: receiving goes on, whatever the peer still sends.
TEST(CloseStateTest, CloseSentReceiveData) {
  ExpectCell(Event::kReceiveData, Phase::kCloseSent, Verdict::kProceed, Phase::kCloseSent);
}
TEST(CloseStateTest, CloseSentReceivePingPong) {
  ExpectCell(Event::kReceivePingPong, Phase::kCloseSent, Verdict::kProceed, Phase::kCloseSent);
}
TEST(CloseStateTest, CloseSentReceiveClose) {
  ExpectCell(Event::kReceiveClose, Phase::kCloseSent, Verdict::kProceed, Phase::kClosed);
}
TEST(CloseStateTest, CloseSentEndOfStream) {
  ExpectCell(Event::kEndOfStream, Phase::kCloseSent, Verdict::kTruncated, Phase::kCloseSent);
}

// Half-close the other way: our outbound half stays open until we end it.
TEST(CloseStateTest, CloseReceivedSendData) {
  ExpectCell(Event::kSendData, Phase::kCloseReceived, Verdict::kProceed, Phase::kCloseReceived);
}
// No pong once a Close was received (RFC 6455 section 5.5.2).
TEST(CloseStateTest, CloseReceivedSendPingPong) {
  ExpectCell(Event::kSendPingPong, Phase::kCloseReceived, Verdict::kDrop, Phase::kCloseReceived);
}
TEST(CloseStateTest, CloseReceivedSendClose) {
  ExpectCell(Event::kSendClose, Phase::kCloseReceived, Verdict::kProceed, Phase::kClosed);
}
TEST(CloseStateTest, CloseReceivedReceiveData) {
  ExpectCell(Event::kReceiveData, Phase::kCloseReceived, Verdict::kNotOurs, Phase::kCloseReceived);
}
TEST(CloseStateTest, CloseReceivedReceivePingPong) {
  ExpectCell(Event::kReceivePingPong, Phase::kCloseReceived, Verdict::kNotOurs,
             Phase::kCloseReceived);
}
TEST(CloseStateTest, CloseReceivedReceiveClose) {
  ExpectCell(Event::kReceiveClose, Phase::kCloseReceived, Verdict::kNotOurs, Phase::kCloseReceived);
}
TEST(CloseStateTest, CloseReceivedEndOfStream) {
  ExpectCell(Event::kEndOfStream, Phase::kCloseReceived, Verdict::kEnd, Phase::kCloseReceived);
}

TEST(CloseStateTest, ClosedSendData) {
  ExpectCell(Event::kSendData, Phase::kClosed, Verdict::kRefuse, Phase::kClosed);
}
TEST(CloseStateTest, ClosedSendPingPong) {
  ExpectCell(Event::kSendPingPong, Phase::kClosed, Verdict::kDrop, Phase::kClosed);
}
TEST(CloseStateTest, ClosedSendClose) {
  ExpectCell(Event::kSendClose, Phase::kClosed, Verdict::kRefuse, Phase::kClosed);
}
TEST(CloseStateTest, ClosedReceiveData) {
  ExpectCell(Event::kReceiveData, Phase::kClosed, Verdict::kNotOurs, Phase::kClosed);
}
TEST(CloseStateTest, ClosedReceivePingPong) {
  ExpectCell(Event::kReceivePingPong, Phase::kClosed, Verdict::kNotOurs, Phase::kClosed);
}
TEST(CloseStateTest, ClosedReceiveClose) {
  ExpectCell(Event::kReceiveClose, Phase::kClosed, Verdict::kNotOurs, Phase::kClosed);
}
TEST(CloseStateTest, ClosedEndOfStream) {
  ExpectCell(Event::kEndOfStream, Phase::kClosed, Verdict::kEnd, Phase::kClosed);
}

TEST(CloseStateTest, EachHalfIsAskedAlone) {
  EXPECT_FALSE(In(Phase::kOpen).close_sent());
  EXPECT_FALSE(In(Phase::kOpen).close_received());
  EXPECT_TRUE(In(Phase::kCloseSent).close_sent());
  EXPECT_FALSE(In(Phase::kCloseSent).close_received());
  EXPECT_FALSE(In(Phase::kCloseReceived).close_sent());
  EXPECT_TRUE(In(Phase::kCloseReceived).close_received());
  EXPECT_TRUE(In(Phase::kClosed).close_sent());
  EXPECT_TRUE(In(Phase::kClosed).close_received());
}

}  // namespace
}  // namespace halfpipe::websocket
