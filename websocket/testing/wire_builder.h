#ifndef HALFPIPE_WEBSOCKET_TESTING_WIRE_BUILDER_H_
#define HALFPIPE_WEBSOCKET_TESTING_WIRE_BUILDER_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "websocket/core/mask_key.h"
#include "websocket/core/role.h"

namespace halfpipe::websocket {

// Puts frames together for tests, right or wrong ones (RFC 6455 section 5.2). Written apart from
// the production serializer, with numbers in place of its constants, so that one mistake cannot
// hide in both.
//
// Example, what a client that fragments a text might send:
//   WireBuilder(Role::kClient).Text("Hel", kMore).Ping("p").Continuation("lo").str()
class WireBuilder {
 public:
  // Whether a data frame ends its message.
  enum Fin : bool { kMore = false, kLast = true };

  // How the length is written. kShortest is the only legal one.
  enum class LengthForm : uint8_t { kShortest, k7, k16, k64 };

  // Everything about a frame.
  struct RawFrame {
    uint8_t first_byte = 0x81;  // FIN, reserved bits and opcode.
    LengthForm length_form = LengthForm::kShortest;
    // Announced in place of the payload's size, if not UINT64_MAX.
    uint64_t announced_size = UINT64_MAX;
    // Set the mask bit and mask, against what the role would do.
    bool flip_mask = false;
    absl::string_view payload = "";
  };

  // The frames of a client are masked with a fixed key (that of section 5.7), those of a server are
  // not.
  explicit WireBuilder(Role sender) : sender_(sender) {}

  // The key of the frames that follow.
  WireBuilder& Key(MaskKey key);

  WireBuilder& Text(absl::string_view payload, Fin fin = kLast);
  WireBuilder& Binary(absl::string_view payload, Fin fin = kLast);
  WireBuilder& Continuation(absl::string_view payload, Fin fin = kLast);
  WireBuilder& Ping(absl::string_view payload = "");
  WireBuilder& Pong(absl::string_view payload = "");

  // A Close without a payload; with a code and a reason, of any kind; with any payload.
  WireBuilder& Close();
  WireBuilder& Close(uint16_t code, absl::string_view reason = "");
  WireBuilder& CloseWithPayload(absl::string_view payload);

  WireBuilder& Frame(const RawFrame& frame);

  // A header alone, in the shortest form, with the mask bit and key that are due to the role.
  WireBuilder& Header(uint8_t first_byte, uint64_t announced_size);

  // Any bytes.
  WireBuilder& Raw(absl::string_view bytes);

  // What was put together so far.
  const std::string& str() const { return wire_; }
  operator std::string() const { return wire_; }  // NOLINT: implicit on purpose.

 private:
  const Role sender_;
  MaskKey key_ = {0x37, 0xfa, 0x21, 0x3d};
  std::string wire_;
};

// What a client sends, and what a server does.
//
// Example:
//   EXPECT_EQ(Sent(), FromServer().Text("Hello").Close(1000).str());
inline WireBuilder FromClient() { return WireBuilder(Role::kClient); }
inline WireBuilder FromServer() { return WireBuilder(Role::kServer); }

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_TESTING_WIRE_BUILDER_H_
