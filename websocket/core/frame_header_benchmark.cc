#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "websocket/core/frame_header.h"
#include "websocket/core/opcode.h"
#include "websocket/core/protocol_error.h"
#include "websocket/core/role.h"

namespace halfpipe::websocket {
namespace {

FrameHeader Header(uint64_t size) {
  FrameHeader header;
  header.opcode = Opcode::kBinary;
  header.masked = true;
  header.mask_key = {1, 2, 3, 4};
  header.payload_size = size;
  return header;
}

// Arguments: the payload's size, one for each form of the length.
void BM_Parse(benchmark::State& state) {
  uint8_t wire[kMaxFrameHeaderSize];
  SerializeFrameHeader(Header(state.range(0)), absl::MakeSpan(wire));
  FrameHeader header;
  size_t consumed = 0, needed = 0;
  ProtocolError error;
  for (auto _ : state) {
    benchmark::DoNotOptimize(wire);
    if (ParseFrameHeader(wire, Role::kServer, &header, &consumed, &needed, &error) !=
        DecodeStatus::kDone) {
      state.SkipWithError("refused");
      break;
    }
    benchmark::DoNotOptimize(header);
  }
}
BENCHMARK(BM_Parse)->Arg(5)->Arg(1000)->Arg(100000);

void BM_Serialize(benchmark::State& state) {
  const FrameHeader header = Header(state.range(0));
  uint8_t wire[kMaxFrameHeaderSize];
  for (auto _ : state) {
    benchmark::DoNotOptimize(SerializeFrameHeader(header, absl::MakeSpan(wire)));
    benchmark::DoNotOptimize(wire);
  }
}
BENCHMARK(BM_Serialize)->Arg(5)->Arg(1000)->Arg(100000);

}  // namespace
}  // namespace halfpipe::websocket
