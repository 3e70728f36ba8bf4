// Messages of websocket::Stream received in parts: of every shape, however they are cut, together
// with the other ways to receive.

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/testing/choppy_bytestream.h"
#include "bytestream/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "websocket/core/frame_header.h"
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
constexpr auto kMore = WireBuilder::kMore;

Options WithDeflate() {
  Options options;
  options.deflate_params = DeflateParams();
  options.deflate.compress_bytes_min = 0;
  return options;
}

// RFC 7692 section 7.2.3.1: "Hello".
const std::string kHello = Bytes({0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00});

std::string Compressible(size_t size, uint32_t seed) {
  std::string text;
  for (uint32_t i = seed | 1; text.size() < size; i = i * 1664525 + 1013904223) {
    absl::StrAppend(&text, i, i % 3 == 0 ? " of the message\n" : ",");
  }
  text.resize(size);
  return text;
}

class StreamPartsTest : public ServedStreamTest {
 protected:
  // The next part: "[" where the message begins, its payload, "]" where it ends. `size` 0: a view.
  std::string Part(size_t size, Deadline deadline = kNow) {
    std::string room(size, '\0');
    auto part = size == 0 ? stream_->ReceivePartView(deadline)
                          : stream_->ReceivePart(AsMutableBytes(room), deadline);
    if (!part.ok()) return absl::StrCat("errno ", StatusErrno(part.status()));
    if (!part->has_value()) return absl::StrCat("closed ", stream_->peer_close()->code);
    if (size > 0 && !(*part)->payload.empty()) {
      EXPECT_EQ(static_cast<const void*>((*part)->payload.data()), room.data());
    }
    return absl::StrCat((*part)->first ? "[" : "", AsChars((*part)->payload),
                        (*part)->last ? "]" : "");
  }

  // All of a message in parts.
  std::string Whole(size_t size) {
    std::string whole;
    do {
      whole += Part(size);
    } while (whole.back() != ']' && whole.find("errno") == std::string::npos);
    return whole;
  }

  std::string View() {
    auto message = stream_->ReceiveView(kNow);
    if (!message.ok()) return absl::StrCat("errno ", StatusErrno(message.status()));
    return message->has_value() ? std::string((*message)->text()) : "closed";
  }

  std::string Drop() {
    auto message = stream_->Discard(kNow);
    if (!message.ok()) return absl::StrCat("errno ", StatusErrno(message.status()));
    return message->has_value() ? absl::StrCat((*message)->size) : "closed";
  }
};

const std::string kTimeout = absl::StrCat("errno ", ETIMEDOUT);
const std::string kInvalid = absl::StrCat("errno ", EINVAL);
const std::string kProtocol = absl::StrCat("errno ", EPROTO);

TEST_F(StreamPartsTest, GivesWhatThereIs) {
  for (const size_t size : {size_t{0}, size_t{100}}) {
    Connect();
    const std::string wire = FromClient().Text("Hello, world");
    EXPECT_EQ(Part(size), kTimeout);
    FromPeer(wire.substr(0, 3));
    EXPECT_EQ(Part(size), kTimeout);
    FromPeer(wire.substr(3, 8));
    EXPECT_EQ(Part(size), "[Hello");
    EXPECT_EQ(Part(size), kTimeout);
    FromPeer(wire.substr(11));
    EXPECT_EQ(Part(size), ", world]");
    EXPECT_TRUE(size == 0 || stream_->at_message_boundary());
  }
}

TEST_F(StreamPartsTest, GivesNoMoreThanTheMemoryTakes) {
  Connect();
  FromPeer(FromClient().Text("0123456789").Binary("").Binary("x"));
  EXPECT_EQ(Part(4), "[0123");
  EXPECT_EQ(Part(4), "4567");
  EXPECT_EQ(Part(4), "89]");
  EXPECT_EQ(Part(4), "[]");
  EXPECT_EQ(Part(1), "[x]");
  EXPECT_THAT(stream_->ReceivePart({}, kNow), IsErrno(EINVAL));
}

TEST_F(StreamPartsTest, TellsTheType) {
  Connect(WithDeflate());
  FromPeer(FromClient().Text("t").Binary("b").Frame({.first_byte = 0xc1, .payload = kHello}));
  for (const MessageType type : {MessageType::kText, MessageType::kBinary, MessageType::kText}) {
    auto part = stream_->ReceivePartView(kNow);
    ASSERT_THAT(part, IsOk());
    EXPECT_EQ((*part)->type, type);
    EXPECT_TRUE((*part)->last);
  }
}

TEST_F(StreamPartsTest, FragmentsAreNotParts) {
  Connect();
  FromPeer(FromClient()
               .Text("", kMore)
               .Continuation("ab", kMore)
               .Ping("p")
               .Continuation("", kMore)
               .Continuation("cd", kMore)
               .Continuation(""));
  EXPECT_EQ(Part(10), "[ab");
  EXPECT_EQ(Part(10), "cd");
  EXPECT_EQ(Part(10), "]");
}

TEST_F(StreamPartsTest, AViewLivesUntilTheNextReceive) {
  Connect();
  FromPeer(FromClient().Text("one", kMore).Continuation("two"));
  auto part = stream_->ReceivePartView(kNow);
  ASSERT_THAT(part, IsOk());
  FromPeer(FromClient().Text("three"));
  // What is sent in between, pongs included, does no harm.
  EXPECT_THAT(stream_->SendText("x", kNow), IsOk());
  EXPECT_EQ(AsChars((*part)->payload), "one");
  EXPECT_EQ(Part(0), "two]");
  EXPECT_EQ(Part(0), "[three]");
}

TEST_F(StreamPartsTest, TextIsCheckedAcrossParts) {
  const std::string snowman = "\xe2\x98\x83";
  for (const size_t size : {size_t{0}, size_t{1}, size_t{2}}) {
    Connect();
    FromPeer(FromClient().Text(snowman.substr(0, 1), kMore).Continuation(snowman.substr(1)));
    EXPECT_EQ(Whole(size), "[" + snowman + "]");
    FromPeer(FromClient().Text(snowman.substr(0, 1), kMore).Continuation("x"));
    EXPECT_EQ(Part(size), "[" + snowman.substr(0, 1));
    EXPECT_EQ(Part(size), kProtocol);
    EXPECT_EQ(stream_->failure(), EPROTO);
    Connect();
    FromPeer(FromClient().Text(snowman.substr(0, 2)));
    const std::string broken = Whole(size);
    EXPECT_EQ(broken.substr(broken.size() - kProtocol.size()), kProtocol);
  }
}

TEST_F(StreamPartsTest, CompressedTextIsCheckedAcrossParts) {
  // "\xe2\x98" and "x", stored.
  const std::string stored = Bytes({0x00, 0x03, 0x00, 0xfc, 0xff, 0xe2, 0x98, 'x', 0x00});
  for (const size_t size : {size_t{0}, size_t{1}, size_t{2}}) {
    Connect(WithDeflate());
    FromPeer(FromClient().Frame({.first_byte = 0xc1, .payload = stored}));
    std::string last;
    for (int i = 0; i < 3 && last != kProtocol; ++i) last = Part(size);
    EXPECT_EQ(last, kProtocol);
  }
}

TEST_F(StreamPartsTest, EndsWithThePeersCloseAndWithTheStream) {
  Connect();
  FromPeer(FromClient().Text("x").Close(1000));
  EXPECT_EQ(Part(10), "[x]");
  EXPECT_EQ(Part(10), "closed 1000");
  EXPECT_EQ(Part(0), "closed 1000");
  // In the middle of a message: the peer has given it up.
  Connect();
  FromPeer(FromClient().Text("x", kMore).Close(1011));
  EXPECT_EQ(Part(10), "[x");
  EXPECT_EQ(Part(10), "closed 1011");
  EXPECT_EQ(View(), "closed");
  Connect();
  FromPeer(FromClient().Header(0x81, 5).Raw("x"));
  EXPECT_EQ(Part(10).size(), 2u);
  ASSERT_THAT(peer_->Done(kNow), IsOk());
  EXPECT_EQ(Part(10), absl::StrCat("errno ", ECONNRESET));
}

TEST_F(StreamPartsTest, WhatItHasBegunIsNotReceivedWhole) {
  char memory[100];
  const IoSpan list(memory, sizeof(memory));
  for (const bool deflate : {false, true}) {
    Connect(deflate ? WithDeflate() : Options());
    const std::string wire = deflate
                                 ? FromClient().Frame({.first_byte = 0xc1, .payload = kHello}).str()
                                 : FromClient().Text("Hello").str();
    // From its header on, even if it has brought nothing.
    FromPeer(wire.substr(0, 6));
    EXPECT_EQ(Part(2), kTimeout);
    EXPECT_EQ(View(), kInvalid);
    FromPeer(wire.substr(6) + FromClient().Text("next").str());
    EXPECT_EQ(Part(2), "[He");
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(View(), kInvalid);
      EXPECT_THAT(stream_->Receive(absl::MakeConstSpan(&list, 1), kNow), IsErrno(EINVAL));
      EXPECT_FALSE(stream_->at_message_boundary());
    }
    EXPECT_EQ(Part(2), "ll");
    EXPECT_EQ(Part(2), "o]");
    EXPECT_EQ(View(), "next");
  }
}

TEST_F(StreamPartsTest, DiscardDropsTheRestAndTellsTheWhole) {
  for (const bool deflate : {false, true}) {
    for (size_t taken = 0; taken <= 4; ++taken) {
      SCOPED_TRACE(testing::Message() << deflate << " " << taken);
      Connect(deflate ? WithDeflate() : Options());
      const std::string wire =
          deflate ? FromClient().Frame({.first_byte = 0xc1, .payload = kHello}).str()
                  : FromClient().Text("Hello").str();
      FromPeer(wire + wire);
      std::string room(taken, '\0');
      if (taken > 0) {
        EXPECT_EQ(Part(taken), "[" + std::string("Hello").substr(0, taken));
      }
      EXPECT_EQ(Drop(), "5");
      EXPECT_EQ(Part(100), "[Hello]");
      EXPECT_EQ(Drop(), kTimeout);
    }
  }
}

TEST_F(StreamPartsTest, DiscardThatIsInterruptedLeavesNothingToBeReceivedInParts) {
  Connect();
  const std::string wire = FromClient().Text("Hello").Text("next");
  FromPeer(wire.substr(0, 8));
  EXPECT_EQ(Part(1), "[H");
  EXPECT_EQ(Drop(), kTimeout);
  EXPECT_EQ(Part(1), kInvalid);
  FromPeer(wire.substr(8));
  EXPECT_EQ(Part(1), kInvalid);
  EXPECT_EQ(Drop(), "5");
  EXPECT_EQ(Part(9), "[next]");
}

// The same for a message whose payload has come, but is still to be inflated.
TEST_F(StreamPartsTest, DiscardThatIsInterruptedHidesNoGapInACompressedMessage) {
  // "0123456789", stored (RFC 1951 section 3.2.4), in two fragments.
  const std::string stored =
      Bytes({0x00, 10, 0x00, 0xff - 10, 0xff}) + "0123456789" + Bytes({0x00});
  Connect(WithDeflate());
  FromPeer(FromClient().Frame({.first_byte = 0x41, .payload = stored.substr(0, 10)}));
  EXPECT_EQ(Part(2), "[01");
  EXPECT_EQ(Drop(), kTimeout);  // "234" has gone.
  EXPECT_EQ(Part(10), kInvalid);
  FromPeer(FromClient().Continuation(stored.substr(10)).Text("next"));
  EXPECT_EQ(Part(10), kInvalid);
  EXPECT_EQ(Drop(), "10");
  EXPECT_EQ(Part(9), "[next]");
}

// One that has dropped nothing has done nothing.
TEST_F(StreamPartsTest, DiscardThatDroppedNothingLeavesEverything) {
  const std::string stored =
      Bytes({0x00, 10, 0x00, 0xff - 10, 0xff}) + "0123456789" + Bytes({0x00});
  char memory[100];
  const IoSpan list(memory, sizeof(memory));
  for (const bool deflate : {false, true}) {
    for (const bool received : {false, true}) {
      SCOPED_TRACE(testing::Message() << deflate << received);
      Connect(deflate ? WithDeflate() : Options());
      const std::string wire =
          deflate ? FromClient().Frame({.first_byte = 0xc1, .payload = stored}).str()
                  : FromClient().Text("0123456789").str();
      const size_t cut = wire.size() - (deflate ? 7 : 6);  // behind "0123"
      FromPeer(wire.substr(0, cut));
      if (received) {
        EXPECT_THAT(stream_->Receive(absl::MakeConstSpan(&list, 1), kNow), IsErrno(ETIMEDOUT));
        EXPECT_EQ(Drop(), kTimeout);
      }
      EXPECT_EQ(Part(3), "[012");
      if (received) {
        EXPECT_EQ(Drop(), kTimeout);
      }
      EXPECT_EQ(Part(3), "3");
      EXPECT_EQ(Drop(), kTimeout);
      FromPeer(wire.substr(cut) + FromClient().Text("next").str());
      EXPECT_EQ(Whole(3), "456789]");
      EXPECT_EQ(View(), "next");
    }
  }
}

// A receive that was interrupted leaves its bytes to a drop, and they count for no later message.
TEST_F(StreamPartsTest, DiscardEndsWhatWasGivenInPart) {
  char memory[100];
  const IoSpan list(memory, sizeof(memory));
  Connect();
  const std::string wire = FromClient().Text("abcdef");
  FromPeer(wire.substr(0, wire.size() - 2));
  EXPECT_THAT(stream_->Receive(absl::MakeConstSpan(&list, 1), kNow), IsErrno(ETIMEDOUT));
  EXPECT_EQ(Part(3), "[abc");
  FromPeer(wire.substr(wire.size() - 2));
  EXPECT_EQ(Drop(), "6");
  FromPeer(FromClient().Text("xy", kMore));
  EXPECT_THAT(stream_->Receive(absl::MakeConstSpan(&list, 1), kNow), IsErrno(ETIMEDOUT));
  FromPeer(FromClient().Continuation("z"));
  EXPECT_EQ(Whole(10), "[xyz]");
}

TEST_F(StreamPartsTest, GoesOnWithWhatAnInterruptedReceiveHasLeft) {
  for (const bool deflate : {false, true}) {
    for (const bool view : {false, true}) {
      for (const size_t size : {size_t{0}, size_t{2}, size_t{100}}) {
        SCOPED_TRACE(testing::Message() << deflate << view << size);
        Connect(deflate ? WithDeflate() : Options());
        const std::string text = "stored in the message";
        const std::string payload =
            deflate ? Bytes({0x00, 21, 0x00, 0xff - 21, 0xff}) + text + Bytes({0x00}) : text;
        const int first = deflate ? 0x41 : 0x01;
        FromPeer(FromClient()
                     .Frame({.first_byte = static_cast<uint8_t>(first),
                             .payload = payload.substr(0, 12)})
                     .str());
        char memory[100];
        const IoSpan list(memory, sizeof(memory));
        if (view) {
          EXPECT_EQ(View(), kTimeout);
        } else {
          EXPECT_THAT(stream_->Receive(absl::MakeConstSpan(&list, 1), kNow), IsErrno(ETIMEDOUT));
        }
        EXPECT_FALSE(stream_->at_message_boundary());
        FromPeer(FromClient().Continuation(payload.substr(12)).Text("next"));
        EXPECT_EQ(Whole(size), "[" + text + "]");
        EXPECT_EQ(View(), "next");
      }
    }
  }
}

TEST_F(StreamPartsTest, ComesBehindAMessageThatDidNotFit) {
  for (const bool deflate : {false, true}) {
    Connect(deflate ? WithDeflate() : Options());
    const std::string wire = deflate
                                 ? FromClient().Frame({.first_byte = 0xc1, .payload = kHello}).str()
                                 : FromClient().Text("Hello").str();
    FromPeer(wire + wire);
    char memory[2];
    const IoSpan list(memory, sizeof(memory));
    EXPECT_THAT(stream_->Receive(absl::MakeConstSpan(&list, 1), kNow), IsErrno(EMSGSIZE));
    EXPECT_EQ(Whole(2), "[Hello]");
  }
}

TEST_F(StreamPartsTest, MayBeAllowedLargerMessagesThanOthers) {
  for (const bool deflate : {false, true}) {
    SCOPED_TRACE(deflate);
    for (const size_t size : {size_t{1000}, size_t{1001}, size_t{100'000}}) {
      Options options = deflate ? WithDeflate() : Options();
      options.message_bytes_max = 1000;
      options.streamed_message_bytes_max = kMaxFramePayload;
      const std::string text = Compressible(size, 7);
      auto [a, b] = MakePair(&runtime_, {.capacity_bytes = 1'000'000});
      Options client = options;
      client.role = Role::kClient;
      stream_ = std::make_unique<Stream>(&runtime_, std::move(b), options);
      Stream peer(&runtime_, std::move(a), client);
      ASSERT_THAT(peer.SendText("small", kNow), IsOk());
      ASSERT_THAT(peer.SendText(text, kNow), IsOk());
      ASSERT_THAT(peer.SendText("small", kNow), IsOk());
      ASSERT_THAT(peer.SendText(text, kNow), IsOk());
      EXPECT_EQ(View(), "small");
      EXPECT_TRUE(Whole(100) == absl::StrCat("[", text, "]"));
      EXPECT_EQ(View(), "small");
      const std::string whole = View();
      if (size == 1000) {
        EXPECT_TRUE(whole == text);
      } else {
        EXPECT_EQ(whole, kProtocol);
        EXPECT_EQ(stream_->failure(), EPROTO);
      }
    }
  }
}

TEST_F(StreamPartsTest, HasBoundsOfItsOwn) {
  for (const int more : {-1, 0, 1}) {
    Options options;
    options.message_bytes_max = 10;
    options.streamed_message_bytes_max = 1000;
    Connect(options);
    const std::string text(static_cast<size_t>(1000 + more), 'x');
    FromPeer(FromClient().Binary(text));
    EXPECT_EQ(Whole(2000), more <= 0 ? absl::StrCat("[", text, "]") : kProtocol);
  }
}

TEST_F(StreamPartsTest, EndOfMemoryEndsTheConnection) {
  Options options = WithDeflate();
  options.deflate.memory_bytes_max = 100;
  for (const size_t size : {size_t{0}, size_t{100}}) {
    Connect(options);
    FromPeer(FromClient().Frame({.first_byte = 0xc1, .payload = kHello}));
    EXPECT_EQ(Part(size), absl::StrCat("errno ", ENOMEM));
    EXPECT_EQ(Part(size), absl::StrCat("errno ", ENOMEM));
    EXPECT_THAT(stream_->SendText("x", kNow), IsErrno(EPIPE));
  }
}

TEST_F(StreamPartsTest, RefusesWhatDoesNotInflate) {
  for (const size_t size : {size_t{0}, size_t{3}, size_t{100}}) {
    Connect(WithDeflate());
    FromPeer(FromClient().Frame({.first_byte = 0xc1, .payload = kHello + "garbage"}));
    std::string last;
    for (int i = 0; i < 3 && last != kProtocol; ++i) last = Part(size);
    EXPECT_EQ(last, kProtocol);
    EXPECT_EQ(stream_->deflate_memory_bytes(), 0u);
  }
}

TEST_F(StreamPartsTest, InflatesNoMoreThanItIsAskedFor) {
  Options options = WithDeflate();
  options.deflate.inflation_ratio_max = 0;
  options.message_bytes_max = 1000;
  options.streamed_message_bytes_max = uint64_t{1} << 40;
  auto [a, b] = MakePair(&runtime_);
  Options client = options;
  client.role = Role::kClient;
  stream_ = std::make_unique<Stream>(&runtime_, std::move(b), options);
  Stream peer(&runtime_, std::move(a), client);
  // One mebibyte in about a kibibyte, all of it in the buffer at once.
  ASSERT_THAT(peer.SendText(std::string(1 << 20, 'x'), kNow), IsOk());
  EXPECT_EQ(Part(10), "[xxxxxxxxxx");
  EXPECT_EQ(Part(10), "xxxxxxxxxx");
  EXPECT_GT(stream_->lower()->buffered(), 500u);
  EXPECT_EQ(Drop(), absl::StrCat(1 << 20));
  EXPECT_EQ(stream_->lower()->buffered(), 0u);
}

TEST_F(StreamPartsTest, DetachDropsWhatIsLeft) {
  for (const bool deflate : {false, true}) {
    Connect(deflate ? WithDeflate() : Options());
    FromPeer((deflate ? FromClient().Frame({.first_byte = 0xc1, .payload = kHello}).str()
                      : FromClient().Text("Hello").str()) +
             FromClient().Text("more").Close(1000).str() + "plain");
    EXPECT_EQ(Part(2), "[He");
    auto lower = stream_->Detach(1000, "", kNow);
    ASSERT_THAT(lower, IsOk());
    EXPECT_EQ((*lower)->buffered(), 5u);
  }
}

// Random messages, cut at random, received at random in every way.
TEST_F(StreamPartsTest, MixesWithOtherReceives) {
  for (const bool deflate : {false, true}) {
    for (uint32_t seed = 1; seed <= 20; ++seed) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << " deflate " << deflate);
      std::mt19937 random(seed);
      Options options = deflate ? WithDeflate() : Options();
      options.send_frame_bytes_max = 1 + random() % 5000;
      options.message_bytes_max = 100'000;
      options.streamed_message_bytes_max = 200'000;
      auto [a, b] = MakePair(&runtime_, {.capacity_bytes = 3000});
      Options client = options;
      client.role = Role::kClient;
      Stream peer(&runtime_, std::move(a), client);
      stream_ = std::make_unique<Stream>(
          &runtime_, BytestreamPtr(new ChoppyBytestream(std::move(b), seed)), options);
      std::vector<std::string> messages;
      for (int i = 0; i < 30; ++i) {
        messages.push_back(Compressible(random() % 3 == 0 ? random() % 40'000 : random() % 50, i));
      }
      Bundle bundle(&runtime_);
      ASSERT_THAT(bundle.Go([&] {
        for (const std::string& message : messages) {
          ASSERT_THAT(peer.SendText(message, kNever), IsOk());
        }
        ASSERT_THAT(peer.Done(1000, "", kNever), IsOk());
      }),
                  IsOk());
      for (const std::string& expected : messages) {
        std::string got;
        bool by_parts = false;
        for (bool done = false; !done;) {
          const Deadline deadline = random() % 2 == 0 ? kNow : kNever;
          switch (by_parts ? 0 : random() % 4) {
            case 0: {
              std::string room(1 + random() % 5000, '\0');
              const bool view = random() % 2 == 0;
              auto part = view ? stream_->ReceivePartView(deadline)
                               : stream_->ReceivePart(AsMutableBytes(room), deadline);
              if (part.ok()) {
                ASSERT_TRUE(part->has_value());
                ASSERT_EQ((*part)->first, got.empty());
                got += std::string(AsChars((*part)->payload));
                done = (*part)->last;
              } else {
                ASSERT_THAT(part, IsErrno(ETIMEDOUT));
                ASSERT_EQ(runtime_.Yield(), 0);
              }
              by_parts = true;
              break;
            }
            case 1: {
              auto message = stream_->ReceiveView(deadline);
              if (!message.ok()) {
                ASSERT_THAT(message, IsErrno(ETIMEDOUT));
                break;
              }
              got = std::string((*message)->text());
              done = true;
              break;
            }
            default: {
              std::string room(50'000, '\0');
              const IoSpan list(room.data(), room.size());
              auto info = stream_->Receive(absl::MakeConstSpan(&list, 1), deadline);
              if (!info.ok()) {
                ASSERT_THAT(info, IsErrno(ETIMEDOUT));
                break;
              }
              got = room.substr(0, (*info)->size);
              done = true;
              break;
            }
          }
        }
        ASSERT_TRUE(got == expected) << got.size() << " " << expected.size();
      }
      EXPECT_EQ(Part(10, kNever), "closed 1000");
      EXPECT_EQ(bundle.Wait(kNever), 0);
    }
  }
}

// What a part has left of its payload is in the lower stream, which a send may have broken since.
TEST_F(StreamPartsTest, TheConnectionBreaksBetweenParts) {
  for (const bool drop : {false, true}) {
    PairOptions pair;
    pair.send_tail_bytes_max = 10;
    Connect(WithDeflate(), pair);
    // 1,000 bytes that are not compressed (RFC 1951 section 3.2.4), so that most of them are left.
    const std::string stored =
        Bytes({0x00, 0xe8, 0x03, 0x17, 0xfc}) + std::string(1000, 'x') + Bytes({0x00});
    FromPeer(FromClient().Frame({.first_byte = 0xc1, .payload = stored}));
    EXPECT_EQ(Part(10), "[xxxxxxxxxx");
    const std::string tail(20, 't');
    const IoSlice slice(tail);
    while (stream_->lower()->Write(absl::MakeConstSpan(&slice, 1), false, kNow).ok()) {
    }
    EXPECT_THAT(stream_->lower()->WriteTail(absl::MakeConstSpan(&slice, 1)), IsErrno(ECONNRESET));
    if (drop) {
      EXPECT_THAT(stream_->Discard(kNow), IsErrno(ECONNRESET));
    } else {
      EXPECT_EQ(Part(10), absl::StrCat("errno ", ECONNRESET));
    }
  }
}

}  // namespace
}  // namespace halfpipe::websocket
