#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "websocket/core/frame_header.h"
#include "websocket/core/message_receiver.h"
#include "websocket/core/message_sender.h"
#include "websocket/core/opcode.h"
#include "websocket/core/role.h"

namespace halfpipe::websocket {
namespace {

constexpr size_t kMessages = 100;

// Masked messages of `size` bytes, one after the other. The key is zero: unmasking costs the same,
// and the wire can be read again.
std::vector<uint8_t> Wire(Opcode opcode, size_t size) {
  std::vector<uint8_t> wire;
  MessageSender sender(Role::kClient);
  for (size_t i = 0; i < kMessages; ++i) {
    uint8_t header[kMaxFrameHeaderSize];
    sender.Begin(opcode);
    const size_t header_size = sender.NextFrame(size, true, {}, absl::MakeSpan(header));
    wire.insert(wire.end(), header, header + header_size);
    wire.insert(wire.end(), size, 'x');
  }
  return wire;
}

// Reads a buffer of pipelined messages in place; one iteration is 100 messages.
void BM_Receive(benchmark::State& state, Opcode opcode) {
  std::vector<uint8_t> wire = Wire(opcode, state.range(0));
  for (auto _ : state) {
    MessageReceiver receiver({.role = Role::kServer});
    size_t position = 0, messages = 0;
    while (messages < kMessages) {
      const ReceiveEvent event = receiver.Next();
      const absl::Span<uint8_t> rest = absl::MakeSpan(wire).subspan(position);
      if (event.kind == ReceiveEvent::Kind::kNeedHeader) {
        position += receiver.OnHeader(rest);
      } else if (event.kind == ReceiveEvent::Kind::kNeedPayload) {
        const size_t size = std::min<uint64_t>(event.frame_bytes_left, rest.size());
        receiver.OnPayload(rest.first(size));
        position += size;
      } else if (event.kind == ReceiveEvent::Kind::kMessageEnd) {
        ++messages;
      } else {
        state.SkipWithError("refused");
        return;
      }
    }
  }
  state.SetItemsProcessed(state.iterations() * kMessages);
  state.SetBytesProcessed(state.iterations() * wire.size());
}
BENCHMARK_CAPTURE(BM_Receive, text, Opcode::kText)
    ->Arg(0)
    ->Arg(16)
    ->Arg(125)
    ->Arg(1024)
    ->Arg(65536);
BENCHMARK_CAPTURE(BM_Receive, binary, Opcode::kBinary)->Arg(16)->Arg(1024)->Arg(65536);

}  // namespace
}  // namespace halfpipe::websocket
