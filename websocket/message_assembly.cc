#include "websocket/message_assembly.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "bytestream/base/errno_status.h"

namespace halfpipe::websocket {
namespace {

constexpr size_t kFirstCapacity = 1024;

}  // namespace

absl::Status MessageBudget::Reserve(size_t bytes, bool has_part, Deadline deadline) {
  if (bytes > bytes_max_) return ErrnoStatus(ENOMEM, "more than all messages may take");
  const bool first = with_part_.empty() && (has_part || without_.empty());
  if (first && bytes <= available_) {
    Take(bytes);
    return absl::OkStatus();
  }
  Request request;
  request.bytes = bytes;
  (has_part ? with_part_ : without_).PushBack(&request);
  const int error = runtime_->Wait(&request.waiter, deadline);
  if (error == 0) return absl::OkStatus();
  request.link.Unlink();
  // It may have stood before one that wants less.
  Grant();
  return ErrnoStatus(error, "waiting for memory for a message");
}

void MessageBudget::Take(size_t bytes) {
  available_ -= bytes;
  in_use_->Add(bytes);
}

void MessageBudget::Release(size_t bytes) {
  available_ += bytes;
  in_use_->Subtract(bytes);
  Grant();
}

// What is granted counts, whatever becomes of the waiting coroutine.
void MessageBudget::Grant() {
  for (;;) {
    Request* const next = with_part_.empty() ? without_.Front() : with_part_.Front();
    if (next == nullptr || next->bytes > available_) return;
    next->link.Unlink();
    Take(next->bytes);
    runtime_->Wake(&next->waiter);
  }
}

absl::Status MessageAssembly::Append(absl::Span<const uint8_t> part, Deadline deadline) {
  if (part.size() > capacity_ - size_) {
    if (absl::Status status = Grow(size_ + part.size(), deadline); !status.ok()) return status;
  }
  if (!part.empty()) std::memcpy(bytes_ + size_, part.data(), part.size());
  size_ += part.size();
  return absl::OkStatus();
}

// Doubles, so that adding is linear; but the budget's last bytes are for what is there.
absl::Status MessageAssembly::Grow(size_t size, Deadline deadline) {
  if (size > budget_->bytes_max()) {
    return ErrnoStatus(ENOMEM, absl::StrCat("a message of ", size, " bytes and more exceeds the ",
                                            budget_->bytes_max(), " of all messages"));
  }
  size_t capacity = std::max({size, 2 * capacity_, kFirstCapacity});
  if (capacity - capacity_ > budget_->available()) capacity = size;
  const size_t more = capacity - capacity_;
  if (absl::Status status = budget_->Reserve(more, capacity_ > 0, deadline); !status.ok()) {
    return status;
  }
  auto* const bytes = static_cast<uint8_t*>(std::realloc(bytes_, capacity));
  if (bytes == nullptr) {
    budget_->Release(more);
    return ErrnoStatus(ENOMEM, "no memory for a message");
  }
  bytes_ = bytes;
  capacity_ = capacity;
  return absl::OkStatus();
}

void MessageAssembly::Clear() {
  if (bytes_ == nullptr) return;
  std::free(bytes_);
  budget_->Release(capacity_);
  bytes_ = nullptr;
  size_ = capacity_ = 0;
}

}  // namespace halfpipe::websocket
