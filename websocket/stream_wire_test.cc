// websocket::Stream on bytestreams that cut, stop and fill up: whatever happens in between,
// everything arrives once and in order, and nothing that waits for a slow peer grows.

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/entropy.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/choppy_bytestream.h"
#include "bytestream/testing/forwarding_bytestream.h"
#include "bytestream/testing/scripted_bytestream.h"
#include "bytestream/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "websocket/core/role.h"
#include "websocket/deflate/deflate_params.h"
#include "websocket/options.h"
#include "websocket/stream.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/counting_bytestream.h"
#include "websocket/testing/wire_builder.h"

namespace halfpipe::websocket {
namespace {

const Deadline kNever = Deadline::Never();

// Nothing here waits for anything but its own coroutines: this long is for ever.
Deadline ForEver() { return Deadline::In(absl::Seconds(150)); }

// ---- Random traffic -----------------------------------------------------------------------------

struct Message {
  MessageType type;
  std::string payload;
};

// Messages of every kind of size, each byte telling where it belongs.
std::vector<Message> MakeMessages(std::mt19937& random, int count) {
  std::vector<Message> messages;
  for (int i = 0; i < count; ++i) {
    const size_t kinds[] = {
        0, 1, random() % 20, 125, 126, random() % 5000, 16'000 + random() % 800};
    size_t size = kinds[random() % 7];
    if (random() % 25 == 0) size = 60'000 + random() % 20'000;
    std::string payload;
    while (payload.size() < size) absl::StrAppend(&payload, i, ":", payload.size(), " ");
    payload.resize(size);
    messages.push_back({random() % 2 == 0 ? MessageType::kText : MessageType::kBinary, payload});
  }
  return messages;
}

// One end of a connection: sends its messages and compares what comes with the other end's.
class Peer {
 public:
  Peer(Runtime* runtime, BytestreamPtr lower, const Options& options, uint32_t seed)
      : runtime_(runtime), stream_(runtime, std::move(lower), options), random_(seed) {}

  void SendAll(const std::vector<Message>& messages) {
    std::mt19937 random = random_;
    for (const Message& message : messages) {
      if (random() % 8 == 0) {
        const absl::Status pinged =
            stream_.Ping(AsBytes(message.payload.substr(0, random() % 126)), kNever);
        // Not behind the peer's Close.
        EXPECT_THAT(pinged, IsErrno(pinged.ok() || !stream_.peer_close().has_value() ? 0 : EPIPE));
      }
      for (int patience = random() % 3;; --patience) {
        const absl::Status status = stream_.Send(message.type, AsBytes(message.payload),
                                                 patience > 0 ? Deadline::Immediately() : kNever);
        if (status.ok()) break;
        ASSERT_THAT(status, IsErrno(ETIMEDOUT));
        ASSERT_GT(patience, 0);
      }
    }
    EXPECT_THAT(stream_.Done(1000, "all said", kNever), IsOk());
  }

  void ReceiveAll(const std::vector<Message>& messages) {
    for (size_t i = 0; i < messages.size(); ++i) {
      SCOPED_TRACE(testing::Message() << "message " << i << " of " << messages[i].payload.size());
      ReceiveOne(messages[i]);
      if (testing::Test::HasFailure()) return;
    }
    auto end = stream_.ReceiveView(kNever);
    ASSERT_THAT(end, IsOk());
    EXPECT_FALSE(end->has_value());
    EXPECT_EQ(stream_.peer_close()->reason, "all said");
  }

 private:
  // An interrupted call is followed by another of any kind, but that what was dropped stays so.
  void ReceiveOne(const Message& expected) {
    int interruptions = static_cast<int>(random_() % 5);
    bool dropping = false;
    for (;;) {
      const Deadline deadline = interruptions-- > 0 ? Deadline::Immediately() : kNever;
      absl::Status status;
      const int mode = dropping ? 3 : static_cast<int>(random_() % 4);
      if (mode == 0) {
        status = View(expected, deadline);
      } else if (mode == 3) {
        status = Drop(expected, deadline);
        dropping = true;
      } else {
        status = Fill(expected, deadline, /*too_small=*/random_() % 8 == 0);
      }
      // A list that is too small costs the message.
      if (status.ok() || StatusErrno(status) == EMSGSIZE) return;
      if (StatusErrno(status) == EINVAL && dropping) continue;
      ASSERT_THAT(status, IsErrno(ETIMEDOUT));
      ASSERT_EQ(runtime_->Yield(), 0);
    }
  }

  absl::Status View(const Message& expected, Deadline deadline) {
    auto message = stream_.ReceiveView(deadline);
    if (!message.ok()) return message.status();
    EXPECT_TRUE(message->has_value());
    // A view outlives what is sent, pongs of its own included.
    const absl::Status pinged = stream_.Ping(AsBytes("view"), Deadline::Immediately());
    EXPECT_TRUE(pinged.ok() || StatusErrno(pinged) == ETIMEDOUT || StatusErrno(pinged) == EPIPE);
    EXPECT_EQ((*message)->type, expected.type);
    EXPECT_TRUE((*message)->text() == expected.payload);
    return absl::OkStatus();
  }

  absl::Status Drop(const Message& expected, Deadline deadline) {
    auto message = stream_.Discard(deadline);
    if (!message.ok()) return message.status();
    EXPECT_TRUE(message->has_value());
    EXPECT_EQ((*message)->size, expected.payload.size());
    EXPECT_EQ((*message)->type, expected.type);
    return absl::OkStatus();
  }

  absl::Status Fill(const Message& expected, Deadline deadline, bool too_small) {
    size_t room = expected.payload.size() + random_() % 3;
    if (too_small) room = expected.payload.empty() ? 0 : expected.payload.size() - 1;
    std::string memory(room, '?');
    std::vector<IoSpan> list;
    for (size_t at = 0; at < room;) {
      const size_t size = std::min<size_t>(room - at, random_() % 3 == 0 ? room : random_() % 300);
      list.emplace_back(memory.data() + at, size);
      at += size;
    }
    auto message = stream_.Receive(list, deadline);
    if (!message.ok()) return message.status();
    EXPECT_TRUE(message->has_value());
    EXPECT_EQ((*message)->type, expected.type);
    EXPECT_EQ((*message)->size, expected.payload.size());
    EXPECT_TRUE(memory.substr(0, (*message)->size) == expected.payload);
    return absl::OkStatus();
  }

  Runtime* const runtime_;
  Stream stream_;
  std::mt19937 random_;
};

TEST(StreamWireTest, RandomTrafficArrivesOnceAndInOrder) {
  for (uint32_t seed = 1; seed <= 32; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Runtime runtime;
    std::mt19937 random(seed);
    FakeEntropy entropy(seed);
    PairOptions pair;
    pair.capacity_bytes = size_t{1} << random() % 17;
    auto [a, b] = MakePair(&runtime, pair);
    Options options;
    options.answer_close = false;
    options.entropy = &entropy;
    options.gather = seed % 2 == 0;
    const uint64_t frame_sizes[] = {1 << 20, 10'000, 1000, 77};
    options.send_frame_bytes_max = frame_sizes[random() % 4];
    // Every second pair of peers compresses, most of what it sends.
    if (seed % 4 >= 2) {
      options.deflate_params = {random() % 2 == 0, random() % 2 == 0,
                                static_cast<uint8_t>(8 + random() % 8),
                                static_cast<uint8_t>(8 + random() % 8)};
      options.deflate.level = static_cast<uint8_t>(random() % 10);
      options.deflate.compress_bytes_min = random() % 2 == 0 ? 0 : 100;
    }
    options.role = Role::kClient;
    Peer client(&runtime, BytestreamPtr(new ChoppyBytestream(std::move(a), seed)), options, seed);
    options.role = Role::kServer;
    Peer server(&runtime, BytestreamPtr(new ChoppyBytestream(std::move(b), ~seed)), options, ~seed);
    const std::vector<Message> up = MakeMessages(random, 60);
    const std::vector<Message> down = MakeMessages(random, 60);
    Bundle bundle(&runtime);
    ASSERT_THAT(bundle.Go([&] { client.SendAll(up); }), IsOk());
    ASSERT_THAT(bundle.Go([&] { server.SendAll(down); }), IsOk());
    ASSERT_THAT(bundle.Go([&] { client.ReceiveAll(down); }), IsOk());
    ASSERT_THAT(bundle.Go([&] { server.ReceiveAll(up); }), IsOk());
    ASSERT_EQ(bundle.Wait(ForEver()), 0);
    if (testing::Test::HasFailure()) return;
  }
}

// ---- Streams that do not read ahead -------------------------------------------------------------

// Brings no byte that was not asked for.
class ExactBytestream final : public ForwardingBytestream {
 public:
  // `peeks` is borrowed and outlives the stream.
  ExactBytestream(BytestreamPtr inner, int* peeks)
      : ForwardingBytestream(std::move(inner)), peeks_(peeks) {}

  bool reads_ahead() const override { return false; }
  size_t buffered() const override { return 0; }
  absl::StatusOr<absl::Span<uint8_t>> Peek(size_t min, Deadline deadline) override {
    ++*peeks_;
    auto bytes = inner().Peek(min, deadline);
    return bytes.ok() ? bytes->first(std::min(min, bytes->size())) : bytes;
  }

 private:
  int* const peeks_;
};

// Full, and unable to wait until it is not: it calls back at once, as a stream does whose descriptor
// the system will not watch.
class FullBytestream final : public ForwardingBytestream {
 public:
  FullBytestream(BytestreamPtr inner, std::string* tail)
      : ForwardingBytestream(std::move(inner)), tail_(tail) {}

  absl::Status Write(absl::Span<const IoSlice>, bool, Deadline) override {
    return ErrnoStatus(ETIMEDOUT, "full");
  }
  absl::Status WriteTail(absl::Span<const IoSlice> slices) override {
    for (const IoSlice& slice : slices) {
      tail_->append(reinterpret_cast<const char*>(slice.data), slice.size);
    }
    return absl::OkStatus();
  }
  void WhenWritable(Callback callback) override {
    if (callback) callback();
  }

 private:
  std::string* const tail_;
};

// A pong and a Close of our own go to the tail there; to try again would have no end.
TEST(StreamWireTest, AFullStreamThatCallsBackAtOnce) {
  Runtime runtime;
  auto [a, b] = MakePair(&runtime, PairOptions());
  std::string tail;
  Options options;
  options.role = Role::kServer;
  Stream server(&runtime, BytestreamPtr(new FullBytestream(std::move(b), &tail)), options);
  const std::string wire = WireBuilder(Role::kClient).Ping("p").Close(1000).str();
  const IoSlice slice(wire);
  ASSERT_THAT(a->Write(absl::MakeConstSpan(&slice, 1), false, kNever), IsOk());
  auto message = server.ReceiveView(kNever);
  ASSERT_THAT(message, IsOk());
  EXPECT_FALSE(message->has_value());
  EXPECT_EQ(tail, WireBuilder(Role::kServer).Pong("p").Close(1000).str());
}

TEST(StreamWireTest, CompressedPayloadIsAskedForInOnePiece) {
  Runtime runtime;
  PairOptions large;
  large.capacity_bytes = 1 << 20;
  auto [a, b] = MakePair(&runtime, large);
  int peeks = 0;
  Options options;
  options.deflate_params = DeflateParams();
  options.role = Role::kClient;
  Stream client(&runtime, std::move(a), options);
  options.role = Role::kServer;
  Stream server(&runtime, BytestreamPtr(new ExactBytestream(std::move(b), &peeks)), options);
  std::mt19937 random(1);
  std::string payload;
  for (int i = 0; i < 50'000; ++i) payload.push_back(static_cast<char>(random() % 64));
  for (int i = 0; i < 3; ++i) {
    ASSERT_THAT(client.Send(MessageType::kBinary, AsBytes(payload), kNever), IsOk());
  }
  for (int i = 0; i < 2; ++i) {
    peeks = 0;
    auto message = server.ReceiveView(kNever);
    ASSERT_THAT(message, IsOk());
    EXPECT_TRUE((*message)->text() == payload);
    // Three fragments: a header in two or three steps, and the payload.
    EXPECT_LE(peeks, 16);
  }
  EXPECT_THAT(server.Discard(kNever), IsOk());
}

// A long message leaves others their turns, however fast its bytes come and go.
TEST(StreamWireTest, LongCompressedMessagesLeaveOthersTheirTurns) {
  Runtime runtime;
  PairOptions large;
  large.capacity_bytes = 16 << 20;
  auto [a, b] = MakePair(&runtime, large);
  Options options;
  options.deflate_params = DeflateParams();
  options.deflate.level = 0;  // As many pieces of payload as of the message.
  options.role = Role::kClient;
  Stream client(&runtime, std::move(a), options);
  options.role = Role::kServer;
  Stream server(&runtime, std::move(b), options);
  const std::string payload(size_t{3} * Runtime::kOperationsPerTurn * (16 << 10), 'x');
  int turns = 0;
  Bundle bundle(&runtime);
  ASSERT_THAT(bundle.Go([&] {
    while (runtime.Yield() == 0) ++turns;
  }),
              IsOk());
  turns = 0;
  ASSERT_THAT(client.Send(MessageType::kBinary, AsBytes(payload), kNever), IsOk());
  EXPECT_GE(turns, 2);
  turns = 0;
  std::string received(payload.size(), '?');
  const IoSpan whole(received.data(), received.size());
  ASSERT_THAT(server.Receive(absl::MakeConstSpan(&whole, 1), kNever), IsOk());
  EXPECT_GE(turns, 2);
  EXPECT_TRUE(received == payload);
}

// In the middle of a compressed message each way.
TEST(StreamWireTest, AbortEndsCompressedSendsAndReceives) {
  for (const size_t capacity : {size_t{256}, size_t{16} << 20}) {
    Runtime runtime;
    PairOptions pair;
    pair.capacity_bytes = capacity;
    auto [a, b] = MakePair(&runtime, pair);
    Options options;
    options.deflate_params = DeflateParams();
    options.deflate.level = 0;
    options.role = Role::kClient;
    Stream client(&runtime, std::move(a), options);
    options.role = Role::kServer;
    Stream server(&runtime, std::move(b), options);
    const std::string payload(4 << 20, 'x');
    int ended = 0;
    Bundle bundle(&runtime);
    ASSERT_THAT(bundle.Go([&] {
      EXPECT_THAT(client.Send(MessageType::kBinary, AsBytes(payload), kNever), IsErrno(EBADF));
      ++ended;
    }),
                IsOk());
    ASSERT_THAT(bundle.Go([&] {
      EXPECT_THAT(server.ReceiveView(kNever), IsErrno(EBADF));
      ++ended;
    }),
                IsOk());
    ASSERT_EQ(runtime.Yield(), 0);
    EXPECT_EQ(ended, 0);
    server.Abort();
    client.Abort();
    ASSERT_EQ(bundle.Wait(ForEver()), 0);
    EXPECT_EQ(ended, 2);
    EXPECT_THAT(client.SendText("more", kNever), IsErrno(EBADF));
  }
}

// ---- Full pipes ---------------------------------------------------------------------------------

// Neither reader waits to send its pongs, so both go on reading.
TEST(StreamWireTest, TwoFullPeersThatPingEachOtherDoNotDeadlock) {
  Runtime runtime;
  PairOptions tiny;
  tiny.capacity_bytes = 64;
  auto [a, b] = MakePair(&runtime, tiny);
  Options options;
  options.send_frame_bytes_max = 500;
  options.role = Role::kClient;
  Stream client(&runtime, std::move(a), options);
  options.role = Role::kServer;
  Stream server(&runtime, std::move(b), options);
  const std::string large(5000, 'x');
  constexpr int kCount = 50;
  int received = 0;
  Bundle bundle(&runtime);
  // All senders first: the pipes are full before anybody reads.
  for (Stream* const stream : {&client, &server}) {
    ASSERT_THAT(bundle.Go([&large, stream] {
      for (int i = 0; i < kCount; ++i) {
        EXPECT_THAT(stream->Ping(AsBytes("are you there"), kNever), IsOk());
        EXPECT_THAT(stream->SendText(large, kNever), IsOk());
      }
    }),
                IsOk());
    ASSERT_THAT(bundle.Go([stream] {
      for (int i = 0; i < kCount; ++i) EXPECT_THAT(stream->Ping(AsBytes("p"), kNever), IsOk());
    }),
                IsOk());
  }
  for (Stream* const stream : {&client, &server}) {
    ASSERT_THAT(bundle.Go([&large, &received, stream] {
      for (int i = 0; i < kCount; ++i) {
        auto message = stream->ReceiveView(kNever);
        ASSERT_THAT(message, IsOk());
        ASSERT_TRUE(message->has_value());
        EXPECT_TRUE((*message)->text() == large);
        ++received;
      }
    }),
                IsOk());
  }
  EXPECT_EQ(bundle.Wait(ForEver()), 0);
  EXPECT_EQ(received, 2 * kCount);
}

// A flood of pings while nothing can be sent: one slot, the newest is answered.
TEST(StreamWireTest, PingsThatCannotBeAnsweredCostNoMemory) {
  Runtime runtime;
  PairOptions tiny;
  tiny.capacity_bytes = 1024;
  auto [wire, end] = MakePair(&runtime, tiny);
  WriteCounts counts;
  Options options;
  options.control_frames_per_second_max = 0;
  Stream server(&runtime, BytestreamPtr(new CountingBytestream(std::move(end), &counts)), options);
  int fillers = 0;
  while (server.SendText("filler", Deadline::Immediately()).ok()) ++fillers;
  ASSERT_GT(fillers, 10);
  const size_t tail = server.lower()->tail_size();
  const size_t accepted = counts.bytes;
  Bundle bundle(&runtime);
  constexpr int kPings = 100'000;
  size_t blocks_most = 0;
  ASSERT_THAT(bundle.Go([&, wire = wire.get()] {
    const size_t blocks = runtime.buffer_pool().blocks_in_use();
    for (int i = 0; i < kPings; ++i) {
      const std::string ping = FromClient().Ping(absl::StrCat(i)).str();
      const IoSlice slice(ping);
      ASSERT_THAT(wire->Write(absl::MakeConstSpan(&slice, 1), false, kNever), IsOk());
      blocks_most = std::max(blocks_most, runtime.buffer_pool().blocks_in_use() - blocks);
    }
    const std::string last = FromClient().Text("end").str();
    const IoSlice slice(last);
    ASSERT_THAT(wire->Write(absl::MakeConstSpan(&slice, 1), false, kNever), IsOk());
  }),
              IsOk());
  auto message = server.ReceiveView(ForEver());
  ASSERT_THAT(message, IsOk());
  EXPECT_EQ((*message)->text(), "end");
  ASSERT_EQ(bundle.Wait(ForEver()), 0);
  EXPECT_EQ(server.lower()->tail_size(), tail);
  EXPECT_LE(blocks_most, 2u);  // on its way, and the read buffer
  EXPECT_GT(counts.bytes, accepted);
  // Everything that comes out when the peer reads: the fillers, and one pong.
  std::string expected;
  for (int i = 0; i < fillers; ++i) absl::StrAppend(&expected, FromServer().Text("filler").str());
  absl::StrAppend(&expected, FromServer().Pong(absl::StrCat(kPings - 1)).str());
  std::string heard;
  while (heard.size() < expected.size()) {
    auto bytes = wire->Peek(1, ForEver());
    ASSERT_THAT(bytes, IsOk());
    absl::StrAppend(&heard, AsChars(*bytes));
    wire->Consume(bytes->size());
  }
  EXPECT_EQ(heard, expected);
  EXPECT_THAT(wire->Peek(1, Deadline::Immediately()), IsErrno(ETIMEDOUT));
}

// ---- Gathering ----------------------------------------------------------------------------------

class StreamScriptTest : public testing::Test {
 protected:
  ScriptedBytestream& Script(Options options = {}) {
    auto scripted = std::make_unique<ScriptedBytestream>(&runtime_);
    script_ = scripted.get();
    server_ = std::make_unique<Stream>(
        &runtime_,
        BytestreamPtr(new CountingBytestream(BytestreamPtr(scripted.release()), &counts_)),
        options);
    return *script_;
  }

  // A stream that is given up while it is open says so.
  void TearDown() override {
    if (server_ != nullptr && !server_->close_sent() && server_->failure() == 0) {
      script_->ExpectWrite(FromServer().Close(1001).str());
    }
    server_.reset();
  }

  std::string ReceiveOne() {
    auto message = server_->ReceiveView(kNever);
    EXPECT_THAT(message, IsOk());
    if (!message.ok() || !message->has_value()) return "nothing";
    return std::string((*message)->text());
  }

  void Reply(const std::string& text) { EXPECT_THAT(server_->SendText(text, kNever), IsOk()); }

  Runtime runtime_;
  WriteCounts counts_;
  ScriptedBytestream* script_ = nullptr;
  std::unique_ptr<Stream> server_;
};

TEST_F(StreamScriptTest, RepliesToPipelinedMessagesLeaveTogether) {
  ScriptedBytestream& script = Script();
  script.Deliver(FromClient().Text("1").Text("2").Text("3").str())
      .ExpectWrite(FromServer().Text("re 1").Text("re 2").Text("re 3").str());
  for (const std::string text : {"1", "2", "3"}) {
    EXPECT_EQ(script.steps_left(), text == "1" ? 2u : 1u);
    EXPECT_EQ(ReceiveOne(), text);
    Reply("re " + text);
  }
  EXPECT_EQ(script.steps_left(), 0u);
  EXPECT_EQ(counts_.writes, 3);
  EXPECT_EQ(counts_.writes_more, 2);
}

TEST_F(StreamScriptTest, GatheredRepliesLeaveWhenTheReceiverWaits) {
  ScriptedBytestream& script = Script();
  // The third message is only there when the first has been answered.
  script.Deliver(FromClient().Text("1").Text("2").str())
      .ExpectWrite(FromServer().Text("re 1").str())
      .Deliver(FromClient().Text("3").str());
  EXPECT_EQ(ReceiveOne(), "1");
  Reply("re 1");
  EXPECT_EQ(script.steps_left(), 2u);
  EXPECT_EQ(ReceiveOne(), "2");
  EXPECT_EQ(script.steps_left(), 2u);
  EXPECT_EQ(ReceiveOne(), "3");
}

TEST_F(StreamScriptTest, OnlyWhatIsCertainToGoOnIsGathered) {
  const std::string two = FromClient().Text("1").Text("2").str();
  {
    // Half of the next message is not enough: who knows when the rest will come.
    ScriptedBytestream& script = Script();
    script.Deliver(two.substr(0, two.size() - 1)).ExpectWrite(FromServer().Text("re 1").str());
    EXPECT_EQ(ReceiveOne(), "1");
    Reply("re 1");
    EXPECT_EQ(script.steps_left(), 0u);
    script.Deliver(two.substr(two.size() - 1));
    EXPECT_EQ(ReceiveOne(), "2");
    TearDown();
  }
  {
    // A ping is answered by the stream; it is no reason to expect another send.
    ScriptedBytestream& script = Script();
    script.Deliver(FromClient().Text("1").Ping("p").str())
        .ExpectWrite(FromServer().Text("re 1").str());
    EXPECT_EQ(ReceiveOne(), "1");
    Reply("re 1");
    EXPECT_EQ(script.steps_left(), 0u);
    TearDown();
  }
  {
    // Large replies, and those of other coroutines.
    ScriptedBytestream& script = Script();
    const std::string large(4097, 'x');
    script.Deliver(two).ExpectWrite(FromServer().Text(large).Text("other").str());
    EXPECT_EQ(ReceiveOne(), "1");
    Reply(large);
    Bundle bundle(&runtime_);
    ASSERT_THAT(bundle.Go([&] { Reply("other"); }), IsOk());
    EXPECT_EQ(script.steps_left(), 0u);
    EXPECT_EQ(bundle.Wait(kNever), 0);
    TearDown();
  }
  {
    Options options;
    options.gather = false;
    ScriptedBytestream& script = Script(options);
    counts_ = {};
    script.Deliver(two).ExpectWrite(FromServer().Text("re 1").str());
    EXPECT_EQ(ReceiveOne(), "1");
    Reply("re 1");
    EXPECT_EQ(script.steps_left(), 0u);
    EXPECT_EQ(counts_.writes_more, 0);
  }
}

// ---- Views --------------------------------------------------------------------------------------

TEST_F(StreamScriptTest, ViewsStayValidOverASend) {
  const std::string large(20'000, 'x');
  const std::string wire =
      FromClient().Text("one").Text("frag", WireBuilder::kMore).Continuation("ments").Text("two");
  Script().Deliver(wire);
  for (const char* text : {"one", "fragments", "two"}) {
    auto message = server_->ReceiveView(kNever);
    ASSERT_THAT(message, IsOk());
    script_->ExpectWrite(
        FromServer().Text("small").Text(large).Ping("p").Binary((*message)->text()).str());
    Reply("small");
    Reply(large);
    EXPECT_THAT(server_->Ping(AsBytes("p"), kNever), IsOk());
    EXPECT_THAT(server_->Send(MessageType::kBinary, (*message)->payload, kNever), IsOk());
    EXPECT_EQ((*message)->text(), text);
  }
  EXPECT_EQ(script_->steps_left(), 0u);
}

// ---- Lists that skip ----------------------------------------------------------------------------

TEST_F(StreamScriptTest, InterruptedListsThatSkip) {
  const std::string wire = FromClient().Text("abcdefghij").Text("next").str();
  const size_t header = 6;
  for (size_t cut = 1; cut < 10; ++cut) {
    SCOPED_TRACE(cut);
    ScriptedBytestream& script = Script();
    script.Deliver(wire.substr(0, header + cut)).AwaitReader();
    char ab[3] = {};
    char rest[7] = {};
    const IoSpan list[] = {IoSpan(ab, 2), IoSpan(nullptr, 3), IoSpan(rest, 6)};
    EXPECT_THAT(server_->Receive(list, Deadline::Immediately()), IsErrno(ETIMEDOUT));
    char whole[10] = {};
    const IoSpan other[] = {IoSpan(whole, 10)};
    if (cut > 2) {
      // Bytes that were skipped are gone; asking for them changes nothing.
      EXPECT_THAT(server_->Receive(other, kNever), IsErrno(EINVAL));
      EXPECT_THAT(server_->ReceiveView(kNever), IsErrno(EINVAL));
    }
    script.Deliver(wire.substr(header + cut));
    auto message = server_->Receive(list, kNever);
    ASSERT_THAT(message, IsOk());
    EXPECT_EQ((*message)->size, 10u);
    EXPECT_STREQ(ab, "ab");
    EXPECT_STREQ(rest, "fghij");
    EXPECT_EQ(ReceiveOne(), "next");
    TearDown();
  }
}

TEST_F(StreamScriptTest, InterruptedDiscardGoesOnAsDiscard) {
  const std::string wire = FromClient().Text("abcdefghij").Text("next").str();
  ScriptedBytestream& script = Script();
  script.Deliver(wire.substr(0, 10)).AwaitReader();
  EXPECT_THAT(server_->Discard(Deadline::Immediately()), IsErrno(ETIMEDOUT));
  char memory[10];
  const IoSpan reading[] = {IoSpan(memory, 10)};
  const IoSpan skipping[] = {IoSpan(nullptr, 6), IoSpan(memory, 4)};
  EXPECT_THAT(server_->Receive(reading, kNever), IsErrno(EINVAL));
  EXPECT_THAT(server_->ReceiveView(kNever), IsErrno(EINVAL));
  script.Deliver(wire.substr(10, 2)).AwaitReader();
  EXPECT_THAT(server_->Receive(skipping, Deadline::Immediately()), IsErrno(ETIMEDOUT));
  script.Deliver(wire.substr(12));
  auto message = server_->Discard(kNever);
  ASSERT_THAT(message, IsOk());
  EXPECT_EQ((*message)->size, 10u);
  EXPECT_EQ(ReceiveOne(), "next");
}

// ---- Messages that do not fit -------------------------------------------------------------------

TEST_F(StreamScriptTest, MessagesThatDoNotFitAreSkippedHoweverTheyCome) {
  const std::string wire = FromClient()
                               .Text("0123", WireBuilder::kMore)
                               .Ping("a")
                               .Continuation("", WireBuilder::kMore)
                               .Continuation("4567", WireBuilder::kMore)
                               .Ping("b")
                               .Pong("c")
                               .Continuation("89", WireBuilder::kMore)
                               .Continuation("")
                               .Binary("next")
                               .str();
  for (const size_t cut : {size_t{1}, size_t{3}, wire.size()}) {
    for (const size_t room : {size_t{0}, size_t{3}, size_t{4}, size_t{7}, size_t{9}, size_t{10}}) {
      SCOPED_TRACE(testing::Message() << "pieces of " << cut << ", room for " << room);
      auto [raw, end] = MakePair(&runtime_);
      Stream server(&runtime_, std::move(end), {});
      char memory[10];
      const IoSpan list[] = {IoSpan(memory, room)};
      std::string events;
      for (size_t at = 0; at < wire.size(); at += cut) {
        const std::string piece = wire.substr(at, cut);
        const IoSlice slice(piece);
        ASSERT_THAT(raw->Write(absl::MakeConstSpan(&slice, 1), false, kNever), IsOk());
        for (;;) {
          auto message = server.Receive(list, Deadline::Immediately());
          if (StatusErrno(message.status()) == ETIMEDOUT) break;
          if (message.ok()) {
            absl::StrAppend(&events, std::string(memory, (*message)->size), ".");
          } else {
            ASSERT_THAT(message, IsErrno(EMSGSIZE));
            absl::StrAppend(&events, "large.");
          }
        }
      }
      EXPECT_EQ(events, room == 10  ? "0123456789.next."
                        : room >= 4 ? "large.next."
                                    : "large.large.");
    }
  }
}

// What is skipped is still checked.
TEST_F(StreamScriptTest, BreachInTheSkippedPart) {
  Script()
      .Deliver(FromClient().Text("0123", WireBuilder::kMore).Continuation("\xff").str())
      .ExpectWrite(FromServer().Close(1007, "text is not UTF-8").str());
  char memory[2];
  const IoSpan list[] = {IoSpan(memory, 2)};
  EXPECT_THAT(server_->Receive(list, kNever), IsErrno(EMSGSIZE));
  EXPECT_THAT(server_->Receive(list, kNever), IsErrno(EPROTO));
  EXPECT_EQ(server_->failure(), EPROTO);
}

}  // namespace
}  // namespace halfpipe::websocket
