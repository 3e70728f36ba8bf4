// Compressed messages of websocket::Stream: on the wire as RFC 7692 has them, in step with the peer
// whatever happens to a call, within their bounds whatever the peer sends.

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/scripted_bytestream.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"
#include "websocket/core/role.h"
#include "websocket/deflate/deflate_params.h"
#include "websocket/deflate/deflater.h"
#include "websocket/deflate/inflate_reference.h"
#include "websocket/deflate/inflater.h"
#include "websocket/deflate/zlib_memory.h"
#include "websocket/options.h"
#include "websocket/stream.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/counting_bytestream.h"
#include "websocket/testing/wire_builder.h"

namespace halfpipe::websocket {
namespace {

const Deadline kNever = Deadline::Never();

// Section 7.2.3.1 and 7.2.3.2: "Hello", and again with the first one in the window.
const std::string kHello = Bytes({0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00});
const std::string kHelloAgain = Bytes({0xf2, 0x00, 0x11, 0x00, 0x00});

constexpr uint8_t kTextRsv1 = 0xc1;
constexpr uint8_t kBinaryRsv1 = 0xc2;
constexpr uint8_t kTextRsv1More = 0x41;

Options WithDeflate(const DeflateParams& params = {}) {
  Options options;
  options.deflate_params = params;
  options.deflate.compress_bytes_min = 0;
  return options;
}

std::string Frame(uint8_t first_byte, absl::string_view payload) {
  return FromClient().Frame({.first_byte = first_byte, .payload = payload});
}

enum class Mode { kView, kFill, kDiscard };
constexpr Mode kModes[] = {Mode::kView, Mode::kFill, Mode::kDiscard};

// Receives one message: its text, or for kDiscard "(size)"; "errno N" or "closed".
std::string ReceiveBy(Mode mode, Stream* stream, size_t room = 100'000,
                      Deadline deadline = kNever) {
  std::string memory(room, '?');
  const IoSpan whole(memory.data(), room);
  absl::StatusOr<std::optional<MessageInfo>> info;
  switch (mode) {
    case Mode::kView: {
      auto view = stream->ReceiveView(deadline);
      if (!view.ok()) return absl::StrCat("errno ", StatusErrno(view.status()));
      return view->has_value() ? std::string((*view)->text()) : "closed";
    }
    case Mode::kFill:
      info = stream->Receive(absl::MakeConstSpan(&whole, 1), deadline);
      break;
    case Mode::kDiscard:
      info = stream->Discard(deadline);
      break;
  }
  if (!info.ok()) return absl::StrCat("errno ", StatusErrno(info.status()));
  if (!info->has_value()) return "closed";
  if (mode == Mode::kDiscard) return absl::StrCat("(", (*info)->size, ")");
  return memory.substr(0, (*info)->size);
}

// What ReceiveBy() gives for `message`.
std::string Seen(Mode mode, const std::string& message) {
  return mode == Mode::kDiscard ? absl::StrCat("(", message.size(), ")") : message;
}

// Repeats itself, but not much.
std::string LargeText(size_t size) {
  std::string text;
  for (uint32_t i = 1; text.size() < size; i = i * 1664525 + 1013904223) {
    absl::StrAppend(&text, i, i % 3 == 0 ? " of the message\n" : ",");
  }
  text.resize(size);
  return text;
}

class StreamDeflateTest : public testing::Test {
 protected:
  void Connect(Options client, Options server, PairOptions pair = {}) {
    client.role = Role::kClient;
    server.role = Role::kServer;
    auto [a, b] = MakePair(&runtime_, pair);
    client_ = std::make_unique<Stream>(&runtime_, std::move(a), client);
    server_ = std::make_unique<Stream>(&runtime_, std::move(b), server);
  }

  // A server's stream over a script.
  ScriptedBytestream& Script(const Options& options) {
    auto scripted = std::make_unique<ScriptedBytestream>(&runtime_);
    ScriptedBytestream& script = *scripted;
    server_ = std::make_unique<Stream>(&runtime_, BytestreamPtr(scripted.release()), options);
    return script;
  }

  // A server's stream, and a coroutine that sends it `wire` in little pieces from the end that is
  // returned.
  BytestreamPtr Feed(Bundle* bundle, const std::string& wire) {
    auto [near, far] = MakePair(&runtime_);
    server_ = std::make_unique<Stream>(&runtime_, std::move(far), WithDeflate());
    EXPECT_THAT(bundle->Go([this, near = near.get(), wire] {
      for (size_t at = 0; at < wire.size(); at += 97) {
        const IoSlice slice(absl::string_view(wire).substr(at, 97));
        if (!near->Write(absl::MakeConstSpan(&slice, 1), false, kNever).ok()) return;
        if (runtime_.Yield() != 0) return;
      }
    }),
                IsOk());
    return std::move(near);
  }

  // Delivers `wire` to a server in each mode, wants `received` for the first message that is not
  // good, and a Close with `code`; and the memory back.
  void ExpectRefusal(const std::string& wire, uint16_t code, const std::string& what,
                     const Options& options = WithDeflate(), int good_before = 0) {
    for (const Mode mode : kModes) {
      SCOPED_TRACE(testing::Message() << "mode " << static_cast<int>(mode));
      Script(options).Deliver(wire).ExpectWrite(FromServer().Close(code, what).str());
      for (int i = 0; i < good_before; ++i) {
        EXPECT_NE(ReceiveBy(mode, server_.get(), 1 << 20).substr(0, 5), "errno");
      }
      EXPECT_EQ(ReceiveBy(mode, server_.get(), 1 << 22), absl::StrCat("errno ", EPROTO));
      EXPECT_EQ(server_->failure(), EPROTO);
      EXPECT_EQ(server_->deflate_memory_bytes(), 0u);
      EXPECT_LE(server_->deflate_memory_peak_bytes(), InflaterMemoryMax(15));
      server_.reset();
    }
  }

  Runtime runtime_;
  std::unique_ptr<Stream> client_;
  std::unique_ptr<Stream> server_;
};

// ---- On the wire --------------------------------------------------------------------------------

TEST_F(StreamDeflateTest, TheRfcsExamplesOnTheWire) {
  Script(WithDeflate())
      .Deliver(Frame(kTextRsv1, kHello))
      .Deliver(Frame(kTextRsv1More, kHello.substr(0, 3)) +
               FromClient().Continuation(kHello.substr(3)).str())
      .Deliver(Frame(kTextRsv1, kHelloAgain))
      .Deliver(FromClient().Text("plain").str())
      .Deliver(Frame(kTextRsv1, Bytes({0x00})))
      .ExpectWrite(FromServer().Frame({.first_byte = kTextRsv1, .payload = kHello}).str())
      .ExpectWrite(FromServer().Frame({.first_byte = kTextRsv1, .payload = kHelloAgain}).str())
      .ExpectWrite(FromServer().Frame({.first_byte = kTextRsv1, .payload = Bytes({0x00})}).str())
      .ExpectWrite(FromServer().Close(1001).str());
  for (const char* expected : {"Hello", "Hello", "Hello", "plain", ""}) {
    EXPECT_EQ(ReceiveBy(Mode::kView, server_.get()), expected);
  }
  EXPECT_THAT(server_->SendText("Hello", kNever), IsOk());
  EXPECT_THAT(server_->SendText("Hello", kNever), IsOk());
  EXPECT_THAT(server_->SendText("", kNever), IsOk());
}

TEST_F(StreamDeflateTest, EachMessageChooses) {
  Options options = WithDeflate();
  options.deflate.compress_bytes_min = 5;
  const std::string compressed =
      FromServer().Frame({.first_byte = kBinaryRsv1, .payload = kHello}).str();
  Script(options)
      .ExpectWrite(FromServer().Binary("Hell").str())
      .ExpectWrite(compressed)
      .ExpectWrite(FromServer().Binary("Hello").str())
      .ExpectWrite(FromServer().Frame({.first_byte = kBinaryRsv1, .payload = kHelloAgain}).str())
      .ExpectWrite(FromServer().Close(1001).str());
  const auto send = [&](absl::string_view text, Compress compress) {
    const IoSlice slice(text);
    return server_->Send(MessageType::kBinary, absl::MakeConstSpan(&slice, 1), compress, kNever);
  };
  EXPECT_THAT(send("Hell", Compress::kAuto), IsOk());
  EXPECT_EQ(server_->deflate_memory_bytes(), 0u);
  EXPECT_THAT(send("Hello", Compress::kAuto), IsOk());
  // What is not compressed does not enter the window.
  EXPECT_THAT(send("Hello", Compress::kNever), IsOk());
  EXPECT_THAT(send("Hello", Compress::kAlways), IsOk());
  server_.reset();

  Script({})
      .ExpectWrite(FromServer().Binary("Hello").str())
      .ExpectWrite(FromServer().Close(1001).str());
  EXPECT_THAT(send("Hello", Compress::kAlways), IsOk());
}

TEST_F(StreamDeflateTest, WithoutContextTakeoverEachMessageStandsAlone) {
  Script(WithDeflate({.server_no_context_takeover = true, .client_no_context_takeover = true}))
      .Deliver(Frame(kTextRsv1, kHello))
      .ExpectWrite(FromServer().Frame({.first_byte = kTextRsv1, .payload = kHello}).str())
      .ExpectWrite(FromServer().Frame({.first_byte = kTextRsv1, .payload = kHello}).str())
      .Deliver(Frame(kTextRsv1, kHelloAgain))
      .ExpectWrite(FromServer().Close(1007, "compressed message is not deflate data").str());
  EXPECT_EQ(ReceiveBy(Mode::kView, server_.get()), "Hello");
  EXPECT_EQ(server_->deflate_memory_bytes(), 0u);
  EXPECT_THAT(server_->SendText("Hello", kNever), IsOk());
  EXPECT_THAT(server_->SendText("Hello", kNever), IsOk());
  EXPECT_EQ(server_->deflate_memory_bytes(), 0u);
  EXPECT_EQ(ReceiveBy(Mode::kView, server_.get()), absl::StrCat("errno ", EPROTO));
}

// A message that is longer than the scratch goes in several fragments, pongs between them.
TEST_F(StreamDeflateTest, LongMessagesAreFragments) {
  for (const uint64_t frame_bytes_max : {uint64_t{1} << 20, uint64_t{5000}, uint64_t{7}}) {
    SCOPED_TRACE(frame_bytes_max);
    Options options = WithDeflate();
    options.send_frame_bytes_max = frame_bytes_max;
    PairOptions tiny;
    tiny.capacity_bytes = 4096;
    Connect(options, options, tiny);
    const std::string text = LargeText(80'000);
    Bundle bundle(&runtime_);
    for (Stream* stream : {client_.get(), server_.get()}) {
      ASSERT_THAT(bundle.Go([&, stream] {
        EXPECT_THAT(stream->Ping(AsBytes("p"), kNever), IsOk());
        for (int i = 0; i < 2; ++i) EXPECT_THAT(stream->SendText(text, kNever), IsOk());
      }),
                  IsOk());
      ASSERT_THAT(bundle.Go([&, stream] {
        EXPECT_TRUE(ReceiveBy(Mode::kView, stream) == text);
        EXPECT_TRUE(ReceiveBy(Mode::kFill, stream, text.size()) == text);
      }),
                  IsOk());
    }
    ASSERT_EQ(bundle.Wait(kNever), 0);
  }
}

TEST_F(StreamDeflateTest, PongsGoBetweenFragments) {
  ScriptedBytestream& script = Script(WithDeflate());
  const std::string text = LargeText(60'000);
  Deflater::Options options;
  ZlibMemory memory;
  Deflater deflater(options, &memory);
  std::string payload(text.size(), '\0');
  payload.resize(deflater.Deflate(AsBytes(text), true, AsMutableBytes(payload)).produced);
  // The scratch without room for a header, and what the compressor holds back.
  const size_t first = (16 << 10) - 14 - 4;
  ASSERT_GT(payload.size(), first + 5000);
  ASSERT_LT(payload.size(), 2 * first);
  script.BlockWrites().AwaitWriter().Deliver(FromClient().Ping("now").str()).AwaitReader();
  script.UnblockWrites().ExpectWrite(
      FromServer().Frame({.first_byte = kTextRsv1More, .payload = payload.substr(0, first)}).str());
  script.ExpectWrite(FromServer().Pong("now").str())
      .ExpectWrite(FromServer().Continuation(payload.substr(first)).str())
      .ExpectWrite(FromServer().Close(1001).str());
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(server_->SendText(text, kNever), IsOk()); }), IsOk());
  ASSERT_THAT(bundle.Go([&] {
    EXPECT_EQ(ReceiveBy(Mode::kView, server_.get()), absl::StrCat("errno ", ECANCELED));
  }),
              IsOk());
  for (int i = 0; i < 100 && script.steps_left() > 1; ++i) ASSERT_EQ(runtime_.Yield(), 0);
  EXPECT_EQ(script.steps_left(), 1u);
  bundle.CancelAndJoin();
}

// ---- In step ------------------------------------------------------------------------------------

// Whatever is done with a message, the next one can refer to it.
TEST_F(StreamDeflateTest, DroppedMessagesAreInTheWindow) {
  const std::string text = LargeText(20'000);
  for (const bool fragments : {false, true}) {
    Options options = WithDeflate();
    if (fragments) options.send_frame_bytes_max = 1000;
    PairOptions large;
    large.capacity_bytes = 1 << 20;
    Connect(options, options, large);
    for (int i = 0; i < 12; ++i) {
      // The second one and later are little but references to the first.
      ASSERT_THAT(client_->SendText(absl::StrCat(i, text), kNever), IsOk());
    }
    Stream* const stream = server_.get();
    EXPECT_EQ(ReceiveBy(Mode::kDiscard, stream), "(20001)");
    for (const size_t room : {0, 1, 1000, 20'000}) {
      EXPECT_EQ(ReceiveBy(Mode::kFill, stream, room), absl::StrCat("errno ", EMSGSIZE)) << room;
    }
    EXPECT_EQ(ReceiveBy(Mode::kDiscard, stream), "(20001)");
    EXPECT_TRUE(ReceiveBy(Mode::kFill, stream, 20'001) == absl::StrCat(6, text));
    EXPECT_THAT(stream->Receive({}, kNever), IsErrno(EMSGSIZE));
    EXPECT_TRUE(ReceiveBy(Mode::kView, stream) == absl::StrCat(8, text));
    std::string middle(100, '?');
    const IoSpan list[] = {IoSpan(nullptr, 5000), IoSpan(middle.data(), 100),
                           IoSpan(nullptr, 20'000)};
    const auto info = stream->Receive(list, kNever);
    ASSERT_THAT(info, IsOk());
    EXPECT_EQ((*info)->size, 20'001u);
    EXPECT_EQ(middle, text.substr(4999, 100));
    EXPECT_TRUE(ReceiveBy(Mode::kView, stream) == absl::StrCat(10, text));
    EXPECT_TRUE(ReceiveBy(Mode::kView, stream) == absl::StrCat(11, text));
  }
}

// The end of a message may bring bytes that no longer fit, when nothing is left to be skipped.
TEST_F(StreamDeflateTest, TooLargeIsSeenAtTheEndOfTheMessage) {
  for (size_t room = 0; room < 5; ++room) {
    // The last fragment is empty: all payload is taken before the end is known.
    Script(WithDeflate())
        .Deliver(Frame(kTextRsv1More, kHello))
        .Deliver(FromClient().Continuation("").str())
        .Deliver(Frame(kTextRsv1, kHelloAgain))
        .ExpectWrite(FromServer().Close(1001).str());
    EXPECT_EQ(ReceiveBy(Mode::kFill, server_.get(), room), absl::StrCat("errno ", EMSGSIZE));
    EXPECT_EQ(ReceiveBy(Mode::kFill, server_.get(), 5), "Hello");
    server_.reset();
  }
}

// Each wait of a receive is ended; the next calls, of the same kind or another, lose nothing.
TEST_F(StreamDeflateTest, InterruptedAtEveryWait) {
  const std::string text = LargeText(3000);
  const std::string payload = DeflateReference(text);
  const size_t third = payload.size() / 3;
  const std::string frames = Frame(kTextRsv1More, payload.substr(0, third)) +
                             FromClient()
                                 .Ping("p")
                                 .Continuation(payload.substr(third, third), WireBuilder::kMore)
                                 .Continuation(payload.substr(2 * third))
                                 .str() +
                             Frame(kTextRsv1, DeflateReference("next"));
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    for (const Mode first : kModes) {
      for (const Mode second : kModes) {
        // What was dropped cannot be asked for again.
        if (first == Mode::kDiscard && second != Mode::kDiscard) continue;
        SCOPED_TRACE(testing::Message() << static_cast<int>(first) << static_cast<int>(second));
        const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
          Bundle feeding(&runtime_);
          BytestreamPtr wire = Feed(&feeding, frames);
          // In a coroutine of its own: to be cancelled is for ever.
          std::string received;
          Bundle receiving(&runtime_);
          ASSERT_THAT(receiving.Go([&] {
            fault.set_only(runtime_.current());
            received = ReceiveBy(first, server_.get());
          }),
                      IsOk());
          ASSERT_EQ(receiving.Wait(kNever), 0);
          if (received == absl::StrCat("errno ", error)) {
            EXPECT_TRUE(fault.hit());
            received = ReceiveBy(second, server_.get());
            EXPECT_TRUE(received == Seen(second, text)) << received.substr(0, 50);
          } else {
            EXPECT_TRUE(received == Seen(first, text)) << received.substr(0, 50);
          }
          received = ReceiveBy(Mode::kView, server_.get());
          EXPECT_EQ(received, "next");
        });
        // About a dozen, fewer where the machine is so slow that pieces arrive together.
        EXPECT_GT(waits, 3);
      }
    }
  }
}

// A receive that skips a message which did not fit is interrupted as well.
TEST_F(StreamDeflateTest, SkippingIsInterruptedAtEveryWait) {
  const std::string text = LargeText(3000);
  const std::string payload = DeflateReference(text);
  const int waits = SweepWaits(&runtime_, ETIMEDOUT, [&](WaitFault& fault) {
    fault.set_only(runtime_.current());
    Bundle bundle(&runtime_);
    BytestreamPtr wire = Feed(&bundle, Frame(kTextRsv1, payload) + Frame(kTextRsv1, kHello));
    std::vector<std::string> results;
    for (int i = 0; i < 4; ++i) {
      results.push_back(ReceiveBy(Mode::kFill, server_.get(), 500));
      if (results.back() == "Hello") break;
    }
    results.erase(std::remove(results.begin(), results.end(), absl::StrCat("errno ", ETIMEDOUT)),
                  results.end());
    EXPECT_EQ(results, (std::vector<std::string>{absl::StrCat("errno ", EMSGSIZE), "Hello"}));
  });
  EXPECT_GT(waits, 10);
}

// Nothing has left: nothing was sent, and later messages do not refer to it.
TEST_F(StreamDeflateTest, ASendThatDidNotBeginLeavesNothingInTheWindow) {
  const std::string text = LargeText(500);
  for (const size_t size : {100, 400, 100'000}) {
    PairOptions tiny;
    tiny.capacity_bytes = 64;
    Connect(WithDeflate(), WithDeflate(), tiny);
    // Fill the pipe.
    std::string filler(48, 'f');
    const IoSlice slice(filler);
    ASSERT_THAT(client_->Send(MessageType::kBinary, absl::MakeConstSpan(&slice, 1),
                              Compress::kNever, Deadline::Immediately()),
                IsOk());
    int sent = 0;
    while (client_->SendText(LargeText(size), Deadline::Immediately()).ok()) ++sent;
    EXPECT_LE(sent, 2);
    EXPECT_THAT(client_->SendText(LargeText(size), Deadline::Immediately()), IsErrno(ETIMEDOUT));
    Bundle bundle(&runtime_);
    ASSERT_THAT(bundle.Go([&] {
      EXPECT_THAT(client_->SendText(text, kNever), IsOk());
      EXPECT_THAT(client_->SendText(text, kNever), IsOk());
    }),
                IsOk());
    EXPECT_EQ(ReceiveBy(Mode::kView, server_.get()), filler);
    for (int i = 0; i < sent; ++i) {
      EXPECT_TRUE(ReceiveBy(Mode::kView, server_.get()) == LargeText(size));
    }
    EXPECT_TRUE(ReceiveBy(Mode::kView, server_.get()) == text);
    EXPECT_TRUE(ReceiveBy(Mode::kView, server_.get()) == text);
    ASSERT_EQ(bundle.Wait(kNever), 0);
  }
}

// The first byte has left: all of the message follows, and the window stays.
TEST_F(StreamDeflateTest, SendsAreInterruptedAtEveryWait) {
  const std::string text = LargeText(50'000);
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    int sent_in_spite = 0;
    const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      PairOptions small;
      small.capacity_bytes = 2048;
      Connect(WithDeflate(), WithDeflate(), small);
      Bundle bundle(&runtime_);
      std::vector<std::string> expected;
      bool done = false;
      ASSERT_THAT(bundle.Go([&] {
        fault.set_only(runtime_.current());
        for (int i = 0; i < 3; ++i) {
          const std::string message = absl::StrCat(i, text);
          const bool hit_before = fault.hit();
          const absl::Status status = client_->SendText(message, kNever);
          if (status.ok()) {
            expected.push_back(message);
            if (!hit_before && fault.hit()) ++sent_in_spite;
          } else {
            EXPECT_THAT(status, IsErrno(error));
          }
        }
        EXPECT_THAT(client_->Done(1000, "", Deadline::Never()),
                    testing::AnyOf(IsOk(), IsErrno(error)));
        done = true;
      }),
                  IsOk());
      std::vector<std::string> received;
      for (;;) {
        if (done && received.size() == expected.size()) break;
        std::string message = ReceiveBy(Mode::kView, server_.get());
        if (message == "closed") break;
        ASSERT_NE(message.substr(0, 5), "errno");
        received.push_back(std::move(message));
      }
      ASSERT_EQ(bundle.Wait(kNever), 0);
      EXPECT_TRUE(received == expected) << received.size() << " of " << expected.size();
    });
    EXPECT_GT(waits, 20);
    EXPECT_GT(sent_in_spite, 5);
  }
}

// ---- What is refused ----------------------------------------------------------------------------

TEST_F(StreamDeflateTest, Rsv1WhereItHasNoMeaningIsRefused) {
  // On a continuation and on control frames (RFC 7692 section 6.1), whatever was agreed on.
  ExpectRefusal(Frame(kTextRsv1More, kHello) + Frame(0xc0, ""), 1002,
                "reserved bit set in a continuation");
  ExpectRefusal(FromClient().Text("a", WireBuilder::kMore).str() + Frame(0xc0, kHello), 1002,
                "reserved bit set in a continuation");
  for (const uint8_t control : {0xc8, 0xc9, 0xca}) {
    ExpectRefusal(Frame(control, ""), 1002, "reserved bit set in a control frame");
  }
  // The others mean nothing to this extension.
  for (const uint8_t first : {0xa1, 0x91, 0xe1, 0xf2}) {
    ExpectRefusal(Frame(first, kHello), 1002, "reserved bit set");
  }
  // Not agreed on.
  for (const uint8_t first : {kTextRsv1, kBinaryRsv1, kTextRsv1More}) {
    ExpectRefusal(Frame(first, kHello), 1002, "reserved bit set", Options());
  }
}

TEST_F(StreamDeflateTest, GarbageAndMissingTailsAreRefused) {
  const char* const bad_end = "compressed message does not end with a block";
  const char* const bad_data = "compressed message is not deflate data";
  ExpectRefusal(Frame(kTextRsv1, ""), 1007, bad_end);
  ExpectRefusal(Frame(kTextRsv1, kHello.substr(0, 5)), 1007, bad_end);
  ExpectRefusal(Frame(kTextRsv1, kHello + Bytes({0, 0, 0xff, 0xff})), 1007, bad_end);
  ExpectRefusal(Frame(kTextRsv1, kHello + "garbage"), 1007, bad_data);
  ExpectRefusal(Frame(kBinaryRsv1, Bytes({0x07})), 1007, bad_data);
  // Plain text that is said to be compressed.
  ExpectRefusal(Frame(kTextRsv1, "Hello"), 1007, bad_data);
  // Over fragments, and behind a good message.
  ExpectRefusal(Frame(kTextRsv1, kHello) + Frame(kTextRsv1More, kHelloAgain) +
                    FromClient().Continuation("?").str(),
                1007, bad_end, WithDeflate(), 1);
  // Far back without anything there.
  ExpectRefusal(Frame(kTextRsv1, kHelloAgain), 1007, bad_data);
}

TEST_F(StreamDeflateTest, TextIsCheckedAfterInflation) {
  const std::string euro = "\xe2\x82\xac";
  Script(WithDeflate())
      .Deliver(Frame(kTextRsv1, DeflateReference(euro)))
      .Deliver(Frame(kBinaryRsv1, DeflateReference("\xff\xfe")))
      .ExpectWrite(FromServer().Close(1001).str());
  EXPECT_EQ(ReceiveBy(Mode::kView, server_.get()), euro);
  EXPECT_EQ(ReceiveBy(Mode::kView, server_.get()), "\xff\xfe");
  server_.reset();
  ExpectRefusal(Frame(kTextRsv1, DeflateReference("a\xff\xfe")), 1007, "text is not UTF-8");
  ExpectRefusal(Frame(kTextRsv1, DeflateReference(euro.substr(0, 2))), 1007,
                "text ends inside a UTF-8 sequence");
  const std::string cut = DeflateReference(euro + "\xc0");
  ExpectRefusal(
      Frame(kTextRsv1More, cut.substr(0, 2)) + FromClient().Continuation(cut.substr(2)).str(), 1007,
      "text is not UTF-8");
}

TEST_F(StreamDeflateTest, MessageBytesMaxCountsWhatWasInflated) {
  const std::string text = LargeText(5000);
  const std::string payload = DeflateReference(text);
  ASSERT_LT(payload.size(), 4000u);
  const std::string whole = Frame(kTextRsv1, payload);
  const std::string fragments = Frame(kTextRsv1More, payload.substr(0, 1000)) +
                                FromClient().Continuation(payload.substr(1000)).str();
  Options options = WithDeflate();
  for (const std::string& wire : {whole, fragments}) {
    for (const uint64_t max : {5001, 5000}) {
      options.message_bytes_max = max;
      for (const Mode mode : kModes) {
        Script(options).Deliver(wire).ExpectWrite(FromServer().Close(1001).str());
        EXPECT_TRUE(ReceiveBy(mode, server_.get()) == Seen(mode, text));
        server_.reset();
      }
    }
    options.message_bytes_max = 4999;
    ExpectRefusal(wire, 1009, "message exceeds message_bytes_max when inflated", options);
  }
  // The second message is small on the wire, and counted by itself.
  Deflater::Options deflate;
  ZlibMemory memory;
  Deflater deflater(deflate, &memory);
  std::string two[2];
  for (std::string& one : two) {
    one.resize(10'000);
    one.resize(deflater.Deflate(AsBytes(text), true, AsMutableBytes(one)).produced);
  }
  ASSERT_LT(two[1].size(), 100u);
  options.message_bytes_max = 5000;
  for (const Mode mode : kModes) {
    Script(options)
        .Deliver(Frame(kTextRsv1, two[0]) + Frame(kTextRsv1, two[1]))
        .ExpectWrite(FromServer().Close(1001).str());
    EXPECT_TRUE(ReceiveBy(mode, server_.get()) == Seen(mode, text));
    EXPECT_TRUE(ReceiveBy(mode, server_.get()) == Seen(mode, text));
    server_.reset();
  }
}

// A payload that says nothing has a bound too: empty blocks without end.
TEST_F(StreamDeflateTest, EndlessEmptyBlocksAreRefused) {
  Options options = WithDeflate();
  options.message_bytes_max = 1000;
  const std::string empty_block = Bytes({0x00, 0x00, 0x00, 0xff, 0xff});
  std::string wire = Frame(kTextRsv1More, empty_block);
  // 1000 and a quarter of it and 1024 bytes of payload may come.
  for (int i = 0; i < 453; ++i) wire += FromClient().Continuation(empty_block, WireBuilder::kMore);
  Script(options).Deliver(wire).ExpectWrite(FromServer().Close(1001).str());
  EXPECT_EQ(ReceiveBy(Mode::kView, server_.get(), 0, Deadline::Immediately()),
            absl::StrCat("errno ", ETIMEDOUT));
  server_.reset();
  wire += FromClient().Continuation(empty_block, WireBuilder::kMore);
  ExpectRefusal(wire, 1009, "message exceeds message_bytes_max", options);
}

// ---- Bombs --------------------------------------------------------------------------------------

TEST_F(StreamDeflateTest, BombsAtTheExactBound) {
  const size_t bound = 1 << 20;
  Options options = WithDeflate();
  options.message_bytes_max = bound;
  options.deflate.inflation_ratio_max = 0;
  for (const bool fragments : {false, true}) {
    for (const int over : {0, 1}) {
      const std::string payload = DeflateReference(std::string(bound + over, 'b'), 15, 9);
      std::string wire = Frame(kBinaryRsv1, payload);
      if (fragments) {
        wire = Frame(0x42, payload.substr(0, 1));
        for (size_t at = 1; at < payload.size(); at += 100) {
          wire += FromClient().Continuation(payload.substr(at, 100), WireBuilder::kMore);
        }
        wire += FromClient().Continuation("");
      }
      if (over == 0) {
        for (const Mode mode : kModes) {
          Script(options).Deliver(wire).ExpectWrite(FromServer().Close(1001).str());
          EXPECT_TRUE(ReceiveBy(mode, server_.get(), bound) == Seen(mode, std::string(bound, 'b')));
          EXPECT_LE(server_->deflate_memory_peak_bytes(), InflaterMemoryMax(15));
          server_.reset();
        }
      } else {
        ExpectRefusal(wire, 1009, "message exceeds message_bytes_max when inflated", options);
      }
    }
  }
}

// 64 MiB in 64 KiB, over and over with what is in the window: nothing is held but the window.
TEST_F(StreamDeflateTest, BombsWithContextTakeover) {
  Options options = WithDeflate();
  options.message_bytes_max = 200'000;
  options.deflate.inflation_ratio_max = 0;
  ZlibMemory memory;
  Deflater deflater({.level = 9}, &memory);
  const std::string good(200'000, 'g');
  const std::string bad(64 << 20, 'g');
  std::string payload(1 << 17, '\0');
  std::string wire;
  for (int i = 0; i < 5; ++i) {
    const auto made = deflater.Deflate(AsBytes(good), true, AsMutableBytes(payload));
    wire += Frame(kTextRsv1, payload.substr(0, made.produced));
  }
  const auto made = deflater.Deflate(AsBytes(bad), true, AsMutableBytes(payload));
  ASSERT_EQ(made.status, Deflater::Status::kDone);
  // Its beginning: a whole one is refused by its size already.
  wire += Frame(kTextRsv1More, payload.substr(0, 2000));
  ExpectRefusal(wire, 1009, "message exceeds message_bytes_max when inflated", options, 5);
}

TEST_F(StreamDeflateTest, TheRatioIsBounded) {
  Options options = WithDeflate();
  ASSERT_NE(options.deflate.inflation_ratio_max, 0u);
  const size_t floor = options.deflate.inflation_ratio_floor_bytes;
  for (const Mode mode : kModes) {
    const std::string text(floor, 'r');
    Script(options)
        .Deliver(Frame(kTextRsv1, DeflateReference(text)))
        .ExpectWrite(FromServer().Close(1001).str());
    EXPECT_TRUE(ReceiveBy(mode, server_.get(), floor) == Seen(mode, text));
    server_.reset();
  }
  ExpectRefusal(Frame(kTextRsv1, DeflateReference(std::string(floor + 1, 'r'))), 1009,
                "message inflates by more than inflation_ratio_max", options);
}

// ---- Memory -------------------------------------------------------------------------------------

TEST_F(StreamDeflateTest, MemoryIsTakenLateAndGivenBack) {
  PairOptions large;
  large.capacity_bytes = 1 << 20;
  Connect(WithDeflate(), WithDeflate(), large);
  EXPECT_EQ(client_->deflate_memory_bytes(), 0u);
  ASSERT_THAT(client_->SendText("first", kNever), IsOk());
  EXPECT_GT(client_->deflate_memory_bytes(), 200'000u);
  EXPECT_LE(client_->deflate_memory_bytes(), DeflaterMemoryMax(15, 8));
  EXPECT_EQ(server_->deflate_memory_bytes(), 0u);
  EXPECT_EQ(ReceiveBy(Mode::kView, server_.get()), "first");
  EXPECT_GT(server_->deflate_memory_bytes(), 32'768u);
  EXPECT_LE(server_->deflate_memory_bytes(), InflaterMemoryMax(15));
  // What was forgotten is not referred to, and is still in the peer's window.
  client_->ReleaseCompressor();
  EXPECT_EQ(client_->deflate_memory_bytes(), 0u);
  ASSERT_THAT(client_->SendText("first", kNever), IsOk());
  EXPECT_EQ(ReceiveBy(Mode::kView, server_.get()), "first");
  // After the Close nothing is compressed or inflated any more.
  ASSERT_THAT(client_->Done(1000, "", kNever), IsOk());
  EXPECT_EQ(client_->deflate_memory_bytes(), 0u);
  EXPECT_EQ(ReceiveBy(Mode::kView, server_.get()), "closed");
  EXPECT_EQ(server_->deflate_memory_bytes(), 0u);
}

// No memory to compress with: the message goes as it is. None to inflate with: the end.
TEST_F(StreamDeflateTest, WithoutMemory) {
  for (const size_t bytes_max : {size_t{0}, size_t{20'000}, size_t{100'000}}) {
    Options options = WithDeflate();
    options.deflate.memory_bytes_max = bytes_max;
    const std::string text = LargeText(40'000);
    Script(options)
        .ExpectWrite(FromServer().Text(text).str())
        .ExpectWrite(FromServer().Text("Hello").str())
        .ExpectWrite(FromServer().Close(1001).str());
    EXPECT_THAT(server_->SendText(text, kNever), IsOk());
    EXPECT_THAT(server_->SendText("Hello", kNever), IsOk());
    EXPECT_LE(server_->deflate_memory_peak_bytes(), bytes_max);
    server_.reset();
  }
  for (const Mode mode : kModes) {
    Options options = WithDeflate();
    options.deflate.memory_bytes_max = 20'000;  // The window is what is lacking.
    Script(options)
        .Deliver(FromClient().Text("plain").str() + Frame(kTextRsv1, kHello))
        .ExpectWrite(FromServer().Close(1011, "out of memory").str());
    EXPECT_EQ(ReceiveBy(mode, server_.get()), Seen(mode, "plain"));
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(ReceiveBy(mode, server_.get()), absl::StrCat("errno ", ENOMEM));
    }
    EXPECT_EQ(server_->failure(), ENOMEM);
    EXPECT_EQ(server_->deflate_memory_bytes(), 0u);
    server_.reset();
  }
}

TEST_F(StreamDeflateTest, DetachTakesWhatStillComes) {
  Connect(WithDeflate(), WithDeflate());
  ASSERT_THAT(client_->SendText("one", kNever), IsOk());
  ASSERT_THAT(client_->SendText("two", kNever), IsOk());
  EXPECT_EQ(ReceiveBy(Mode::kView, server_.get()), "one");
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(server_->Detach(1000, "", kNever), IsOk()); }), IsOk());
  EXPECT_THAT(client_->Detach(1000, "", kNever), IsOk());
  ASSERT_EQ(bundle.Wait(kNever), 0);
}

// Small replies leave together, compressed or not.
TEST_F(StreamDeflateTest, RepliesAreGathered) {
  auto [a, b] = MakePair(&runtime_);
  WriteCounts counts;
  Options options = WithDeflate();
  server_ = std::make_unique<Stream>(
      &runtime_, BytestreamPtr(new CountingBytestream(std::move(b), &counts)), options);
  std::string wire = Frame(kTextRsv1, kHello);
  for (int i = 0; i < 9; ++i) wire += Frame(kTextRsv1, kHelloAgain);
  const IoSlice slice(wire);
  ASSERT_THAT(a->Write(absl::MakeConstSpan(&slice, 1), false, kNever), IsOk());
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(ReceiveBy(Mode::kView, server_.get()), "Hello");
    ASSERT_THAT(server_->SendText("Hello", kNever), IsOk());
  }
  EXPECT_EQ(counts.writes, 10);
  EXPECT_EQ(counts.writes_more, 9);
  server_.reset();  // It counts as long as it lives.
}

// A drop that ends before its first byte has dropped nothing, with and without compression.
TEST_F(StreamDeflateTest, ADropThatTookNothingHidesNothing) {
  for (const bool compressed : {false, true}) {
    const std::string header =
        FromClient().Header(compressed ? kTextRsv1 : 0x81, compressed ? 7 : 5).str();
    const std::string all =
        compressed ? Frame(kTextRsv1, kHello) : FromClient().Text("Hello").str();
    auto [wire, end] = MakePair(&runtime_);
    server_ = std::make_unique<Stream>(&runtime_, std::move(end), WithDeflate());
    const auto write = [&wire = wire](absl::string_view bytes) {
      const IoSlice slice(bytes);
      EXPECT_THAT(wire->Write(absl::MakeConstSpan(&slice, 1), false, kNever), IsOk());
    };
    const auto now = Deadline::Immediately();
    write(header);
    EXPECT_EQ(ReceiveBy(Mode::kDiscard, server_.get(), 0, now), absl::StrCat("errno ", ETIMEDOUT));
    write(all.substr(header.size(), 3));
    EXPECT_EQ(ReceiveBy(Mode::kView, server_.get(), 0, now), absl::StrCat("errno ", ETIMEDOUT));
    write(all.substr(header.size() + 3));
    EXPECT_EQ(ReceiveBy(Mode::kFill, server_.get(), 5), "Hello");
    server_.reset();
  }
}

}  // namespace
}  // namespace halfpipe::websocket
