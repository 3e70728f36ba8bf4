// websocket::Stream for those that do not wait: at rest, told when there is something to do, and
// sending what is encoded already.

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/test_certs.h"
#include "bytestream/tls/tls_context.h"
#include "bytestream/tls/tls_stream.h"
#include "gtest/gtest.h"
#include "websocket/core/role.h"
#include "websocket/deflate/deflate_params.h"
#include "websocket/options.h"
#include "websocket/stream.h"
#include "websocket/stream_test_support.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/wire_builder.h"

namespace halfpipe::websocket {
namespace {

const Deadline kNever = Deadline::Never();
const Deadline kNow = Deadline::Immediately();

class StreamReadinessTest : public ServedStreamTest {
 protected:
  std::string ToPeer(size_t size) {
    std::string bytes(size, '\0');
    const IoSpan whole(bytes.data(), size);
    EXPECT_THAT(peer_->Read(absl::MakeConstSpan(&whole, 1), kNow), IsOk());
    return bytes;
  }

  // What a receive that does not wait brings.
  std::string TryReceive() {
    auto message = stream_->ReceiveView(kNow);
    if (!message.ok()) return absl::StrCat("errno ", StatusErrno(message.status()));
    return message->has_value() ? std::string((*message)->text()) : "closed";
  }

  Bytestream::Callback Counter(int* count) {
    return [count] { ++*count; };
  }

  // Lets the runtime poll.
  void Turn() { ASSERT_EQ(runtime_.SleepUntil(Deadline::In(absl::Milliseconds(1))), 0); }
};

// ---- At rest ------------------------------------------------------------------------------------

TEST_F(StreamReadinessTest, IsAtABoundaryOnlyWhereNothingOfAMessageHasCome) {
  Connect();
  EXPECT_TRUE(stream_->at_message_boundary());
  const std::string wire =
      FromClient().Text("Hel", WireBuilder::kMore).Ping("p").Continuation("lo");
  for (const char byte : wire.substr(0, wire.size() - 1)) {
    FromPeer(std::string(1, byte));
    ASSERT_EQ(TryReceive(), absl::StrCat("errno ", ETIMEDOUT));
    ASSERT_FALSE(stream_->at_message_boundary());
  }
  FromPeer(wire.substr(wire.size() - 1));
  EXPECT_EQ(TryReceive(), "Hello");
  // The view is still in use.
  EXPECT_FALSE(stream_->at_message_boundary());
  EXPECT_EQ(TryReceive(), absl::StrCat("errno ", ETIMEDOUT));
  EXPECT_TRUE(stream_->at_message_boundary());
}

TEST_F(StreamReadinessTest, IsAtNoBoundaryWithBytesOfTheNextMessageInTheBuffer) {
  Connect();
  FromPeer(FromClient().Text("first").str() + FromClient().Text("second").str().substr(0, 1));
  char room[10];
  const IoSpan list(room, sizeof(room));
  ASSERT_THAT(stream_->Receive(absl::MakeConstSpan(&list, 1), kNow), IsOk());
  EXPECT_FALSE(stream_->at_message_boundary());
}

TEST_F(StreamReadinessTest, IsAtNoBoundaryWhileTheRestOfAMessageIsToBeSkipped) {
  Connect();
  FromPeer(FromClient().Header(0x82, 100).Raw("x").str());
  ASSERT_THAT(stream_->Receive({}, kNow), IsErrno(EMSGSIZE));
  EXPECT_FALSE(stream_->at_message_boundary());
}

TEST_F(StreamReadinessTest, IsAtNoBoundaryInACompressedMessage) {
  Options options;
  options.deflate_params = DeflateParams();
  Connect(options);
  FromPeer(FromClient().Frame({.first_byte = 0x41, .payload = Bytes({0xf2, 0x48, 0xcd})}));
  EXPECT_EQ(TryReceive(), absl::StrCat("errno ", ETIMEDOUT));
  EXPECT_FALSE(stream_->at_message_boundary());
  FromPeer(FromClient().Continuation(Bytes({0xc9, 0xc9, 0x07, 0x00})));
  EXPECT_EQ(TryReceive(), "Hello");
  EXPECT_EQ(TryReceive(), absl::StrCat("errno ", ETIMEDOUT));
  EXPECT_TRUE(stream_->at_message_boundary());
}

TEST_F(StreamReadinessTest, IsAtNoBoundaryWhereNothingMoreCanCome) {
  Connect();
  FromPeer(FromClient().Close(1000));
  EXPECT_EQ(TryReceive(), "closed");
  EXPECT_FALSE(stream_->at_message_boundary());
  Connect();
  FromPeer(FromServer().Text("not masked"));
  EXPECT_EQ(TryReceive(), absl::StrCat("errno ", EPROTO));
  EXPECT_FALSE(stream_->at_message_boundary());
  Connect();
  stream_->Abort();
  EXPECT_FALSE(stream_->at_message_boundary());
}

TEST_F(StreamReadinessTest, IsAtNoBoundaryWhileACoroutineReceives) {
  Connect();
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] {
    EXPECT_THAT(stream_->ReceiveView(Deadline::In(absl::Seconds(1))), IsErrno(ETIMEDOUT));
  }),
              IsOk());
  EXPECT_FALSE(stream_->at_message_boundary());
  EXPECT_EQ(bundle.Wait(kNever), 0);
  EXPECT_TRUE(stream_->at_message_boundary());
}

// ---- Readable -----------------------------------------------------------------------------------

TEST_F(StreamReadinessTest, TellsOnceThatBytesHaveCome) {
  Connect();
  int told = 0;
  stream_->WhenReadable(Counter(&told));
  Turn();
  EXPECT_EQ(told, 0);
  FromPeer(FromClient().Text("one"));
  Turn();
  EXPECT_EQ(told, 1);
  FromPeer(FromClient().Text("two"));
  Turn();
  EXPECT_EQ(told, 1);
  EXPECT_EQ(TryReceive(), "one");
  // The view ends here; what is behind it is there at once.
  stream_->WhenReadable(Counter(&told));
  EXPECT_EQ(told, 2);
  EXPECT_EQ(TryReceive(), "two");
  // Nothing is behind this one, though its bytes were in the buffer until now.
  stream_->WhenReadable(Counter(&told));
  Turn();
  EXPECT_EQ(told, 2);
}

TEST_F(StreamReadinessTest, TellsOfTheEnd) {
  Connect();
  int told = 0;
  stream_->WhenReadable(Counter(&told));
  ASSERT_THAT(peer_->Done(kNow), IsOk());
  Turn();
  EXPECT_EQ(told, 1);
  EXPECT_EQ(TryReceive(), absl::StrCat("errno ", ECONNRESET));
  // Of a failure that is known at once.
  stream_->WhenReadable(Counter(&told));
  EXPECT_EQ(told, 2);
  Connect();
  FromPeer(FromClient().Close(1000));
  EXPECT_EQ(TryReceive(), "closed");
  stream_->WhenReadable(Counter(&told));
  EXPECT_EQ(told, 3);
  Connect();
  stream_->WhenReadable(Counter(&told));
  peer_.reset();
  Turn();
  EXPECT_EQ(told, 4);
}

TEST_F(StreamReadinessTest, TellsTheLatestCallbackOrNone) {
  Connect();
  int first = 0;
  int second = 0;
  stream_->WhenReadable(Counter(&first));
  stream_->WhenReadable(Counter(&second));
  FromPeer(FromClient().Text("one"));
  Turn();
  EXPECT_EQ(first, 0);
  EXPECT_EQ(second, 1);
  EXPECT_EQ(TryReceive(), "one");
  EXPECT_EQ(TryReceive(), absl::StrCat("errno ", ETIMEDOUT));
  stream_->WhenReadable(Counter(&first));
  stream_->WhenReadable({});
  FromPeer(FromClient().Text("two"));
  Turn();
  EXPECT_EQ(first, 0);
  EXPECT_EQ(TryReceive(), "two");
  EXPECT_EQ(TryReceive(), absl::StrCat("errno ", ETIMEDOUT));
  stream_->WhenReadable(Counter(&first));
  stream_->Abort();
  stream_->WhenReadable(Counter(&first));
  Turn();
  EXPECT_EQ(first, 0);
}

TEST_F(StreamReadinessTest, ItsCallbackMayReceiveAndDestroyTheStream) {
  Connect();
  std::string received;
  stream_->WhenReadable([&] {
    received = TryReceive();
    stream_.reset();
  });
  FromPeer(FromClient().Text("last"));
  Turn();
  EXPECT_EQ(received, "last");
  EXPECT_EQ(stream_, nullptr);
  EXPECT_EQ(ToPeer(4), FromServer().Close(1001).str());
}

TEST_F(StreamReadinessTest, CallbacksThatAreLeftGoWithTheStreamThatIsDetached) {
  Connect();
  int told = 0;
  FromPeer(FromClient().Close(1000));
  EXPECT_EQ(TryReceive(), "closed");
  stream_->WhenWritable(Counter(&told));
  EXPECT_EQ(told, 1);  // Nothing more can be sent.
  auto lower = stream_->Detach(1000, "", kNow);
  ASSERT_THAT(lower, IsOk());
  stream_.reset();
  FromPeer("later");
  Turn();
  EXPECT_EQ(told, 1);
}

// ---- Writable -----------------------------------------------------------------------------------

TEST_F(StreamReadinessTest, TellsAtOnceThatThereIsRoom) {
  Connect();
  int told = 0;
  stream_->WhenWritable(Counter(&told));
  EXPECT_EQ(told, 1);
}

TEST_F(StreamReadinessTest, TellsThatThereIsRoomAgain) {
  Connect({}, {.capacity_bytes = 100});
  ASSERT_THAT(stream_->SendText(std::string(200, 'x'), kNow), IsOk());  // 104 of them are a tail
  int told = 0;
  stream_->WhenWritable(Counter(&told));
  Turn();
  EXPECT_EQ(told, 0);
  static_cast<void>(ToPeer(50));
  Turn();
  EXPECT_EQ(told, 0);
  static_cast<void>(ToPeer(154));
  Turn();
  EXPECT_EQ(told, 1);
}

TEST_F(StreamReadinessTest, PutsAPongInFrontOfTheCallback) {
  Connect({}, {.capacity_bytes = 100});
  ASSERT_THAT(stream_->SendText(std::string(98, 'x'), kNow), IsOk());
  FromPeer(FromClient().Ping("p"));
  EXPECT_EQ(TryReceive(), absl::StrCat("errno ", ETIMEDOUT));
  const std::string wire = FromServer().Text("behind it");
  stream_->WhenWritable([&] {
    const IoSlice slice(wire);
    EXPECT_THAT(stream_->TrySendEncoded(absl::MakeConstSpan(&slice, 1)), IsOk());
  });
  Turn();
  static_cast<void>(ToPeer(100));
  Turn();
  EXPECT_EQ(ToPeer(3), FromServer().Pong("p").str());
  EXPECT_EQ(ToPeer(wire.size()), wire);
}

TEST_F(StreamReadinessTest, ClearingTheCallbackLeavesThePongItsOwn) {
  Connect({}, {.capacity_bytes = 100});
  ASSERT_THAT(stream_->SendText(std::string(98, 'x'), kNow), IsOk());
  FromPeer(FromClient().Ping("p"));
  EXPECT_EQ(TryReceive(), absl::StrCat("errno ", ETIMEDOUT));
  int told = 0;
  stream_->WhenWritable(Counter(&told));
  stream_->WhenWritable({});
  static_cast<void>(ToPeer(100));
  Turn();
  EXPECT_EQ(ToPeer(3), FromServer().Pong("p").str());
  EXPECT_EQ(told, 0);
}

TEST_F(StreamReadinessTest, TellsWhenTheSenderAtWorkHasDone) {
  Connect({}, {.capacity_bytes = 100});
  Bundle bundle(&runtime_);
  bool sent = false;
  ASSERT_THAT(bundle.Go([&] {
    EXPECT_THAT(stream_->SendText(std::string(150, 'x'), kNever), IsOk());
    sent = true;
  }),
              IsOk());
  int told = 0;
  stream_->WhenWritable([&] {
    EXPECT_TRUE(sent);
    ++told;
  });
  Turn();
  EXPECT_EQ(told, 0);
  static_cast<void>(ToPeer(100));
  EXPECT_EQ(bundle.Wait(kNever), 0);
  Turn();
  EXPECT_EQ(told, 1);
}

TEST_F(StreamReadinessTest, TellsThatNothingCanBeSentAnyMore) {
  Connect({}, {.capacity_bytes = 100});
  ASSERT_THAT(stream_->SendText(std::string(98, 'x'), kNow), IsOk());
  int told = 0;
  stream_->WhenWritable(Counter(&told));
  // A breach of the protocol, found by the reader, while the pipe is full.
  FromPeer(FromServer().Text("not masked"));
  EXPECT_EQ(TryReceive(), absl::StrCat("errno ", EPROTO));
  EXPECT_EQ(told, 0);
  Turn();
  EXPECT_EQ(told, 1);
  EXPECT_THAT(stream_->SendText("x", kNow), IsErrno(ECONNRESET));
  stream_->WhenWritable(Counter(&told));
  EXPECT_EQ(told, 2);
}

TEST_F(StreamReadinessTest, TellsBothCallbacksOfAFailure) {
  Connect({}, {.capacity_bytes = 100});
  ASSERT_THAT(stream_->SendText(std::string(98, 'x'), kNow), IsOk());
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(stream_->Discard(kNever), IsErrno(EPROTO)); }), IsOk());
  std::string told;
  stream_->WhenWritable([&] { told += "w"; });
  FromPeer(FromServer().Text("not masked"));
  stream_->WhenReadable([&] { told += "r"; });
  EXPECT_EQ(bundle.Wait(kNever), 0);
  Turn();
  std::sort(told.begin(), told.end());
  EXPECT_EQ(told, "rw");
}

TEST_F(StreamReadinessTest, ItsWritableCallbackMayDestroyTheStream) {
  Connect({}, {.capacity_bytes = 100});
  ASSERT_THAT(stream_->SendText(std::string(98, 'x'), kNow), IsOk());
  stream_->WhenWritable([&] { stream_.reset(); });
  static_cast<void>(ToPeer(100));
  Turn();
  EXPECT_EQ(stream_, nullptr);
}

// ---- Over TLS -----------------------------------------------------------------------------------

TEST_F(StreamReadinessTest, TellsOfMessagesAndNotOfTheRecordsBelow) {
  const TestCerts& certs = TestCerts::Get();
  TlsServerOptions server_options;
  server_options.identity = {{"", certs.server.certificate}, {"", certs.server.key}};
  auto server_context = TlsContext::ForServer(server_options);
  ASSERT_THAT(server_context, IsOk());
  TlsClientOptions client_options;
  client_options.trust.text = certs.ca.certificate;
  auto client_context = TlsContext::ForClient(client_options);
  ASSERT_THAT(client_context, IsOk());
  auto [a, b] = MakePair(&runtime_);
  Bundle bundle(&runtime_);
  std::unique_ptr<Stream> server;
  ASSERT_THAT(bundle.Go([&, lower = std::move(b)]() mutable {
    auto tls = TlsStream::Accept(&runtime_, std::move(lower), **server_context, kNever);
    ASSERT_THAT(tls, IsOk());
    server = std::make_unique<Stream>(&runtime_, BytestreamPtr(tls->release()), Options());
  }),
              IsOk());
  auto tls = TlsStream::Connect(&runtime_, std::move(a), **client_context, "localhost", kNever);
  ASSERT_THAT(tls, IsOk());
  ASSERT_EQ(bundle.Wait(kNever), 0);
  Options options;
  options.role = Role::kClient;
  Stream client(&runtime_, BytestreamPtr(tls->release()), options);
  ASSERT_THAT(client.SendText("one", kNever), IsOk());
  ASSERT_THAT(client.SendText("two", kNever), IsOk());
  ASSERT_THAT(server->ReceiveView(kNever), IsOk());
  int told = 0;
  server->WhenReadable(Counter(&told));
  EXPECT_EQ(told, 1);  // Of the second one, whose bytes have been decrypted or are about to be.
  ASSERT_THAT(server->ReceiveView(kNever), IsOk());
  EXPECT_THAT(server->ReceiveView(kNow), IsErrno(ETIMEDOUT));
  EXPECT_TRUE(server->at_message_boundary());
  server->WhenReadable(Counter(&told));
  Turn();
  EXPECT_EQ(told, 1);
  ASSERT_THAT(client.SendText("three", kNever), IsOk());
  Turn();
  EXPECT_EQ(told, 2);
}

// ---- Frames that are encoded already ------------------------------------------------------------

absl::Status TrySend(Stream* stream, const std::string& frames, bool compressed = false) {
  // In two pieces, as a header that stands apart would have it.
  const IoSlice slices[] = {IoSlice(absl::string_view(frames).substr(0, 1)),
                            IoSlice(absl::string_view(frames).substr(1))};
  return stream->TrySendEncoded(slices, compressed);
}

TEST_F(StreamReadinessTest, SendsEncodedFramesAsTheyAre) {
  Connect();
  const std::string wire = FromServer().Text("one").Binary("two").Ping("three");
  EXPECT_THAT(TrySend(stream_.get(), wire), IsOk());
  EXPECT_EQ(ToPeer(wire.size()), wire);
}

TEST_F(StreamReadinessTest, SendsNothingOfEncodedFramesIfTheStreamIsFull) {
  Connect({}, {.capacity_bytes = 100});
  ASSERT_THAT(TrySend(stream_.get(), FromServer().Text(std::string(98, 'x'))), IsOk());
  EXPECT_THAT(TrySend(stream_.get(), FromServer().Text("more")), IsErrno(ETIMEDOUT));
  static_cast<void>(ToPeer(100));
  // Where some of it can leave, all of it is as good as sent.
  const std::string wire = FromServer().Text(std::string(104, 'y'));
  EXPECT_THAT(TrySend(stream_.get(), wire), IsOk());
  EXPECT_EQ(stream_->lower()->tail_size(), 6u);
  EXPECT_THAT(TrySend(stream_.get(), FromServer().Text("even more")), IsErrno(ETIMEDOUT));
  EXPECT_EQ(ToPeer(100), wire.substr(0, 100));
  EXPECT_EQ(ToPeer(6), wire.substr(100));
}

TEST_F(StreamReadinessTest, SendsNoEncodedFramesWhileASenderIsAtWork) {
  Connect({}, {.capacity_bytes = 100});
  Bundle bundle(&runtime_);
  ASSERT_THAT(
      bundle.Go([&] { EXPECT_THAT(stream_->SendText(std::string(150, 'x'), kNever), IsOk()); }),
      IsOk());
  EXPECT_THAT(TrySend(stream_.get(), FromServer().Text("more")), IsErrno(ETIMEDOUT));
  static_cast<void>(ToPeer(100));
  EXPECT_EQ(bundle.Wait(kNever), 0);
  EXPECT_THAT(TrySend(stream_.get(), FromServer().Text("more")), IsOk());
}

TEST_F(StreamReadinessTest, SendsEncodedFramesFromCallbacksAndCancelledCoroutines) {
  Connect();
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] {
    EXPECT_EQ(runtime_.SleepUntil(kNever), ECANCELED);
    EXPECT_THAT(TrySend(stream_.get(), FromServer().Text("cancelled")), IsOk());
    EXPECT_THAT(stream_->SendText("x", kNever), IsErrno(ECANCELED));
  }),
              IsOk());
  bundle.CancelAndJoin();
  EXPECT_EQ(ToPeer(11), FromServer().Text("cancelled").str());
}

TEST_F(StreamReadinessTest, SendsNoEncodedFramesBehindTheEnd) {
  const std::string wire = FromServer().Text("late");
  Connect();
  ASSERT_THAT(stream_->Done(1000, "", kNow), IsOk());
  EXPECT_THAT(TrySend(stream_.get(), wire), IsErrno(EPIPE));
  Connect();
  peer_.reset();
  EXPECT_THAT(TrySend(stream_.get(), wire), IsErrno(ECONNRESET));
  Connect();
  stream_->Abort();
  EXPECT_THAT(TrySend(stream_.get(), wire), IsErrno(EBADF));
}

TEST_F(StreamReadinessTest, SendsNoEncodedFramesAsAClientOrCompressedWithoutAgreement) {
  Options options;
  options.role = Role::kClient;
  Connect(options);
  EXPECT_THAT(TrySend(stream_.get(), FromServer().Text("x")), IsErrno(EINVAL));
  Connect();
  EXPECT_THAT(TrySend(stream_.get(), FromServer().Text("x"), /*compressed=*/true), IsErrno(EINVAL));
}

TEST_F(StreamReadinessTest, ACompressedFrameForAllLeavesBothWindowsInStep) {
  Options options;
  options.deflate_params = DeflateParams();
  options.deflate.compress_bytes_min = 0;
  Connect(options);
  Options client_options = options;
  client_options.role = Role::kClient;
  Stream client(&runtime_, std::move(peer_), client_options);
  const std::string text = "something to refer back to";
  // RFC 7692 section 7.2.3.1: "Hello".
  const std::string hello = FromServer().Frame(
      {.first_byte = 0xc1, .payload = Bytes({0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00})});
  ASSERT_THAT(stream_->SendText(text, kNow), IsOk());
  ASSERT_THAT(TrySend(stream_.get(), hello, /*compressed=*/true), IsOk());
  ASSERT_THAT(stream_->SendText(text, kNow), IsOk());
  for (const std::string& expected : {text, std::string("Hello"), text}) {
    auto message = client.ReceiveView(kNow);
    ASSERT_THAT(message, IsOk());
    EXPECT_EQ((*message)->text(), expected);
  }
}

}  // namespace
}  // namespace halfpipe::websocket
