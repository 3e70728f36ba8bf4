#include "websocket/core/utf8.h"

#include <array>
#include <cstddef>
#include <cstring>

namespace halfpipe::websocket {
namespace {

// A table-driven automaton. A state is a multiple of six; table[byte] holds, at that bit position,
// the six-bit state that `byte` leads to. So one step is a load and a shift, without a branch, and
// the load does not wait for the step before it.
//
//   state       expects
//   reject      nothing, for ever
//   accept      the first byte of a character
//   one, two,   one, two or three continuation bytes 80..BF
//   three
//   after E0    A0..BF, then one (below are overlong forms)
//   after ED    80..9F, then one (above are surrogates)
//   after F0    90..BF, then two (below are overlong forms)
//   after F4    80..8F, then two (above is U+110000)
enum State : uint64_t {
  kReject = 0,
  kAccept = 6,
  kOne = 12,
  kTwo = 18,
  kThree = 24,
  kAfterE0 = 30,
  kAfterEd = 36,
  kAfterF0 = 42,
  kAfterF4 = 48,
};

constexpr uint64_t kStateMask = 63;

struct Range {
  unsigned first;
  unsigned last;
};

constexpr uint64_t StateAfterLead(unsigned byte) {
  if (byte <= 0x7F) return kAccept;
  if (byte >= 0xC2 && byte <= 0xDF) return kOne;
  if (byte == 0xE0) return kAfterE0;
  if (byte == 0xED) return kAfterEd;
  if (byte >= 0xE1 && byte <= 0xEF) return kTwo;
  if (byte == 0xF0) return kAfterF0;
  if (byte >= 0xF1 && byte <= 0xF3) return kThree;
  if (byte == 0xF4) return kAfterF4;
  return kReject;
}

constexpr uint64_t Step(unsigned byte, Range allowed, State from, State to) {
  return byte >= allowed.first && byte <= allowed.last ? uint64_t{to} << from : 0;
}

constexpr std::array<uint64_t, 256> MakeTable() {
  std::array<uint64_t, 256> table{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    table[byte] =
        StateAfterLead(byte) << kAccept | Step(byte, {0x80, 0xBF}, kOne, kAccept) |
        Step(byte, {0x80, 0xBF}, kTwo, kOne) | Step(byte, {0x80, 0xBF}, kThree, kTwo) |
        Step(byte, {0xA0, 0xBF}, kAfterE0, kOne) | Step(byte, {0x80, 0x9F}, kAfterEd, kOne) |
        Step(byte, {0x90, 0xBF}, kAfterF0, kTwo) | Step(byte, {0x80, 0x8F}, kAfterF4, kTwo);
  }
  return table;
}

constexpr std::array<uint64_t, 256> kTable = MakeTable();

constexpr uint64_t kHighBits = 0x8080808080808080;

template <typename Word>
Word Load(const uint8_t* in) {
  Word word;
  std::memcpy(&word, in, sizeof(word));
  return word;
}

bool IsAscii32(const uint8_t* in) {
  uint64_t words[4];
  std::memcpy(words, in, sizeof words);
  return ((words[0] | words[1] | words[2] | words[3]) & kHighBits) == 0;
}

// Fewer than 32 bytes: short texts are the most frequent ones. What is no multiple of a word is
// looked at twice in part.
bool IsShortAscii(const uint8_t* in, size_t size) {
  uint64_t seen = 0;
  const uint8_t* const end = in + size;
  if (size >= 8) {
    for (; end - in >= 8; in += 8) seen |= Load<uint64_t>(in);
    seen |= Load<uint64_t>(end - 8);
  } else if (size >= 4) {
    seen = Load<uint32_t>(in) | Load<uint32_t>(end - 4);
  } else if (size > 0) {
    seen = static_cast<unsigned>(in[0] | in[size / 2] | in[size - 1]);
  }
  return (seen & kHighBits) == 0;
}

uint64_t Run(uint64_t state, const uint8_t* in, size_t size) {
  // The shift needs no mask but C++'s own rule: the processor takes the low six bits.
  for (size_t i = 0; i < size; ++i) state = kTable[in[i]] >> (state & kStateMask);
  return state & kStateMask;
}

}  // namespace

bool Utf8Validator::Validate(absl::Span<const uint8_t> piece) {
  static_assert(Utf8Validator::kReject == State::kReject);
  static_assert(Utf8Validator::kAccept == State::kAccept);
  constexpr size_t kBlock = 32;
  uint64_t state = state_;
  const uint8_t* in = piece.data();
  size_t left = piece.size();
  for (; left >= kBlock; in += kBlock, left -= kBlock) {
    if (state == kAccept && IsAscii32(in)) continue;
    state = Run(state, in, kBlock);
  }
  if (state != kAccept || !IsShortAscii(in, left)) state = Run(state, in, left);
  state_ = static_cast<uint8_t>(state);
  return state != kReject;
}

bool IsUtf8(absl::string_view text) {
  Utf8Validator validator;
  return validator.Validate(
             absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size())) &&
         validator.Finish();
}

}  // namespace halfpipe::websocket
