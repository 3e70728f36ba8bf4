// A Close payload that is accepted may be sent, and is written back as the same bytes.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "absl/types/span.h"
#include "websocket/core/close_code.h"
#include "websocket/core/protocol_error.h"

namespace {

using namespace halfpipe::websocket;  // NOLINT

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > kMaxControlPayload) size = kMaxControlPayload;
  ClosePayload close;
  ProtocolError error;
  if (!ParseClosePayload(absl::MakeConstSpan(data, size), &close, &error)) {
    Require(size > 0);
    Require(error.close_code == kCloseProtocolError || error.close_code == kCloseBadPayload);
    Require(error.close_code == kCloseProtocolError || size > 2);
    return 0;
  }
  const uint16_t code = size == 0 ? 0 : close.code;
  Require(size != 0 || close.code == kCloseNoStatus);
  Require(CheckCloseArguments(code, close.reason) == CloseArgument::kOk);
  uint8_t out[kMaxControlPayload];
  Require(SerializeClosePayload(code, close.reason, absl::MakeSpan(out)) == size);
  Require(size == 0 || std::memcmp(out, data, size) == 0);
  return 0;
}
