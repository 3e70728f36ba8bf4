#include "websocket/encoded_message.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>

#include "absl/strings/str_cat.h"
#include "bytestream/base/errno_status.h"
#include "websocket/core/mask_key.h"
#include "websocket/core/message_sender.h"
#include "websocket/core/role.h"
#include "websocket/core/utf8.h"
#include "websocket/deflate/deflater.h"
#include "websocket/deflate/zlib_memory.h"
#include "websocket/message_type.h"

namespace halfpipe::websocket {
EncodedMessageRef::EncodedMessageRef(const EncodedMessageRef& other) : message_(other.message_) {
  if (message_ != nullptr) message_->references_.fetch_add(1, std::memory_order_relaxed);
}

EncodedMessageRef::~EncodedMessageRef() {
  if (message_ != nullptr) message_->Unref();
}

absl::StatusOr<EncodedMessageRef> EncodedMessage::Make(MessageType type, absl::string_view payload,
                                                       Compress compress,
                                                       const DeflateOptions& deflate) {
  const IoSlice slice(payload);
  return Make(type, absl::MakeConstSpan(&slice, 1), compress, deflate);
}

absl::StatusOr<EncodedMessageRef> EncodedMessage::Make(MessageType type,
                                                       absl::Span<const IoSlice> slices,
                                                       Compress compress,
                                                       const DeflateOptions& deflate) {
  const size_t payload_size = TotalSize(slices);
  if (payload_size > kPayloadBytesMax) {
    return ErrnoStatus(EMSGSIZE, absl::StrCat("a message for many of ", payload_size,
                                              " bytes exceeds ", kPayloadBytesMax));
  }
  auto* const message = new (std::nothrow) EncodedMessage(type, compress, deflate);
  if (message == nullptr) return ErrnoStatus(ENOMEM, "no memory for a message");
  EncodedMessageRef owner(message);
  message->bytes_ = static_cast<uint8_t*>(std::malloc(kMaxFrameHeaderSize + payload_size));
  if (message->bytes_ == nullptr) return ErrnoStatus(ENOMEM, "no memory for a message");
  MessageSender sender(Role::kServer);
  sender.Begin(OpcodeOf(type));
  message->header_size_ = sender.NextFrame(payload_size, /*fin=*/true, MaskKey{},
                                           absl::MakeSpan(message->bytes_, kMaxFrameHeaderSize));
  message->size_ = message->header_size_;
  for (const IoSlice& slice : slices) {
    if (slice.size == 0) continue;
    std::memcpy(message->bytes_ + message->size_, slice.data, slice.size);
    message->size_ += slice.size;
  }
  if (type == MessageType::kText) {
    Utf8Validator text;
    if (!text.Validate(message->payload()) || !text.Finish()) {
      return ErrnoStatus(EINVAL, "a text message must be UTF-8");
    }
  }
  return owner;
}

EncodedMessage::~EncodedMessage() {
  for (const Form& form : forms_) std::free(form.bytes);
  std::free(bytes_);
}

void EncodedMessage::Unref() {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

absl::Span<const uint8_t> EncodedMessage::Compressed(uint8_t window_bits) {
  if (compress_ == Compress::kNever || window_bits < kMinWindowBits ||
      window_bits > kMaxWindowBits) {
    return {};
  }
  if (compress_ == Compress::kAuto && payload().size() < deflate_.compress_bytes_min) return {};
  const std::lock_guard<std::mutex> lock(mutex_);
  Form& form = forms_[window_bits - kMinWindowBits];
  if (!form.made) MakeForm(window_bits, &form);
  return absl::MakeConstSpan(form.bytes, form.size);
}

// Compresses into as much room as the plain frame takes: what needs more does not pay.
void EncodedMessage::MakeForm(uint8_t window_bits, Form* form) {
  form->made = true;
  ZlibMemory memory;
  Deflater deflater({.window_bits = window_bits,
                     .context_takeover = false,
                     .level = deflate_.level,
                     .mem_level = deflate_.mem_level},
                    &memory);
  const size_t room = payload().size();
  if (room <= Deflater::kOutputBytesMin) return;
  auto* const bytes = static_cast<uint8_t*>(std::malloc(kMaxFrameHeaderSize + room));
  if (bytes == nullptr) return;
  // The header is as long as the size of the result wants; the result is laid behind the longest.
  const absl::Span<uint8_t> out(bytes + kMaxFrameHeaderSize, room);
  absl::Span<const uint8_t> in = payload();
  size_t filled = 0;
  Deflater::Result result;
  do {
    if (out.size() - filled < Deflater::kOutputBytesMin) break;
    result = deflater.Deflate(in, /*last=*/true, out.subspan(filled));
    in.remove_prefix(result.consumed);
    filled += result.produced;
  } while (result.status == Deflater::Status::kNeedOutput);
  compressions_.fetch_add(1, std::memory_order_relaxed);
  if (result.status != Deflater::Status::kDone) {
    std::free(bytes);
    return;
  }
  MessageSender sender(Role::kServer);
  sender.Begin(OpcodeOf(type_), kRsv1);
  uint8_t header[kMaxFrameHeaderSize];
  const size_t header_size =
      sender.NextFrame(filled, /*fin=*/true, MaskKey{}, absl::MakeSpan(header));
  std::memcpy(bytes, header, header_size);
  std::memmove(bytes + header_size, out.data(), filled);
  form->size = header_size + filled;
  auto* const fitting = static_cast<uint8_t*>(std::realloc(bytes, form->size));
  form->bytes = fitting != nullptr ? fitting : bytes;
}

}  // namespace halfpipe::websocket
