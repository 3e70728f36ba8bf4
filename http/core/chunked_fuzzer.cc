// The chunked coding from anywhere.  Holds for each input: whole, byte by byte and cut where the first
// bytes say it gives the same content, end and error; no byte of a line is looked at twice; nothing
// beyond the end is taken; and the content, coded again, is read again.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "http/core/chunked.h"
#include "http/core/grammar.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

struct Outcome {
  halfpipe::http::ChunkedStatus status = halfpipe::http::ChunkedStatus::kNeedMore;
  std::string body;
  std::string error;
  size_t consumed = 0;

  bool operator==(const Outcome& other) const {
    return status == other.status && body == other.body && error == other.error &&
           consumed == other.consumed;
  }
};

// The text comes in pieces of `piece` bytes.
Outcome Read(absl::string_view text, size_t piece) {
  using halfpipe::http::ChunkedReader;
  using halfpipe::http::ChunkedStatus;
  using halfpipe::http::ChunkedStep;
  ChunkedReader reader;
  Outcome outcome;
  size_t need = 1;
  for (size_t end = piece < text.size() ? piece : text.size();;) {
    const absl::string_view buffered = text.substr(outcome.consumed, end - outcome.consumed);
    if (buffered.size() < need) {
      if (end == text.size()) {
        outcome.status = ChunkedStatus::kNeedMore;
        break;
      }
      end = text.size() - end < piece ? text.size() : end + piece;
      continue;
    }
    const ChunkedStep step = reader.Read(buffered);
    outcome.status = step.status;
    Require(step.consumed <= buffered.size());
    outcome.consumed += step.consumed;
    need = 1;
    if (step.status == ChunkedStatus::kData) {
      Require(!step.data.empty() && step.data.size() == step.consumed);
      outcome.body.append(step.data.data(), step.data.size());
    } else if (step.status == ChunkedStatus::kNeedMore) {
      Require(step.consumed == 0 && step.min_bytes > buffered.size());
      need = step.min_bytes;
    } else if (step.status == ChunkedStatus::kInvalid) {
      outcome.error = std::string(step.error);
      Require(!outcome.error.empty() && reader.Read(buffered).status == ChunkedStatus::kInvalid);
      break;
    } else if (step.status == ChunkedStatus::kDone) {
      break;
    }
  }
  Require(reader.bytes_examined() <= text.size());
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace halfpipe::http;  // NOLINT: the entry point cannot be in the namespace.
  const absl::string_view text = AsText(absl::MakeConstSpan(data, size));
  const Outcome whole = Read(text, size == 0 ? 1 : size);
  Require(Read(text, 1) == whole);
  if (size > 0) Require(Read(text, size_t{1} + data[0] % 13) == whole);
  if (whole.status != ChunkedStatus::kDone) return 0;

  Require(Read(text.substr(0, whole.consumed), whole.consumed) == whole);
  const std::string coded = whole.body.empty() ? std::string("0\r\n\r\n")
                                               : absl::StrCat(absl::Hex(whole.body.size()), "\r\n",
                                                              whole.body, "\r\n0\r\n\r\n");
  const Outcome again = Read(coded, coded.size());
  Require(again.status == ChunkedStatus::kDone && again.body == whole.body);
  Require(again.consumed == coded.size());
  return 0;
}
