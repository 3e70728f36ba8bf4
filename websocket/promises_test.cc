// The promises of a WebSocket, a test for each, named after it: what holds after a timeout or a
// cancellation, what half a connection may still do, who may be in a call at once, what may pile up.
// Short; with every wait, cut and fault they are in the tests beside each file.

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/msocket.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "websocket/options.h"
#include "websocket/stream.h"
#include "websocket/stream_test_support.h"
#include "websocket/testing/handles.h"
#include "websocket/testing/wire_builder.h"
#include "websocket/ws.h"

// clang-format off: its macros are for what follows.
#include "bytestream/sockets.h"
// clang-format on

namespace halfpipe::websocket {
namespace {

const Deadline kNever = Deadline::Never();
const Deadline kNow = Deadline::Immediately();

// ---- The C calls, over memory -------------------------------------------------------------------

class WsPromisesTest : public testing::Test {
 protected:
  WsPromisesTest() {
    auto [a, b] = MakePair(&runtime_, {.capacity_bytes = 100, .send_tail_bytes_max = 1000});
    client_ = ws_attach_client(HandleOf(std::move(a)), WS_TEXT | WS_NOHTTP, nullptr, nullptr, -1);
    server_ =
        ws_attach_server(HandleOf(std::move(b)), WS_TEXT | WS_NOHTTP, nullptr, 0, nullptr, 0, -1);
    EXPECT_GT(client_, 0);
    EXPECT_GT(server_, 0);
  }
  ~WsPromisesTest() override {
    if (client_ > 0) hclose(client_);
    if (server_ > 0) hclose(server_);
    EXPECT_EQ(HandleTable::Current().live_count(), 0u);
  }

  // 0 or an errno.
  int Send(int s, absl::string_view text, int64_t deadline = 0) {
    return ws_send(s, WS_TEXT, text.data(), text.size(), deadline) == 0 ? 0 : errno;
  }
  std::string Receive(int s, int64_t deadline = 0) {
    char room[2000];
    const ssize_t size = ws_recv(s, nullptr, room, sizeof(room), deadline);
    return size < 0 ? absl::StrCat("errno ", errno) : std::string(room, size);
  }
  int Done(int s, int status, absl::string_view reason, int64_t deadline = 0) {
    return ws_done(s, status, reason.data(), reason.size(), deadline) == 0 ? 0 : errno;
  }

  SimRuntime runtime_;
  int client_ = -1;
  int server_ = -1;
};

const std::string kTimeout = absl::StrCat("errno ", ETIMEDOUT);
const std::string kPipe = absl::StrCat("errno ", EPIPE);

TEST_F(WsPromisesTest, WsRecvKeepsWhatHasComeAndTheNextCallDeliversTheWhole) {
  auto [peer, lower] = MakePair(&runtime_);
  const int s =
      ws_attach_server(HandleOf(std::move(lower)), WS_TEXT | WS_NOHTTP, nullptr, 0, nullptr, 0, -1);
  const std::string wire = FromClient().Text("Hello");
  for (const char byte : wire) {
    EXPECT_EQ(Receive(s), kTimeout);
    const IoSlice slice(&byte, 1);
    ASSERT_THAT(peer->Write(absl::MakeConstSpan(&slice, 1), /*more=*/false, kNow), IsOk());
  }
  EXPECT_EQ(Receive(s), "Hello");
  EXPECT_EQ(hclose(s), 0);
}

TEST_F(WsPromisesTest, WsRecvThatIsCancelledKeepsWhatHasCome) {
  auto [peer, lower] = MakePair(&runtime_);
  const int s =
      ws_attach_server(HandleOf(std::move(lower)), WS_TEXT | WS_NOHTTP, nullptr, 0, nullptr, 0, -1);
  const std::string wire = FromClient().Text("Hello");
  const IoSlice halves[] = {IoSlice(absl::string_view(wire).substr(0, 8)),
                            IoSlice(absl::string_view(wire).substr(8))};
  ASSERT_THAT(peer->Write(absl::MakeConstSpan(&halves[0], 1), /*more=*/false, kNow), IsOk());
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] { EXPECT_EQ(Receive(s, -1), absl::StrCat("errno ", ECANCELED)); }),
              IsOk());
  bundle.CancelAndJoin();
  ASSERT_THAT(peer->Write(absl::MakeConstSpan(&halves[1], 1), /*more=*/false, kNow), IsOk());
  EXPECT_EQ(Receive(s), "Hello");
  EXPECT_EQ(hclose(s), 0);
}

TEST_F(WsPromisesTest, WsSendWithNothingWrittenSendsNothing) {
  ASSERT_EQ(Send(client_, std::string(94, 'x')), 0);  // with its header, all the room there is
  EXPECT_EQ(Send(client_, "lost?"), ETIMEDOUT);
  EXPECT_EQ(Receive(server_), std::string(94, 'x'));
  EXPECT_EQ(Send(client_, "next"), 0);
  EXPECT_EQ(Receive(server_), "next");
}

TEST_F(WsPromisesTest, WsSendWithPartWrittenLeavesATailAndSucceeds) {
  ASSERT_EQ(Send(client_, std::string(500, 'x')), 0);
  EXPECT_EQ(Send(client_, "behind it"), ETIMEDOUT);
  EXPECT_EQ(Receive(server_, -1), std::string(500, 'x'));
  EXPECT_EQ(Send(client_, "behind it"), 0);
  EXPECT_EQ(Receive(server_), "behind it");
}

TEST_F(WsPromisesTest, WsSendWithPartWrittenAboveTheTailsBoundResets) {
  EXPECT_EQ(Send(client_, std::string(2000, 'x')), ECONNRESET);
  EXPECT_EQ(Send(client_, "y"), ECONNRESET);
}

TEST_F(WsPromisesTest, WsDoneIsAsWsSend) {
  ASSERT_EQ(Send(client_, std::string(94, 'x')), 0);
  // Nothing written: not done, and more can be sent.
  EXPECT_EQ(Done(client_, 1000, "bye"), ETIMEDOUT);
  EXPECT_EQ(Receive(server_), std::string(94, 'x'));
  EXPECT_EQ(Send(client_, std::string(85, 'y')), 0);
  // Part written: the rest follows.
  EXPECT_EQ(Done(client_, 1000, "good bye"), 0);
  EXPECT_EQ(Done(client_, 1000, "good bye"), EPIPE);
  EXPECT_EQ(Receive(server_), std::string(85, 'y'));
  EXPECT_EQ(Receive(server_, -1), kPipe);
  char reason[123];
  int status = 0;
  EXPECT_EQ(ws_status(server_, &status, reason, sizeof(reason)), 8);
  EXPECT_EQ(status, 1000);
  EXPECT_EQ(std::string(reason, 8), "good bye");
}

TEST_F(WsPromisesTest, AttachClosesTheStreamBelow) {
  auto [a, b] = MakePair(&runtime_);
  const int s = HandleOf(std::move(a));
  EXPECT_EQ(ws_attach_client(s, WS_TEXT, "/", "localhost", 0), -1);
  EXPECT_EQ(errno, ETIMEDOUT);
  EXPECT_EQ(hclose(s), -1);
  EXPECT_EQ(errno, EBADF);
  // The request, then the end.
  while (true) {
    auto rest = b->Peek(1, kNow);
    ASSERT_THAT(rest, IsOk());
    if (rest->empty()) break;
    b->Consume(rest->size());
  }
}

TEST_F(WsPromisesTest, HalfCloseLeavesReceivingUntilThePeersClose) {
  ASSERT_EQ(Done(client_, 1000, ""), 0);
  EXPECT_EQ(Send(client_, "x"), EPIPE);
  // The peer drains, then learns of it.
  EXPECT_EQ(Receive(server_), kPipe);
  int status = 0;
  EXPECT_EQ(ws_status(server_, &status, nullptr, 0), 0);
  EXPECT_EQ(status, 1000);
  ASSERT_EQ(Send(server_, "still"), 0);
  EXPECT_EQ(Receive(client_), "still");
  ASSERT_EQ(Done(server_, 1001, ""), 0);
  EXPECT_EQ(Receive(client_), kPipe);
}

TEST_F(WsPromisesTest, ReservedCodesAreRefusedOnSend) {
  for (const int code : {1004, 1005, 1006, 1015, 999, 2999, 5000}) {
    EXPECT_EQ(Done(client_, code, ""), EINVAL) << code;
  }
  ASSERT_EQ(Done(client_, 0, ""), 0);
  EXPECT_EQ(Receive(server_), kPipe);
  int status = -1;
  EXPECT_EQ(ws_status(server_, &status, nullptr, 0), 0);
  EXPECT_EQ(status, 0);
}

TEST_F(WsPromisesTest, DetachIsDoneAndDrainAndGivesTheStreamBelowBackIntact) {
  ASSERT_EQ(Send(server_, "on its way"), 0);
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] {
    EXPECT_EQ(Receive(server_, -1), kPipe);
    server_ = ws_detach(server_, 1000, nullptr, 0, -1);
    ASSERT_GT(server_, 0);
    EXPECT_EQ(bsend(server_, "plain", 5, -1), 0);
  }),
              IsOk());
  client_ = ws_detach(client_, 1000, nullptr, 0, -1);
  ASSERT_GT(client_, 0);
  char plain[5];
  EXPECT_EQ(brecv(client_, plain, 5, -1), 0);
  EXPECT_EQ(std::string(plain, 5), "plain");
  EXPECT_EQ(bundle.Wait(kNever), 0);
}

TEST_F(WsPromisesTest, ASecondCallerOnADirectionIsBusyInC) {
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] { EXPECT_EQ(Receive(client_, -1), "x"); }), IsOk());
  ASSERT_THAT(bundle.Go([&] { EXPECT_EQ(Send(client_, std::string(500, 'x'), -1), 0); }), IsOk());
  EXPECT_EQ(Receive(client_, -1), absl::StrCat("errno ", EBUSY));
  EXPECT_EQ(Send(client_, "y", -1), EBUSY);
  // Different directions do not interfere.
  ASSERT_EQ(Send(server_, "x"), 0);
  EXPECT_EQ(Receive(server_, -1), std::string(500, 'x'));
  EXPECT_EQ(bundle.Wait(kNever), 0);
}

TEST_F(WsPromisesTest, AnExpiredDeadlineStillDoesWhatNeedsNoWaiting) {
  const int64_t past = now() - 1;
  EXPECT_EQ(Send(client_, "x", past), 0);
  EXPECT_EQ(Receive(server_, past), "x");
}

TEST_F(WsPromisesTest, CancellationIsSticky) {
  ASSERT_EQ(Send(server_, "there already"), 0);
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] {
    EXPECT_EQ(runtime_.SleepUntil(kNever), ECANCELED);
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(Receive(client_, -1), absl::StrCat("errno ", ECANCELED));
      EXPECT_EQ(Send(client_, "x", -1), ECANCELED);
    }
  }),
              IsOk());
  bundle.CancelAndJoin();
  EXPECT_EQ(Receive(client_), "there already");
}

// ---- Stream -------------------------------------------------------------------------------------

class StreamPromisesTest : public ServedStreamTest {
 protected:
  void Connect(Options options = {}, PairOptions pair = {.capacity_bytes = 100}) {
    ServedStreamTest::Connect(options, pair);
  }
};

TEST_F(StreamPromisesTest, SendersQueueInOrderEachUnderItsOwnDeadline) {
  Connect();
  Bundle bundle(&runtime_);
  std::string order;
  const auto sender = [&](const char* name, Deadline deadline, int error) {
    ASSERT_THAT(bundle.Go([&, name, deadline, error] {
      EXPECT_EQ(StatusErrno(stream_->SendText(std::string(98, *name), deadline)), error);
      order += name;
    }),
                IsOk());
  };
  sender("a", kNever, 0);
  sender("b", kNever, 0);
  sender("c", Deadline::In(absl::Seconds(1)), ETIMEDOUT);
  sender("d", kNever, 0);
  ASSERT_EQ(runtime_.SleepUntil(Deadline::In(absl::Seconds(2))), 0);
  EXPECT_EQ(order, "ac");
  std::string heard;
  for (std::string more; !(more = ToPeer()).empty();) {
    heard += more;
    ASSERT_EQ(runtime_.SleepUntil(Deadline::In(absl::Seconds(1))), 0);
  }
  EXPECT_EQ(order, "acbd");
  EXPECT_EQ(heard, absl::StrCat(FromServer().Text(std::string(98, 'a')).str(),
                                FromServer().Text(std::string(98, 'b')).str(),
                                FromServer().Text(std::string(98, 'd')).str()));
  EXPECT_EQ(bundle.Wait(kNever), 0);
}

TEST_F(StreamPromisesTest, ReservedCodesAreMadeLocallyOnly) {
  Connect();
  FromPeer(FromClient().Close());
  ASSERT_THAT(stream_->ReceiveView(kNow), IsOk());
  EXPECT_EQ(stream_->peer_close()->code, 1005);
  EXPECT_EQ(ToPeer(), FromServer().Close().str());
}

TEST_F(StreamPromisesTest, OneReceiver) {
  Connect();
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(stream_->ReceiveView(kNever), IsOk()); }), IsOk());
  EXPECT_THAT(stream_->ReceiveView(kNever), IsErrno(EBUSY));
  EXPECT_THAT(stream_->ReceivePartView(kNever), IsErrno(EBUSY));
  EXPECT_THAT(stream_->Discard(kNever), IsErrno(EBUSY));
  FromPeer(FromClient().Text("x"));
  EXPECT_EQ(bundle.Wait(kNever), 0);
}

TEST_F(StreamPromisesTest, DirectionsDoNotInterfereButForControlFrames) {
  Connect();
  Bundle bundle(&runtime_);
  const std::string text(150, 'x');
  ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(stream_->SendText(text, kNever), IsOk()); }), IsOk());
  // While that waits for room messages are received; the pong stands behind its frame.
  FromPeer(FromClient().Ping("p").Text("y"));
  auto message = stream_->ReceiveView(kNow);
  ASSERT_THAT(message, IsOk());
  EXPECT_EQ((*message)->text(), "y");
  std::string heard;
  for (std::string more; !(more = ToPeer()).empty();) {
    heard += more;
    ASSERT_EQ(runtime_.SleepUntil(Deadline::In(absl::Seconds(1))), 0);
  }
  EXPECT_EQ(heard, absl::StrCat(FromServer().Text(text).str(), FromServer().Pong("p").str()));
  EXPECT_EQ(bundle.Wait(kNever), 0);
}

TEST_F(StreamPromisesTest, ASendBlocksAndOneTailWaits) {
  Connect({}, {.capacity_bytes = 100, .send_tail_bytes_max = 1000});
  ASSERT_THAT(stream_->SendText(std::string(500, 'x'), kNow), IsOk());
  const size_t tail = stream_->lower()->tail_size();
  EXPECT_EQ(tail, 404u);
  for (int i = 0; i < 10; ++i) EXPECT_THAT(stream_->SendText("y", kNow), IsErrno(ETIMEDOUT));
  EXPECT_EQ(stream_->lower()->tail_size(), tail);
}

TEST_F(StreamPromisesTest, OnePongAndOneCloseWait) {
  Connect();
  ASSERT_THAT(stream_->SendText(std::string(98, 'x'), kNow), IsOk());
  for (int i = 0; i < 10; ++i) {
    FromPeer(FromClient().Ping(absl::StrCat(i)));
    EXPECT_THAT(stream_->ReceiveView(kNow), IsErrno(ETIMEDOUT));
  }
  EXPECT_EQ(stream_->lower()->tail_size(), 0u);
  EXPECT_EQ(ToPeer(), FromServer().Text(std::string(98, 'x')).str());
  ASSERT_EQ(runtime_.SleepUntil(Deadline::In(absl::Seconds(1))), 0);
  EXPECT_EQ(ToPeer(), FromServer().Pong("9").str());
}

TEST_F(StreamPromisesTest, AtMost16KiBAreGathered) {
  Connect({}, {.capacity_bytes = 1'000'000});
  std::string wire;
  for (int i = 0; i < 10; ++i) wire += FromClient().Text(std::string(100, 'x')).str();
  FromPeer(wire);
  const std::string reply(4000, 'y');
  size_t most = 0;
  for (int i = 0; i < 10; ++i) {
    ASSERT_THAT(stream_->ReceiveView(kNow), IsOk());
    ASSERT_THAT(stream_->SendText(reply, kNow), IsOk());
    size_t left = 0;
    for (std::string more; !(more = ToPeer()).empty();) left += more.size();
    most += 4004 - left;
    if (left > 0) most = 0;
    EXPECT_LE(most, 16'384u);
  }
}

TEST_F(StreamPromisesTest, AReceivePulls) {
  Connect();
  FromPeer(FromClient().Text(std::string(94, 'x')));
  ASSERT_EQ(runtime_.SleepUntil(Deadline::In(absl::Hours(1))), 0);
  // Not a byte was read: the peer has no room.
  const std::string wire = FromClient().Text("y");
  const IoSlice slice(wire);
  EXPECT_THAT(peer_->Write(absl::MakeConstSpan(&slice, 1), false, kNow), IsErrno(ETIMEDOUT));
  ASSERT_THAT(stream_->ReceiveView(kNow), IsOk());
  EXPECT_THAT(peer_->Write(absl::MakeConstSpan(&slice, 1), false, kNow), IsOk());
}

TEST_F(StreamPromisesTest, DetachThatFailsLeavesNothing) {
  Connect();
  EXPECT_THAT(stream_->Detach(1000, "", kNow), IsErrno(ETIMEDOUT));
  EXPECT_THAT(stream_->SendText("x", kNow), IsErrno(EBADF));
  EXPECT_EQ(ToPeer(), FromServer().Close(1000).str());
  auto end = peer_->Peek(1, kNow);
  EXPECT_TRUE(!end.ok() || end->empty());
}

}  // namespace
}  // namespace halfpipe::websocket
