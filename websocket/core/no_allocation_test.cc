// Nothing on the way of data allocates: receiver, sender, masking, UTF-8, close payloads.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "websocket/core/frame_header.h"
#include "websocket/core/message_receiver.h"
#include "websocket/core/message_sender.h"
#include "websocket/core/opcode.h"
#include "websocket/core/role.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/wire_builder.h"

namespace {
size_t allocations = 0;
}  // namespace

void* operator new(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  std::abort();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace halfpipe::websocket {
namespace {

TEST(NoAllocationTest, TheCounterCounts) {
  const size_t before = allocations;
  std::string text(100, 'x');
  EXPECT_EQ(text.size(), 100u);
  EXPECT_EQ(allocations, before + 1);
}

TEST(NoAllocationTest, ReceivingAndSendingAllocateNothing) {
  std::string wire = WireBuilder(Role::kClient)
                         .Text("gr\xc3\xbc\xc3\x9f", WireBuilder::kMore)
                         .Ping("p")
                         .Continuation(std::string(5000, 'x'))
                         .Binary(std::string(70000, 'y'))
                         .Close(1000, "bye");
  const size_t before = allocations;

  MessageReceiver receiver({.role = Role::kServer});
  MessageSender sender(Role::kServer);
  absl::Span<uint8_t> rest = AsMutableBytes(wire);
  uint8_t out[kMaxControlFrameSize];
  size_t messages = 0, pongs = 0;
  ReceiveEvent event;
  while (event.kind != ReceiveEvent::Kind::kPeerClosed) {
    event = receiver.Next();
    size_t used = 0;
    switch (event.kind) {
      case ReceiveEvent::Kind::kNeedHeader:
        used = receiver.OnHeader(rest);
        break;
      case ReceiveEvent::Kind::kNeedPayload:
        used = event.frame_bytes_left;
        receiver.OnPayload(rest.first(used));
        break;
      case ReceiveEvent::Kind::kNeedControl:
        used = event.min_bytes;
        receiver.OnControl(rest.first(used));
        break;
      case ReceiveEvent::Kind::kMessageEnd:
        ++messages;
        sender.Begin(event.opcode);
        sender.NextFrame(event.message_bytes, true, {}, absl::MakeSpan(out));
        break;
      case ReceiveEvent::Kind::kSendPong:
        ++pongs;
        sender.ControlFrame(Opcode::kPong, event.payload, {}, absl::MakeSpan(out));
        break;
      case ReceiveEvent::Kind::kPong:
      case ReceiveEvent::Kind::kPeerClosed:
        break;
      case ReceiveEvent::Kind::kFail:
        FAIL() << event.error.what;
    }
    rest.remove_prefix(used);
  }

  EXPECT_EQ(allocations, before);
  EXPECT_EQ(messages, 2u);
  EXPECT_EQ(pongs, 1u);
  EXPECT_EQ(event.reason(), "bye");
  EXPECT_TRUE(rest.empty());
}

}  // namespace
}  // namespace halfpipe::websocket
