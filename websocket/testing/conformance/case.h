#ifndef HALFPIPE_WEBSOCKET_TESTING_CONFORMANCE_CASE_H_
#define HALFPIPE_WEBSOCKET_TESTING_CONFORMANCE_CASE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "websocket/core/role.h"
#include "websocket/options.h"
#include "websocket/stream.h"
#include "websocket/testing/wire_builder.h"

namespace halfpipe::websocket::conformance {

// What the rules of RFC 6455 and RFC 7692 ask of an endpoint after the opening handshake, as data:
// a row says which frames the peer sends and what has to come of it. The runner (runner.h) plays
// each row in many ways.

// ---- Frames -------------------------------------------------------------------------------------

// One frame as it is on the wire before masking, or any bytes.
struct Frame {
  using LengthForm = WireBuilder::LengthForm;

  uint8_t first_byte = 0x81;  // FIN, reserved bits, opcode.
  std::string payload = {};
  LengthForm form = LengthForm::kShortest;
  uint64_t announced_size = UINT64_MAX;  // In place of the payload's size, if not UINT64_MAX.
  bool wrong_mask = false;               // Masked by a server, or not by a client.
  bool raw = false;                      // `payload` alone is sent, as it is.
};

inline Frame Any(int first_byte, std::string payload = "") {
  return {.first_byte = static_cast<uint8_t>(first_byte), .payload = std::move(payload)};
}
inline Frame Text(std::string payload) { return Any(0x81, std::move(payload)); }
inline Frame Binary(std::string payload) { return Any(0x82, std::move(payload)); }
// The first frame of a fragmented message.
inline Frame TextMore(std::string payload) { return Any(0x01, std::move(payload)); }
inline Frame BinaryMore(std::string payload) { return Any(0x02, std::move(payload)); }
// One in its midst, and its last one.
inline Frame More(std::string payload) { return Any(0x00, std::move(payload)); }
inline Frame Last(std::string payload) { return Any(0x80, std::move(payload)); }
inline Frame Ping(std::string payload = "") { return Any(0x89, std::move(payload)); }
inline Frame Pong(std::string payload = "") { return Any(0x8A, std::move(payload)); }
// A Close without a payload, with any, with a code and a reason.
inline Frame Close() { return Any(0x88); }
inline Frame CloseWith(std::string payload) { return Any(0x88, std::move(payload)); }
inline Frame Close(int code, absl::string_view reason = "") {
  std::string payload = {static_cast<char>(code / 256), static_cast<char>(code % 256)};
  payload.append(reason.data(), reason.size());
  return Any(0x88, std::move(payload));
}
// A header without the payload that it announces.
inline Frame Announce(int first_byte, uint64_t size,
                      Frame::LengthForm form = Frame::LengthForm::kShortest) {
  return {.first_byte = static_cast<uint8_t>(first_byte), .form = form, .announced_size = size};
}
inline Frame Raw(std::string bytes) { return {.payload = std::move(bytes), .raw = true}; }

// The bytes of `frames` as an endpoint of role `sender` sends them.
std::string WireOf(const std::vector<Frame>& frames, Role sender);

// ---- What the endpoint under test does and sees -------------------------------------------------

struct Event {
  enum class Kind : uint8_t {
    kText,    // A message came: `payload`.
    kBinary,  //
    kSent,    // An action was done, with errno `code`, 0 for success.
    kClosed,  // The peer's Close came: `code` (1005 for none) and `payload`, its reason.
    kFailed,  // The receive failed with EPROTO; the Close due is `code`.
    kReset,   // The receive failed with ECONNRESET: the stream ended without a Close.
  };

  Kind kind;
  std::string payload = {};
  int code = 0;
};

inline Event GotText(std::string payload) { return {Event::Kind::kText, std::move(payload)}; }
inline Event GotBinary(std::string payload) { return {Event::Kind::kBinary, std::move(payload)}; }
inline Event Sent(int error = 0) { return {Event::Kind::kSent, "", error}; }
inline Event Closed(int code, std::string reason = "") {
  return {Event::Kind::kClosed, std::move(reason), code};
}
inline Event Failed(int close_code) { return {Event::Kind::kFailed, "", close_code}; }
inline Event Reset() { return {Event::Kind::kReset}; }

// What the endpoint under test does by itself.
struct Action {
  enum class Kind : uint8_t { kText, kBinary, kPing, kDone };

  Kind kind;
  std::string payload = {};  // The reason, of kDone.
  int code = 0;              // Of kDone.
  Compress compress = Compress::kAuto;
};

inline Action SendText(std::string payload, Compress compress = Compress::kAuto) {
  return {Action::Kind::kText, std::move(payload), 0, compress};
}
inline Action SendBinary(std::string payload, Compress compress = Compress::kAuto) {
  return {Action::Kind::kBinary, std::move(payload), 0, compress};
}
inline Action SendPing(std::string payload = "") {
  return {Action::Kind::kPing, std::move(payload)};
}
inline Action SendClose(int code = 0, std::string reason = "") {
  return {Action::Kind::kDone, std::move(reason), code};
}

// ---- Rows ---------------------------------------------------------------------------------------

enum class Roles : uint8_t { kBoth, kServer, kClient };

inline constexpr int kNoClose = -1;     // We send none, or it is in `out`.
inline constexpr int kUsualClose = -2;  // What the last event asks for.
inline constexpr int kCloseNoCode = 0;  // An empty one.

struct Case {
  std::string name;                // Unique.
  std::string section;             // "6455 5.4", "7692 7.2.2".
  Roles roles = Roles::kBoth;      // Of the endpoint under test.
  std::vector<Action> first = {};  // What it does before it receives; each one is a kSent event.
  std::vector<Frame> in = {};      // What the peer sends; then its stream ends.
  std::vector<Event> events = {};
  std::vector<Action> after = {};  // What it does when it can receive no more; kSent events too.
  // What it sends, in order, without the Close at its end; for both roles, masking aside.
  std::vector<Frame> out = {};
  // The code of our Close, behind `out`. The usual one: of kFailed its code; of kClosed the peer's,
  // in answer; none for kReset.
  int close_out = kUsualClose;
  Options options = {};  // `role` and `entropy` are the runner's.
};

// The code that kUsualClose stands for, else close_out itself.
int CloseOut(const Case& row);

// The tables. Each has rows of one part of the rules.
std::vector<Case> FramingCases();
std::vector<Case> LengthCases();
std::vector<Case> FragmentationCases();
std::vector<Case> ControlCases();
std::vector<Case> Utf8Cases();
std::vector<Case> CloseCases();
std::vector<Case> LimitCases();
std::vector<Case> SendingCases();
std::vector<Case> DeflateCases();

// All of them.
std::vector<Case> AllCases();

}  // namespace halfpipe::websocket::conformance

#endif  // HALFPIPE_WEBSOCKET_TESTING_CONFORMANCE_CASE_H_
