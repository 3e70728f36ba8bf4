#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "websocket/core/mask_key.h"
#include "websocket/core/masking.h"

namespace halfpipe::websocket {
namespace {

constexpr MaskKey kKey = {0x37, 0xfa, 0x21, 0x3d};

// Argument: bytes of payload.
void BM_MaskInPlace(benchmark::State& state) {
  std::vector<uint8_t> data(state.range(0), 'x');
  for (auto _ : state) {
    Mask(absl::MakeSpan(data), kKey, 1);
    benchmark::DoNotOptimize(data.data());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_MaskInPlace)->Arg(7)->Arg(32)->Arg(125)->Arg(1024)->Arg(16384)->Arg(1 << 20);

template <void (*kCopy)(uint8_t*, absl::Span<const uint8_t>, MaskKey, uint64_t)>
void BM_MaskCopy(benchmark::State& state) {
  const std::vector<uint8_t> src(state.range(0), 'x');
  std::vector<uint8_t> dst(src.size());
  for (auto _ : state) {
    kCopy(dst.data(), src, kKey, 1);
    benchmark::DoNotOptimize(dst.data());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK_TEMPLATE(BM_MaskCopy, &MaskCopy)->Arg(125)->Arg(1024)->Arg(16384)->Arg(1 << 20);
BENCHMARK_TEMPLATE(BM_MaskCopy, &masking_internal::MaskCopyBaseline)->Arg(16384);

// The loop of RFC 6455 section 5.3, to compare with.
void BM_MaskByteByByte(benchmark::State& state) {
  std::vector<uint8_t> data(state.range(0), 'x');
  for (auto _ : state) {
    for (size_t i = 0; i < data.size(); ++i) {
      data[i] ^= kKey[i % 4];
      benchmark::ClobberMemory();
    }
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_MaskByteByByte)->Arg(16384);

}  // namespace
}  // namespace halfpipe::websocket
