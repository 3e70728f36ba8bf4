#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "websocket/core/mask_key.h"
#include "websocket/core/masked_text.h"
#include "websocket/core/utf8.h"

namespace halfpipe::websocket {
namespace {

constexpr absl::string_view kWords[] = {
    "plain ascii words ",                     // ASCII.
    "na\xc3\xafve caf\xc3\xa9, all right. ",  // Mostly ASCII.
    "\xe4\xbd\xa0\xe5\xa5\xbd",               // Three bytes each.
    "\xf0\x9f\x98\x80",                       // Four bytes each.
};

std::string Text(size_t kind, size_t size) {
  std::string text;
  while (text.size() < size) text.append(kWords[kind].data(), kWords[kind].size());
  return text;
}

// Arguments: the kind of text, an index of kWords; the size in bytes.
void BM_Validate(benchmark::State& state) {
  const std::string text = Text(state.range(0), state.range(1));
  for (auto _ : state) {
    if (!IsUtf8(text)) {
      state.SkipWithError("refused");
      break;
    }
  }
  state.SetBytesProcessed(state.iterations() * text.size());
}
BENCHMARK(BM_Validate)->ArgsProduct({{0, 1, 2, 3}, {16, 32, 1024, 65536}});

void BM_UnmaskAndValidate(benchmark::State& state) {
  std::string text = Text(state.range(0), state.range(1));
  const absl::Span<uint8_t> bytes(reinterpret_cast<uint8_t*>(text.data()), text.size());
  // A key of zeroes costs the same and leaves the text well-formed for the next turn.
  for (auto _ : state) {
    Utf8Validator validator;
    if (!UnmaskAndValidate(bytes, MaskKey{}, 0, &validator)) {
      state.SkipWithError("refused");
      break;
    }
  }
  state.SetBytesProcessed(state.iterations() * text.size());
}
BENCHMARK(BM_UnmaskAndValidate)->ArgsProduct({{0, 1, 2}, {1024, 65536, 1 << 20}});

}  // namespace
}  // namespace halfpipe::websocket
