// Inflating equals one-shot zlib, and no cut of input or output changes anything: not the message,
// not what came before a fault, not the fault. The first byte of the input seeds the cuts, the
// second says the bounds, the third the size of a message; the rest are messages.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "websocket/deflate/inflate_reference.h"
#include "websocket/deflate/inflater.h"
#include "websocket/deflate/zlib_memory.h"
#include "websocket/testing/bytes.h"

namespace {

using namespace halfpipe::websocket;  // NOLINT
using Status = Inflater::Status;

// Bombs are not to slow the fuzzer down.
constexpr size_t kBytesMax = 20'000;

void Require(bool condition) {
  if (!condition) std::abort();
}

class Cuts {
 public:
  // A seed of 0 gives everything at once.
  explicit Cuts(uint32_t seed) : state_(seed) {}
  size_t Next(size_t least) {
    if (state_ == 0) return SIZE_MAX;
    state_ = state_ * 1664525 + 1013904223;
    return least + (state_ >> 24) % 300 / (1 + (state_ >> 20) % 16 * 10);
  }

 private:
  uint32_t state_;
};

std::string Inflate(Inflater* inflater, absl::string_view payload, Cuts cuts) {
  std::string message;
  std::string out(kBytesMax + 1, '\0');
  absl::Span<const uint8_t> rest = AsBytes(payload);
  for (bool ask = false;;) {
    const absl::Span<const uint8_t> piece = rest.first(std::min(cuts.Next(1), rest.size()));
    const size_t room = ask ? 0 : std::min(cuts.Next(1), out.size());
    const bool last = piece.size() == rest.size();
    const Inflater::Result result = inflater->Inflate(piece, last, AsMutableBytes(out).first(room));
    Require(result.consumed <= piece.size() && result.produced <= room);
    message.append(out, 0, result.produced);
    rest.remove_prefix(result.consumed);
    if (result.status == Status::kDone) {
      Require(rest.empty());
      return absl::StrCat("good:", message);
    }
    if (result.status == Status::kFailed) {
      return absl::StrCat("bad:", message, "!", result.error.close_code, result.error.what);
    }
    Require(result.status == (result.produced < room ? Status::kNeedInput : result.status));
    Require(result.status != Status::kNoMemory);
    if (result.status == Status::kNeedInput) Require(!last && result.consumed == piece.size());
    ask = !ask && result.status == Status::kNeedInput;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3 || size > 20'000) return 0;
  const size_t message_size = 1 + size_t{data[2]} * 4;
  Inflater::Options options;
  options.message_bytes_max = kBytesMax;
  Inflater::Options bounded;
  bounded.message_bytes_max = 100 + data[1] % 16 * 1000;
  bounded.ratio_max = data[1] >> 4;
  bounded.ratio_floor_bytes = data[1] * 20;
  ZlibMemory memory;
  InflateReference reference;
  Inflater whole(options, &memory);
  Inflater cut(options, &memory);
  Inflater bounded_whole(bounded, &memory);
  Inflater bounded_cut(bounded, &memory);
  absl::string_view wire = AsChars(absl::MakeConstSpan(data + 3, size - 3));
  do {
    const absl::string_view payload = wire.substr(0, message_size);
    wire.remove_prefix(payload.size());
    const std::string expected = Inflate(&whole, payload, Cuts(0));
    Require(Inflate(&cut, payload, Cuts(data[0] + 1)) == expected);
    Require(Inflate(&bounded_cut, payload, Cuts(data[0] + 1)) ==
            Inflate(&bounded_whole, payload, Cuts(0)));
    const std::optional<std::string> one_shot = reference.Inflate(payload, kBytesMax);
    Require(one_shot.has_value() == (expected.substr(0, 5) == "good:"));
    if (!one_shot.has_value()) return 0;
    Require(expected.substr(5) == *one_shot);
  } while (!wire.empty());
  Require(memory.bytes_in_use <= 4 * InflaterMemoryMax(15));
  return 0;
}
