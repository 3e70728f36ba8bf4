// Heads from anywhere.  Input: one byte of options, one byte that seeds the cuts, the wire.
//
// Holds for each input:
//   - what is found does not depend on how the bytes are cut (whole, byte by byte, seeded cuts);
//   - work is at most two looks at each byte;
//   - an accepted head ends with its empty line, within its limits, and each of its field lines is
//     one that ParseFieldLine accepts;
//   - written again by the serializer and parsed, it is the same head.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "http/core/grammar.h"
#include "http/core/head_error.h"
#include "http/core/head_parser.h"
#include "http/core/head_serializer.h"
#include "http/core/header_list.h"
#include "http/core/limits.h"
#include "http/core/message.h"

namespace halfpipe::http {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

std::string StartLineOf(const RequestHead& head) {
  return std::string(head.method) + "\n" + std::string(head.target) + "\n";
}

std::string StartLineOf(const ResponseHead& head) {
  return std::to_string(head.status) + "\n" + std::string(TrimOws(head.reason)) + "\n";
}

// A head in words; the version apart, because what we write is always HTTP/1.1.
template <typename Head>
std::string Describe(const Head& head) {
  std::string text = StartLineOf(head);
  for (const Field& field : head.fields) {
    text += std::string(field.name) + ":" + std::string(field.value) + "\n";
  }
  return text;
}

struct Outcome {
  ParseResult result;
  int version_minor = -1;
  std::string head;

  bool operator==(const Outcome& other) const {
    return result.status == other.result.status && result.consumed == other.result.consumed &&
           result.error == other.result.error && version_minor == other.version_minor &&
           head == other.head;
  }
};

// Feeds the wire in steps of `step(size so far)` bytes, each time in a block of its exact size.
template <typename Parser, typename Head, typename Step>
Outcome Feed(absl::string_view wire, const Limits& limits, Step step) {
  Parser parser(limits);
  Outcome outcome;
  for (size_t size = step(); size < wire.size() + 1; size += step()) {
    const std::unique_ptr<char[]> block(new char[size]);
    if (size != 0) std::memcpy(block.get(), wire.data(), size);
    Head head;
    outcome.result = parser.Parse(absl::string_view(block.get(), size), &head);
    Require(parser.bytes_examined() <= 2 * size);
    if (outcome.result.status == ParseStatus::kDone) {
      outcome.version_minor = head.version_minor;
      outcome.head = Describe(head);
    }
    if (outcome.result.status != ParseStatus::kNeedMore) return outcome;
    Require(outcome.result.min_bytes > size);
    Require(outcome.result.min_bytes <= limits.head_bytes_max);
    if (size == wire.size()) break;
  }
  return outcome;
}

WriteStatus WriteStartLine(const RequestHead& head, HeadSerializer* out) {
  return out->WriteRequestLine(head.method, head.target);
}

WriteStatus WriteStartLine(const ResponseHead& head, HeadSerializer* out) {
  return out->WriteStatusLine(head.status, head.reason);
}

template <typename Parser, typename Head>
void CheckAccepted(absl::string_view wire, const Limits& limits) {
  Parser parser(limits);
  Head head;
  const ParseResult result = parser.Parse(wire, &head);
  if (result.status != ParseStatus::kDone) return;
  Require(result.consumed <= limits.head_bytes_max && result.consumed <= wire.size());
  Require(absl::EndsWith(wire.substr(0, result.consumed), "\r\n\r\n"));
  Require(head.version_minor >= 0 && head.version_minor <= 9);

  // At most one byte per line is added: the space behind a colon or behind a status code.
  std::vector<char> buffer(2 * result.consumed + 2);
  HeadSerializer out(absl::MakeSpan(buffer));
  WriteStartLine(head, &out);
  size_t count = 0;
  for (const Field& field : head.fields) {
    const std::string line = std::string(field.name) + ": " + std::string(field.value);
    Field again;
    Require(ParseFieldLine(line, &again) == HeadError::kNone);
    Require(again.name == field.name && again.value == field.value);
    Require(head.fields.Count(field.name) >= 1);
    for (absl::string_view member : head.fields.Members(field.name)) {
      Require(!member.empty() && head.fields.HasToken(field.name, member));
    }
    out.WriteField(field.name, field.value);
    ++count;
  }
  Require(count <= limits.field_count_max);
  Require(out.WriteEnd() == WriteStatus::kOk);
  Require(out.size_needed() == out.written().size());

  Limits wide;
  wide.head_bytes_max = wide.start_line_bytes_max = wide.field_line_bytes_max = buffer.size();
  Parser again(wide);
  Head reread;
  Require(again.Parse(out.written(), &reread).status == ParseStatus::kDone);
  Require(reread.version_minor == 1);
  Require(Describe(reread) == Describe(head));
}

template <typename Parser, typename Head>
void Check(absl::string_view wire, const Limits& limits, uint8_t seed) {
  const Outcome whole = Feed<Parser, Head>(wire, limits, [&] { return wire.size(); });
  bool first = true;
  const Outcome bytes = Feed<Parser, Head>(wire, limits, [&]() -> size_t {
    const bool was_first = first;
    first = false;
    return was_first ? 0 : 1;
  });
  uint32_t state = seed;
  size_t taken = 0;
  const Outcome cuts = Feed<Parser, Head>(wire, limits, [&]() -> size_t {
    state = state * 1664525u + 1013904223u;
    const size_t left = wire.size() - taken;
    const size_t step = std::min<size_t>(left, 1 + (state >> 24) % 40);
    taken += step;
    return step;
  });
  Require(bytes == whole);
  Require(cuts == whole);
  CheckAccepted<Parser, Head>(wire, limits);
}

}  // namespace
}  // namespace halfpipe::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace halfpipe::http;  // NOLINT: the entry point cannot be in the namespace.
  if (size < 2 || size > 4096) return 0;
  Limits limits;
  if ((data[0] & 2) != 0) limits.head_bytes_max = 64;
  if ((data[0] & 4) != 0) limits.start_line_bytes_max = 24;
  if ((data[0] & 8) != 0) limits.field_line_bytes_max = 16;
  if ((data[0] & 16) != 0) limits.field_count_max = 2;
  const absl::string_view wire = AsText(absl::MakeConstSpan(data + 2, size - 2));
  if ((data[0] & 1) == 0) {
    Check<RequestHeadParser, RequestHead>(wire, limits, data[1]);
  } else {
    Check<ResponseHeadParser, ResponseHead>(wire, limits, data[1]);
  }
  return 0;
}
