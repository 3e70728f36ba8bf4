#ifndef HALFPIPE_WEBSOCKET_TESTING_CONFORMANCE_RUNNER_H_
#define HALFPIPE_WEBSOCKET_TESTING_CONFORMANCE_RUNNER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "bytestream/runtime/runtime.h"
#include "websocket/core/role.h"
#include "websocket/testing/conformance/case.h"
#include "websocket/testing/play.h"

namespace halfpipe::websocket::conformance {

// How the endpoint under test receives.
enum class Mode : uint8_t { kView, kFill, kDiscard, kPart, kPartView };
inline constexpr Mode kModes[] = {Mode::kView, Mode::kFill, Mode::kDiscard, Mode::kPart,
                                  Mode::kPartView};

// How the peer's bytes are cut.
struct Cuts {
  enum class Kind : uint8_t { kWhole, kSingle, kSeeded };

  Kind kind = Kind::kWhole;
  uint32_t seed = 0;
};
std::vector<std::string> CutAs(const Cuts& cuts, const std::string& bytes);

std::vector<Role> RolesOf(const Case& row);

// What a run of `row` should bring, in words: the events, then the frames that are sent. Payloads
// that are long are told by their size and a checksum. By Discard() messages have a size alone.
std::string Expected(const Case& row, Mode mode);

// What a run brings, in the same words; what a strict peer finds wrong with our bytes is at its
// end.
//
// Replay: the peer has said everything already (ReplayBytestream). Play: it is a coroutine of its
// own that writes piece by piece, at the other end of what `connect` makes.
std::string Replay(Runtime* runtime, const Case& row, Role role, Mode mode, const Cuts& cuts);
// The bytes alone that are sent.
std::string ReplayForWire(Runtime* runtime, const Case& row, Role role, Mode mode,
                          const Cuts& cuts);
std::string Play(Runtime* runtime, const Case& row, Role role, Mode mode, const Cuts& cuts,
                 const Connect& connect);

}  // namespace halfpipe::websocket::conformance

#endif  // HALFPIPE_WEBSOCKET_TESTING_CONFORMANCE_RUNNER_H_
