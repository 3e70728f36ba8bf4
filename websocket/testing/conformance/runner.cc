#include "websocket/testing/conformance/runner.h"

#include <algorithm>
#include <cerrno>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/entropy.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "websocket/core/protocol_error_status.h"
#include "websocket/options.h"
#include "websocket/stream.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/replay_bytestream.h"
#include "websocket/testing/wire_reader.h"

namespace halfpipe::websocket::conformance {
namespace {

constexpr uint64_t kEntropySeed = 20110;

// Nothing waits for anything but its own coroutines: this long is for ever.
Deadline ForEver() { return Deadline::In(absl::Seconds(120)); }

std::string Show(absl::string_view payload) {
  if (payload.size() <= 80) return absl::CHexEscape(payload);
  uint32_t checksum = 0;
  for (const char c : payload) checksum = checksum * 31 + static_cast<uint8_t>(c);
  return absl::StrCat(absl::CHexEscape(payload.substr(0, 8)), "... ", payload.size(),
                      " bytes, checksum ", checksum);
}

std::string ShowSize(bool text, size_t size) {
  return absl::StrCat(text ? "text" : "binary", " of ", size);
}

std::string ShowMessage(bool text, absl::string_view payload, Mode mode) {
  if (mode == Mode::kDiscard) return ShowSize(text, payload.size());
  return absl::StrCat(text ? "text " : "binary ", Show(payload));
}

std::string ShowEvent(const Event& event, Mode mode) {
  switch (event.kind) {
    case Event::Kind::kText:
    case Event::Kind::kBinary:
      return ShowMessage(event.kind == Event::Kind::kText, event.payload, mode);
    case Event::Kind::kSent:
      return absl::StrCat("sent ", event.code);
    case Event::Kind::kClosed:
      return absl::StrCat("closed ", event.code, " ", Show(event.payload));
    case Event::Kind::kFailed:
      return absl::StrCat("failed ", event.code);
    case Event::Kind::kReset:
      return "reset";
  }
  return "";
}

// A Close is told by its code: what a reason says is for people.
std::string ShowClose(int code) { return absl::StrCat("close ", code); }

std::string ShowFrame(const WireFrame& frame) {
  if (frame.first_byte == 0x88) {
    const auto byte = [&frame](size_t i) { return static_cast<uint8_t>(frame.payload[i]); };
    return ShowClose(frame.payload.size() < 2 ? kCloseNoCode : byte(0) * 256 + byte(1));
  }
  return absl::StrCat("frame ", absl::Hex(frame.first_byte, absl::kZeroPad2), " ",
                      Show(frame.payload));
}

// ---- The endpoint under test --------------------------------------------------------------------

absl::Status Do(const Action& action, Stream* stream) {
  const IoSlice slice(absl::string_view(action.payload));
  const auto slices = absl::MakeConstSpan(&slice, 1);
  switch (action.kind) {
    case Action::Kind::kText:
      return stream->Send(MessageType::kText, slices, action.compress, ForEver());
    case Action::Kind::kBinary:
      return stream->Send(MessageType::kBinary, slices, action.compress, ForEver());
    case Action::Kind::kPing:
      return stream->Ping(AsBytes(action.payload), ForEver());
    case Action::Kind::kDone:
      return stream->Done(action.code, action.payload, ForEver());
  }
  return absl::OkStatus();
}

// Room for all that `row` speaks of, so that nothing is refused for lack of it.
size_t FillBytes(const Case& row) {
  uint64_t size = row.options.deflate_params.has_value() ? 150'000 : 70'000;
  for (const Event& event : row.events) size += event.payload.size();
  for (const Frame& frame : row.in) {
    const bool announces = frame.announced_size != UINT64_MAX;
    size += announces ? std::min<uint64_t>(frame.announced_size, 300'000) : frame.payload.size();
  }
  return static_cast<size_t>(size);
}

// Receives one message part by part, in small pieces or as it lies. Nothing at the peer's Close.
absl::StatusOr<std::optional<std::string>> ReceiveParts(Stream* stream, Mode mode) {
  std::string payload;
  uint8_t memory[100];
  for (bool first = true;; first = false) {
    auto part = mode == Mode::kPart ? stream->ReceivePart(absl::MakeSpan(memory), ForEver())
                                    : stream->ReceivePartView(ForEver());
    if (!part.ok()) return part.status();
    if (!part->has_value()) return std::optional<std::string>();
    if ((*part)->first != first) return std::optional<std::string>("first is wrong");
    absl::StrAppend(&payload, AsChars((*part)->payload));
    if (!(*part)->last) continue;
    return std::optional<std::string>(
        ShowMessage((*part)->type == MessageType::kText, payload, mode));
  }
}

// Receives one message and shows it; or shows how receiving has ended and sets *ended.
std::string ReceiveOne(Stream* stream, Mode mode, std::string* memory, bool* ended) {
  absl::Status status;
  if (mode == Mode::kView) {
    auto view = stream->ReceiveView(ForEver());
    if (view.ok() && view->has_value()) {
      return ShowMessage((*view)->type == MessageType::kText, (*view)->text(), mode);
    }
    status = view.status();
  } else if (mode == Mode::kPart || mode == Mode::kPartView) {
    auto shown = ReceiveParts(stream, mode);
    if (shown.ok() && shown->has_value()) return **shown;
    status = shown.status();
  } else {
    // Pieces of odd sizes: a payload goes on over them wherever it was cut.
    char* const data = &(*memory)[0];
    const IoSpan list[] = {IoSpan(data, 1), IoSpan(data + 1, 6), IoSpan(data + 7, 0),
                           IoSpan(data + 7, memory->size() - 7)};
    auto info = mode == Mode::kFill ? stream->Receive(list, ForEver()) : stream->Discard(ForEver());
    if (info.ok() && info->has_value()) {
      const bool text = (*info)->type == MessageType::kText;
      if (mode == Mode::kDiscard) return ShowSize(text, (*info)->size);
      return ShowMessage(text, absl::string_view(data, (*info)->size), mode);
    }
    status = info.status();
  }
  *ended = true;
  if (status.ok()) {
    const std::optional<CloseInfo> close = stream->peer_close();
    if (!close.has_value()) return "ended without a Close";
    return absl::StrCat("closed ", close->code, " ", Show(close->reason));
  }
  if (StatusErrno(status) == EPROTO) {
    return absl::StrCat("failed ", CloseCodeOf(status).value_or(0));
  }
  if (StatusErrno(status) == ECONNRESET) return "reset";
  return absl::StrCat("errno ", StatusErrno(status), " ", status.message());
}

std::string RunEndpoint(Runtime* runtime, const Case& row, Role role, Mode mode,
                        BytestreamPtr lower) {
  FakeEntropy entropy(kEntropySeed);
  Options options = row.options;
  options.role = role;
  options.entropy = &entropy;
  Stream stream(runtime, std::move(lower), options);
  std::string seen;
  for (const Action& action : row.first) {
    absl::StrAppend(&seen, "sent ", StatusErrno(Do(action, &stream)), "\n");
  }
  std::string memory(mode == Mode::kFill ? FillBytes(row) : 8, '?');
  for (bool ended = false; !ended;) {
    absl::StrAppend(&seen, ReceiveOne(&stream, mode, &memory, &ended), "\n");
  }
  for (const Action& action : row.after) {
    absl::StrAppend(&seen, "sent ", StatusErrno(Do(action, &stream)), "\n");
  }
  // The orderly end, so that no transport takes away what was sent. How it ends is not of interest.
  static_cast<void>(stream.Close(1000, "", ForEver()));
  return seen;
}

// ---- Its output ---------------------------------------------------------------------------------

// Masking keys are those of the entropy, in its order, and none is used twice.
std::string JudgeKeys(const std::vector<WireFrame>& frames) {
  FakeEntropy entropy(kEntropySeed);
  for (const WireFrame& frame : frames) {
    MaskKey key{};
    int tries = 0;
    do {
      entropy.Fill(absl::MakeSpan(key));
    } while (key != frame.mask_key && ++tries < 16);
    if (key != frame.mask_key) return "a masking key that is not fresh from the entropy\n";
  }
  return "";
}

std::string ShowOutput(const Case& row, Role role, absl::string_view wire) {
  const WireContent content = ReadWire(wire, role, row.options.deflate_params.has_value());
  std::string shown;
  for (const WireFrame& frame : content.frames) shown += ShowFrame(frame) + "\n";
  if (!content.breach.empty()) absl::StrAppend(&shown, "breach: ", content.breach, "\n");
  if (role == Role::kClient) shown += JudgeKeys(content.frames);
  return shown;
}

}  // namespace

std::vector<std::string> CutAs(const Cuts& cuts, const std::string& bytes) {
  switch (cuts.kind) {
    case Cuts::Kind::kWhole:
      return OnePiece(bytes);
    case Cuts::Kind::kSingle: {
      // Of long streams the beginning and the end; the middle is all alike.
      constexpr size_t kEdge = 600;
      if (bytes.size() <= 2 * kEdge) return SingleBytes(bytes);
      std::vector<std::string> pieces = SingleBytes(bytes.substr(0, kEdge));
      for (size_t at = kEdge; at < bytes.size() - kEdge; at += 1021) {
        pieces.push_back(bytes.substr(at, std::min<size_t>(1021, bytes.size() - kEdge - at)));
      }
      for (std::string& piece : SingleBytes(bytes.substr(bytes.size() - kEdge))) {
        pieces.push_back(std::move(piece));
      }
      return pieces;
    }
    case Cuts::Kind::kSeeded:
      return SeededPieces(bytes, cuts.seed);
  }
  return {};
}

std::vector<Role> RolesOf(const Case& row) {
  switch (row.roles) {
    case Roles::kServer:
      return {Role::kServer};
    case Roles::kClient:
      return {Role::kClient};
    case Roles::kBoth:
      return {Role::kServer, Role::kClient};
  }
  return {};
}

std::string Expected(const Case& row, Mode mode) {
  std::string text;
  for (const Event& event : row.events) text += ShowEvent(event, mode) + "\n";
  for (const Frame& frame : row.out) {
    text += ShowFrame({.first_byte = frame.first_byte, .payload = frame.payload}) + "\n";
  }
  if (const int code = CloseOut(row); code != kNoClose) text += ShowClose(code) + "\n";
  return text;
}

std::string Replay(Runtime* runtime, const Case& row, Role role, Mode mode, const Cuts& cuts) {
  const Role peer = role == Role::kServer ? Role::kClient : Role::kServer;
  Recorded recorded;
  BytestreamPtr lower(new ReplayBytestream(CutAs(cuts, WireOf(row.in, peer)), &recorded));
  const std::string seen = RunEndpoint(runtime, row, role, mode, std::move(lower));
  return seen + ShowOutput(row, role, recorded.written);
}

std::string ReplayForWire(Runtime* runtime, const Case& row, Role role, Mode mode,
                          const Cuts& cuts) {
  const Role peer = role == Role::kServer ? Role::kClient : Role::kServer;
  Recorded recorded;
  BytestreamPtr lower(new ReplayBytestream(CutAs(cuts, WireOf(row.in, peer)), &recorded));
  RunEndpoint(runtime, row, role, mode, std::move(lower));
  return recorded.written;
}

std::string Play(Runtime* runtime, const Case& row, Role role, Mode mode, const Cuts& cuts,
                 const Connect& connect) {
  const Role peer = role == Role::kServer ? Role::kClient : Role::kServer;
  std::string seen;
  const std::string written = PlayAgainst(
      runtime, connect, CutAs(cuts, WireOf(row.in, peer)),
      [&](BytestreamPtr lower) { seen = RunEndpoint(runtime, row, role, mode, std::move(lower)); });
  return seen + ShowOutput(row, role, written);
}

}  // namespace halfpipe::websocket::conformance
