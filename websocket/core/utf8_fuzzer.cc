// The validator agrees with the table of the Unicode Standard, whole, byte by byte, and in two
// pieces cut wherever the first byte says.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/types/span.h"
#include "websocket/core/utf8.h"
#include "websocket/testing/utf8_reference.h"

namespace {

using namespace halfpipe::websocket;  // NOLINT

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto text = absl::MakeConstSpan(data + 1, size - 1);
  const Utf8Judgement expected = JudgeUtf8Slowly(text);
  const bool well_formed = expected.bytes_to_tell == SIZE_MAX;

  Utf8Validator whole;
  Require(whole.Validate(text) == well_formed);
  Require(whole.Finish() == (well_formed && expected.complete));

  Utf8Validator bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    Require(bytes.Validate(text.subspan(i, 1)) == (i + 1 < expected.bytes_to_tell));
  }
  Require(bytes.Finish() == whole.Finish());

  const size_t cut = text.empty() ? 0 : data[0] % text.size();
  Utf8Validator pieces;
  Require(pieces.Validate(text.first(cut)) == (cut < expected.bytes_to_tell));
  Require(pieces.Validate(text.subspan(cut)) == well_formed);
  Require(pieces.Finish() == whole.Finish());
  return 0;
}
