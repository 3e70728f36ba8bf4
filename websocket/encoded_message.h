#ifndef HALFPIPE_WEBSOCKET_ENCODED_MESSAGE_H_
#define HALFPIPE_WEBSOCKET_ENCODED_MESSAGE_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "websocket/core/frame_header.h"
#include "websocket/deflate/deflate_params.h"
#include "websocket/options.h"
#include "websocket/stream.h"

namespace halfpipe::websocket {

class EncodedMessage;

// A share in an EncodedMessage, which goes with the last one. Copies are cheap and may be made and
// dropped by any thread.
class EncodedMessageRef {
 public:
  EncodedMessageRef() = default;
  EncodedMessageRef(const EncodedMessageRef& other);
  EncodedMessageRef(EncodedMessageRef&& other) noexcept
      : message_(std::exchange(other.message_, nullptr)) {}
  EncodedMessageRef& operator=(EncodedMessageRef other) noexcept {
    std::swap(message_, other.message_);
    return *this;
  }
  ~EncodedMessageRef();

  explicit operator bool() const { return message_ != nullptr; }
  EncodedMessage* operator->() const { return message_; }
  EncodedMessage& operator*() const { return *message_; }

 private:
  friend class EncodedMessage;
  // Takes over the reference that a new message is made with.
  explicit EncodedMessageRef(EncodedMessage* message) : message_(message) {}

  EncodedMessage* message_ = nullptr;
};

// One message of a server as it stands on the wire, made once for any number of connections: a
// server's frames are not masked (RFC 6455 section 5.1), so all of them send the same bytes. For
// those with compression there is one compressed form for each size of window, made when the first
// of them asks for it and refering to nothing before it (RFC 7692 section 7.2.3.2), so that it too
// is the same for all.
//
// Immutable to its users; any thread may read it.
//
// Example:
//   absl::StatusOr<EncodedMessageRef> tick = EncodedMessage::Make(MessageType::kText, "42");
//   if (tick.ok()) connection.Enqueue(*tick);
class EncodedMessage {
 public:
  // The most that a connection which takes a part of the message only has to keep (the tail) is the
  // bound of a message: header and payload.
  static constexpr size_t kEncodedBytesMax = Bytestream::kDefaultSendTailBytesMax;
  static constexpr size_t kPayloadBytesMax = kEncodedBytesMax - kMaxFrameHeaderSize;

  // Copies the payload, once. `deflate` says how the compressed forms are made, if they are:
  // level, mem_level and compress_bytes_min.
  //   EINVAL    text that is not UTF-8
  //   EMSGSIZE  above kPayloadBytesMax
  //   ENOMEM
  static absl::StatusOr<EncodedMessageRef> Make(MessageType type, absl::Span<const IoSlice> slices,
                                                Compress compress = Compress::kAuto,
                                                const DeflateOptions& deflate = {});
  static absl::StatusOr<EncodedMessageRef> Make(MessageType type, absl::string_view payload,
                                                Compress compress = Compress::kAuto,
                                                const DeflateOptions& deflate = {});

  EncodedMessage(const EncodedMessage&) = delete;
  EncodedMessage& operator=(const EncodedMessage&) = delete;

  MessageType type() const { return type_; }

  // The frame for connections without compression; as long as the message.
  absl::Span<const uint8_t> plain() const { return absl::MakeConstSpan(bytes_, size_); }
  absl::Span<const uint8_t> payload() const { return plain().subspan(header_size_); }

  // The frame for connections whose peer keeps a window of 2^`window_bits` (8..15) bytes or more.
  // Empty: compressing it does not pay, or there was no memory for it; it goes as it is. The first
  // call for a window compresses, on the thread that makes it.
  absl::Span<const uint8_t> Compressed(uint8_t window_bits);

  // How many compressed forms have been made so far.
  int compressions() const { return compressions_.load(std::memory_order_relaxed); }

 private:
  friend class EncodedMessageRef;

  struct Form {
    bool made = false;
    uint8_t* bytes = nullptr;  // from malloc; null: does not pay
    size_t size = 0;
  };

  EncodedMessage(MessageType type, Compress compress, const DeflateOptions& deflate)
      : type_(type), compress_(compress), deflate_(deflate) {}
  ~EncodedMessage();

  void Unref();
  void MakeForm(uint8_t window_bits, Form* form);

  const MessageType type_;
  const Compress compress_;
  const DeflateOptions deflate_;
  std::atomic<uint32_t> references_ = 1;
  std::atomic<int> compressions_ = 0;
  uint8_t* bytes_ = nullptr;  // from malloc
  size_t size_ = 0;
  size_t header_size_ = 0;
  std::mutex mutex_;  // of the forms, while one is made
  std::array<Form, kMaxWindowBits - kMinWindowBits + 1> forms_;
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_ENCODED_MESSAGE_H_
