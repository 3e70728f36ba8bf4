// Everything of websocket::Stream that is newer than whole messages, with each call of the lower
// stream failed, each wait ended, each request for memory refused: parts both ways, round trips.

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/allocation_faults.h"
#include "bytestream/testing/fault_bytestream.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"
#include "websocket/core/role.h"
#include "websocket/deflate/deflate_params.h"
#include "websocket/message_writer.h"
#include "websocket/options.h"
#include "websocket/stream.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/wire_builder.h"

namespace halfpipe::websocket {
namespace {

const Deadline kNever = Deadline::Never();
constexpr int kErrors[] = {ETIMEDOUT, ECANCELED, ECONNRESET, ENOBUFS};

// Not to be compressed to nothing.
std::string Text(size_t size) {
  std::string text;
  for (uint32_t i = 1; text.size() < size; i = i * 1664525 + 1013904223) absl::StrAppend(&text, i);
  text.resize(size);
  return text;
}

class StreamSweepTest : public testing::TestWithParam<bool> {
 protected:
  Options WithRole(Role role) {
    Options options;
    options.role = role;
    if (GetParam()) options.deflate_params = DeflateParams();
    return options;
  }

  // `plan` not null: the client's lower stream fails as it says.
  void Connect(FaultPlan* plan = nullptr) {
    auto [a, b] = MakePair(&runtime_, {.capacity_bytes = 300});
    BytestreamPtr lower = std::move(a);
    if (plan != nullptr) lower = BytestreamPtr(new FaultBytestream(std::move(lower), plan));
    client_ = std::make_unique<Stream>(&runtime_, std::move(lower), WithRole(Role::kClient));
    server_ = std::make_unique<Stream>(&runtime_, std::move(b), WithRole(Role::kServer));
  }

  // All of one message in parts, interrupted or not; "errno N" or "closed".
  std::string ReceiveByParts(Stream* stream) {
    std::string whole;
    for (;;) {
      std::string room(70, '\0');
      auto part = stream->ReceivePart(AsMutableBytes(room), kNever);
      if (!part.ok()) {
        const int error = StatusErrno(part.status());
        // A call that was interrupted may be made again; a coroutine that was cancelled cannot.
        if (error == ETIMEDOUT || (IsShortage(error) && stream->failure() == 0)) continue;
        return absl::StrCat("errno ", error);
      }
      if (!part->has_value()) return "closed";
      whole += std::string(AsChars((*part)->payload));
      if ((*part)->last) return whole;
    }
  }

  // Sends `text` in pieces; the errno of the first call that is not to be made again.
  int SendByPieces(Stream* stream, const std::string& text) {
    MessageWriter writer(stream, MessageType::kText);
    for (size_t at = 0; at <= text.size();) {
      const std::string piece = text.substr(at, 500);
      const absl::Status status =
          at == text.size() ? writer.Finish(kNever) : writer.Write(AsBytes(piece), kNever);
      const int error = StatusErrno(status);
      if (error == ETIMEDOUT || IsShortage(error)) continue;
      if (error != 0) return error;
      if (at == text.size()) break;
      at += piece.size();
    }
    return 0;
  }

  // A message each way, in parts. Says whether all of it went well, which `good` asks for; whatever
  // happens, nobody takes a part for the whole.
  void Exchange(bool may_fail) {
    const std::string text = Text(3'000);
    Bundle bundle(&runtime_);
    int sent = -1;
    std::string got;
    ASSERT_THAT(bundle.Go([&] {
      sent = SendByPieces(client_.get(), text);
      if (sent == 0) got = ReceiveByParts(client_.get());
      client_->Abort();
    }),
                IsOk());
    const std::string received = ReceiveByParts(server_.get());
    if (received == text) static_cast<void>(SendByPieces(server_.get(), text));
    server_->Abort();
    EXPECT_EQ(bundle.Wait(kNever), 0);
    EXPECT_TRUE(received == text || (may_fail && received.size() < 20)) << received;
    EXPECT_TRUE(got == text || (may_fail && got.size() < 20)) << got;
    if (sent == 0) {
      EXPECT_TRUE(received == text || may_fail) << received;
    }
  }

  SimRuntime runtime_;
  std::unique_ptr<Stream> client_;
  std::unique_ptr<Stream> server_;
};

INSTANTIATE_TEST_SUITE_P(Deflate, StreamSweepTest, testing::Bool(),
                         testing::PrintToStringParamName());

TEST_P(StreamSweepTest, PartsBothWaysWithEachCallBelowFailed) {
  for (const int error : kErrors) {
    int nth = 0;
    for (;; ++nth) {
      SCOPED_TRACE(testing::Message() << "call " << nth << " fails with errno " << error);
      FaultPlan plan(nth, error);
      if (IsShortage(error)) plan.GoOn();
      Connect(&plan);
      // What can be tried again ends well, but for a message that has begun to be compressed.
      Exchange(/*may_fail=*/error == ECONNRESET || error == ECANCELED || GetParam());
      if (!plan.hit() || HasFailure()) break;
    }
    EXPECT_GT(nth, 10);
  }
}

TEST_P(StreamSweepTest, PartsBothWaysWithEachWaitEnded) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      // Not this coroutine, which is the peer.
      fault.set_except(runtime_.current());
      Connect();
      Exchange(/*may_fail=*/error == ECANCELED);
    });
    EXPECT_GT(waits, 5);
  }
}

TEST_P(StreamSweepTest, RoundTripsWithEachWaitEnded) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      fault.set_only(runtime_.current());  // who does not wait before the other one is there
      Connect();
      Bundle bundle(&runtime_);
      // Behind a sender, so that it has to wait for the end of a frame too.
      ASSERT_THAT(bundle.Go([&] {
        static_cast<void>(client_->Send(MessageType::kBinary, AsBytes(Text(1000)), kNever));
      }),
                  IsOk());
      bool measured = false;
      ASSERT_THAT(bundle.Go([&] {
        fault.set_only(runtime_.current());
        auto round_trip = client_->MeasureRoundTrip(kNever);
        measured = true;
        if (!fault.hit()) {
          EXPECT_THAT(round_trip, IsOk());
        } else {
          EXPECT_THAT(round_trip, IsErrno(error));
        }
      }),
                  IsOk());
      ASSERT_THAT(bundle.Go([&] { static_cast<void>(client_->Discard(kNever)); }), IsOk());
      // Takes the message, then answers the ping, if one has come.
      EXPECT_THAT(server_->Discard(kNever), IsOk());
      EXPECT_THAT(server_->Discard(Deadline::In(absl::Seconds(1))), IsErrno(ETIMEDOUT));
      ASSERT_EQ(runtime_.SleepUntil(Deadline::In(absl::Seconds(1))), 0);
      EXPECT_TRUE(measured);
      client_->Abort();
      EXPECT_EQ(bundle.Wait(kNever), 0);
    });
    EXPECT_EQ(waits, 2);  // for the sender, and for the pong
  }
}

// A message that is put together, for want of memory: the peer is told.
TEST_P(StreamSweepTest, NoMemoryForAMessageIsSaidWith1011) {
  if (GetParam()) return;  // stream_deflate_test.cc
  const int requests = SweepAllocations([&](AllocationFault& fault) {
    fault.set_armed(false);
    auto [peer, lower] = MakePair(&runtime_);
    Stream stream(&runtime_, std::move(lower), Options());
    const std::string wire = FromClient().Text("Hel", WireBuilder::kMore).Continuation("lo");
    const IoSlice slice(wire);
    ASSERT_THAT(peer->Write(absl::MakeConstSpan(&slice, 1), /*more=*/false, kNever), IsOk());
    ASSERT_THAT(stream.lower()->Peek(1, kNever), IsOk());
    fault.set_armed(true);
    auto message = stream.ReceiveView(kNever);
    fault.set_armed(false);
    if (!fault.hit()) {
      EXPECT_THAT(message, IsOk());
      return;
    }
    EXPECT_THAT(message, IsErrno(ENOMEM));
    EXPECT_EQ(stream.failure(), ENOMEM);
    EXPECT_THAT(stream.SendText("x", kNever), IsErrno(EPIPE));
    const std::string close = FromServer().Close(1011, "out of memory");
    auto heard = peer->Peek(close.size(), kNever);
    ASSERT_THAT(heard, IsOk());
    EXPECT_EQ(AsChars(*heard), close);
  });
  EXPECT_EQ(requests, 1);
}

}  // namespace
}  // namespace halfpipe::websocket
