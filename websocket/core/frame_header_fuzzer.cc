// Any bytes, read by either role: whatever is accepted is written back as the same bytes, and the
// answer does not depend on how many of the bytes have come.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "absl/types/span.h"
#include "websocket/core/frame_header.h"
#include "websocket/core/protocol_error.h"
#include "websocket/core/role.h"

namespace {

using namespace halfpipe::websocket;  // NOLINT

void Require(bool condition) {
  if (!condition) std::abort();
}

void Check(absl::Span<const uint8_t> in, FrameRules rules) {
  FrameHeader header;
  size_t consumed = 0, needed = 0;
  ProtocolError error;
  const DecodeStatus status = ParseFrameHeader(in, rules, &header, &consumed, &needed, &error);
  if (status == DecodeStatus::kDone) {
    uint8_t out[kMaxFrameHeaderSize];
    Require(SerializeFrameHeader(header, absl::MakeSpan(out)) == consumed);
    Require(std::memcmp(out, in.data(), consumed) == 0);
  } else if (status == DecodeStatus::kNeedMore) {
    Require(needed > in.size() && needed <= kMaxFrameHeaderSize);
  }
  for (size_t size = 0; size < in.size() && size <= kMaxFrameHeaderSize; ++size) {
    FrameHeader part;
    size_t part_consumed = 0, part_needed = 0;
    ProtocolError part_error;
    switch (
        ParseFrameHeader(in.first(size), rules, &part, &part_consumed, &part_needed, &part_error)) {
      case DecodeStatus::kDone:
        Require(status == DecodeStatus::kDone && part == header && part_consumed == consumed);
        break;
      case DecodeStatus::kInvalid:
        Require(status == DecodeStatus::kInvalid && part_error.what == error.what);
        break;
      case DecodeStatus::kNeedMore:
        Require(part_needed > size);
        if (status == DecodeStatus::kDone) Require(part_needed <= consumed);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto in = absl::MakeConstSpan(data, size);
  Check(in, Role::kClient);
  Check(in, Role::kServer);
  Check(in, {Role::kServer, kRsv1});
  return 0;
}
