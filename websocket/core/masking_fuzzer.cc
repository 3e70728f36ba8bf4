// Masking in place, copying, and in two pieces agrees with the loop of RFC 6455 section 5.3. The
// input is four bytes of key, one of offset, one of where to cut, then the payload.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "absl/types/span.h"
#include "websocket/core/mask_key.h"
#include "websocket/core/masking.h"

namespace {

using namespace halfpipe::websocket;  // NOLINT

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 6) return 0;
  const MaskKey key = {data[0], data[1], data[2], data[3]};
  const uint64_t offset = data[4];
  const auto payload = absl::MakeConstSpan(data + 6, size - 6);
  const size_t cut = payload.empty() ? 0 : data[5] % payload.size();

  std::vector<uint8_t> expected(payload.begin(), payload.end());
  for (size_t i = 0; i < expected.size(); ++i) expected[i] ^= key[(offset + i) % 4];

  std::vector<uint8_t> copied(payload.size());
  MaskCopy(copied.data(), payload, key, offset);
  Require(copied == expected);

  std::vector<uint8_t> baseline(payload.size());
  masking_internal::MaskCopyBaseline(baseline.data(), payload, key, offset);
  Require(baseline == expected);

  std::vector<uint8_t> pieces(payload.begin(), payload.end());
  Mask(absl::MakeSpan(pieces).first(cut), key, offset);
  Mask(absl::MakeSpan(pieces).subspan(cut), key, offset + cut);
  Require(pieces == expected);
  return 0;
}
