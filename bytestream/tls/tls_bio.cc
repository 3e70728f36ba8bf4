#include "bytestream/tls/tls_bio.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"

namespace halfpipe {

// One table for the process, made on first use; null if memory failed then.
const BIO_METHOD* TlsBio::Method() {
  static const BIO_METHOD* const kMethod = [] {
    BIO_METHOD* const method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "bytestream");
    if (method == nullptr) return method;
    BIO_meth_set_read_ex(method, ReadEx);
    BIO_meth_set_write_ex(method, WriteEx);
    BIO_meth_set_ctrl(method, Control);
    return method;
  }();
  return kMethod;
}

BIO* TlsBio::NewBio() {
  const BIO_METHOD* const method = Method();
  BIO* const bio = method != nullptr ? BIO_new(method) : nullptr;
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  return bio;
}

int TlsBio::ReadEx(BIO* bio, char* data, size_t size, size_t* count) {
  TlsBio* const self = static_cast<TlsBio*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  *count = 0;
  const absl::StatusOr<absl::Span<uint8_t>> bytes = self->lower_->Peek(0, Deadline::Immediately());
  if (!bytes.ok() || bytes->empty()) {
    // Also a stream that has failed: whoever drives finds that when it fetches.
    self->wanted_ = std::max<size_t>(size, 1);
    BIO_set_retry_read(bio);
    return 0;
  }
  *count = std::min(size, bytes->size());
  std::memcpy(data, bytes->data(), *count);
  self->lower_->Consume(*count);
  return 1;
}

int TlsBio::WriteEx(BIO* bio, const char* data, size_t size, size_t* count) {
  TlsBio* const self = static_cast<TlsBio*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  *count = size;
  if (self->write_error_ != 0) return 1;
  const IoSlice slice(data, size);
  self->write_error_ = StatusErrno(self->lower_->WriteTail(absl::MakeConstSpan(&slice, 1)));
  return 1;
}

long TlsBio::Control(BIO*, int command, long, void*) {  // NOLINT: OpenSSL's types
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

}  // namespace halfpipe
