// The events of a stream of bytes do not depend on how the bytes are cut, nor on whether payload is
// unmasked in place or while it is copied. Messages that come through are UTF-8 if they are text,
// and keep to the limits. The first byte of the input says the role and the limits, the second
// seeds the cuts, the rest is the wire.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "websocket/core/message_receiver.h"
#include "websocket/core/opcode.h"
#include "websocket/core/role.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/utf8_reference.h"

namespace {

using namespace halfpipe::websocket;  // NOLINT
using Kind = ReceiveEvent::Kind;

void Require(bool condition) {
  if (!condition) std::abort();
}

class Cuts {
 public:
  // A seed of 0 gives everything at once.
  explicit Cuts(uint32_t seed) : state_(seed) {}
  size_t Next() {
    if (state_ == 0) return SIZE_MAX;
    state_ = state_ * 1664525 + 1013904223;
    return 1 + (state_ >> 24) % 17;
  }

 private:
  uint32_t state_;
};

struct Feed {
  absl::Span<const uint8_t> wire;
  Cuts cuts;
  bool copy;
  size_t position = 0;
  size_t available = 0;

  // Reads on until `size` bytes are there; false at the end.
  bool Have(size_t size) {
    while (available - position < size) {
      if (available == wire.size()) return false;
      available += std::min(cuts.Next(), wire.size() - available);
    }
    return true;
  }
  absl::Span<const uint8_t> Ready() const { return wire.subspan(position, available - position); }
};

std::string Run(const MessageReceiver::Options& options, Feed feed) {
  MessageReceiver receiver(options);
  std::string trace;
  std::string message;
  for (;;) {
    const ReceiveEvent event = receiver.Next();
    switch (event.kind) {
      case Kind::kNeedHeader: {
        if (!feed.Have(event.min_bytes)) {
          // A breach may show in fewer bytes than a whole header.
          if (!feed.Ready().empty()) Require(receiver.OnHeader(feed.Ready()) == 0);
          if (receiver.failed()) break;
          return absl::StrCat(trace, "|end in ", receiver.in_message() ? "message" : "gap");
        }
        const size_t used = receiver.OnHeader(feed.Ready());
        Require(used <= feed.Ready().size());
        feed.position += used;
        break;
      }
      case Kind::kNeedPayload: {
        Require(event.message_bytes == message.size());
        if (!feed.Have(1)) return absl::StrCat(trace, "|end in payload ", message);
        const size_t size = std::min<uint64_t>(event.frame_bytes_left, feed.Ready().size());
        const auto src = feed.Ready().first(size);
        std::string piece(size, '\0');
        if (feed.copy) {
          receiver.OnPayloadCopy(AsMutableBytes(piece).data(), src);
        } else {
          piece = std::string(AsChars(src));
          receiver.OnPayload(AsMutableBytes(piece));
        }
        message += piece;
        feed.position += size;
        break;
      }
      case Kind::kNeedControl: {
        if (!feed.Have(1)) return absl::StrCat(trace, "|end in control");
        const auto src = feed.Ready().first(std::min(event.min_bytes, feed.Ready().size()));
        receiver.OnControl(src);
        feed.position += src.size();
        break;
      }
      case Kind::kMessageEnd: {
        Require(event.message_bytes == message.size());
        Require(message.size() <= options.message_bytes_max);
        const Utf8Judgement utf8 = JudgeUtf8Slowly(AsBytes(message));
        Require(event.opcode != Opcode::kText || (utf8.bytes_to_tell == SIZE_MAX && utf8.complete));
        absl::StrAppend(&trace, "|", OpcodeName(event.opcode), " ", message);
        message.clear();
        break;
      }
      case Kind::kSendPong:
      case Kind::kPong:
        absl::StrAppend(&trace, event.kind == Kind::kPong ? "|pong " : "|ping ",
                        AsChars(event.payload));
        break;
      case Kind::kPeerClosed:
        return absl::StrCat(trace, "|closed ", event.close_code, " ", event.reason(), "@",
                            feed.position);
      case Kind::kFail:
        return absl::StrCat(trace, "|fail ", event.error.close_code, " ", event.error.what);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  MessageReceiver::Options options;
  options.role = (data[0] & 1) != 0 ? Role::kServer : Role::kClient;
  if ((data[0] & 2) != 0) options.message_bytes_max = 64;
  if ((data[0] & 4) != 0) options.frame_bytes_max = 32;
  const auto wire = absl::MakeConstSpan(data + 2, size - 2);
  const std::string whole = Run(options, {wire, Cuts(0), false});
  Require(Run(options, {wire, Cuts(0), true}) == whole);
  Require(Run(options, {wire, Cuts(data[1] + 1u), false}) == whole);
  Require(Run(options, {wire, Cuts(data[1] + 1000u), true}) == whole);
  return 0;
}
