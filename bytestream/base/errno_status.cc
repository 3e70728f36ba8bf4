#include "bytestream/base/errno_status.h"

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <string>
#include <system_error>

#include "absl/strings/cord.h"

namespace halfpipe {
namespace {

struct Row {
  int error;
  absl::StatusCode code;
  const char* name;
};

// The first row of a code is the errno of a status that carries no payload.
constexpr Row kTable[] = {
    {EINVAL, absl::StatusCode::kInvalidArgument, "EINVAL"},
    {EPIPE, absl::StatusCode::kFailedPrecondition, "EPIPE"},
    {EBADF, absl::StatusCode::kFailedPrecondition, "EBADF"},
    {EBUSY, absl::StatusCode::kFailedPrecondition, "EBUSY"},
    {EDEADLK, absl::StatusCode::kFailedPrecondition, "EDEADLK"},
    {EAGAIN, absl::StatusCode::kFailedPrecondition, "EAGAIN"},
    {EADDRINUSE, absl::StatusCode::kAlreadyExists, "EADDRINUSE"},
    {EEXIST, absl::StatusCode::kAlreadyExists, "EEXIST"},
    {EADDRNOTAVAIL, absl::StatusCode::kNotFound, "EADDRNOTAVAIL"},
    {ENOENT, absl::StatusCode::kNotFound, "ENOENT"},
    {ENOTSUP, absl::StatusCode::kUnimplemented, "ENOTSUP"},
    {EAFNOSUPPORT, absl::StatusCode::kUnimplemented, "EAFNOSUPPORT"},
    {ETIMEDOUT, absl::StatusCode::kDeadlineExceeded, "ETIMEDOUT"},
    {ECANCELED, absl::StatusCode::kCancelled, "ECANCELED"},
    {ECONNRESET, absl::StatusCode::kUnavailable, "ECONNRESET"},
    {ECONNREFUSED, absl::StatusCode::kUnavailable, "ECONNREFUSED"},
    {ECONNABORTED, absl::StatusCode::kUnavailable, "ECONNABORTED"},
    {EHOSTUNREACH, absl::StatusCode::kUnavailable, "EHOSTUNREACH"},
    {ENETUNREACH, absl::StatusCode::kUnavailable, "ENETUNREACH"},
    {ENETDOWN, absl::StatusCode::kUnavailable, "ENETDOWN"},
    {EPROTO, absl::StatusCode::kInternal, "EPROTO"},
    {EMSGSIZE, absl::StatusCode::kResourceExhausted, "EMSGSIZE"},
    {ENOMEM, absl::StatusCode::kResourceExhausted, "ENOMEM"},
    {ENOBUFS, absl::StatusCode::kResourceExhausted, "ENOBUFS"},
    {EMFILE, absl::StatusCode::kResourceExhausted, "EMFILE"},
    {ENFILE, absl::StatusCode::kResourceExhausted, "ENFILE"},
    {ENOSPC, absl::StatusCode::kResourceExhausted, "ENOSPC"},
    {ETOOMANYREFS, absl::StatusCode::kResourceExhausted, "ETOOMANYREFS"},
    {EACCES, absl::StatusCode::kPermissionDenied, "EACCES"},
    {EPERM, absl::StatusCode::kPermissionDenied, "EPERM"},
};

constexpr absl::string_view kPayloadUrl = "halfpipe/errno";

const Row* FindRow(int error) {
  for (const Row& row : kTable) {
    if (row.error == error) return &row;
  }
  return nullptr;
}

}  // namespace

// The payload is text, so that a status that is printed says it: the name, or, of an errno without a
// row, the number.
absl::Status ErrnoStatus(int error, absl::string_view message) {
  if (error == 0) return absl::OkStatus();
  const Row* const row = FindRow(error);
  if (row != nullptr) {
    absl::Status status(row->code, message);
    status.SetPayload(kPayloadUrl, absl::Cord(row->name));
    return status;
  }
  absl::Status status(absl::StatusCode::kUnknown, message);
  char digits[16];
  const std::to_chars_result end = std::to_chars(digits, digits + sizeof(digits), error);
  status.SetPayload(kPayloadUrl,
                    absl::Cord(absl::string_view(digits, static_cast<size_t>(end.ptr - digits))));
  return status;
}

int StatusErrno(const absl::Status& status) {
  if (status.ok()) return 0;
  if (auto payload = status.GetPayload(kPayloadUrl); payload.has_value()) {
    for (const Row& row : kTable) {
      if (row.code == status.code() && *payload == row.name) return row.error;
    }
    const std::string text(*payload);
    int number = 0;
    const std::from_chars_result end =
        std::from_chars(text.data(), text.data() + text.size(), number);
    if (end.ec == std::errc() && end.ptr == text.data() + text.size() && number != 0) return number;
  }
  for (const Row& row : kTable) {
    if (row.code == status.code()) return row.error;
  }
  return EIO;
}

bool IsShortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS ||
         error == ENOSPC;
}

bool IsInterruption(const absl::Status& status) {
  const int error = StatusErrno(status);
  return error == ETIMEDOUT || error == ECANCELED || IsShortage(error);
}

absl::string_view ErrnoName(int error) {
  const Row* const row = FindRow(error);
  return row != nullptr ? row->name : "errno";
}

}  // namespace halfpipe
