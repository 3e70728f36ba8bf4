#include "http/head_exchange.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "bytestream/base/check.h"
#include "bytestream/base/errno_status.h"
#include "http/core/grammar.h"
#include "http/core/head_error.h"

namespace halfpipe::http {
namespace {

constexpr size_t kLineEndSize = 2;

absl::Status DirectionStatus(int error) {
  switch (error) {
    case 0:
      return absl::OkStatus();
    case EBUSY:
      return ErrnoStatus(error, "another coroutine is in this direction of the exchange");
    default:
      return ErrnoStatus(error, "the coroutine is ending");
  }
}

absl::Status WrongPhase() {
  return ErrnoStatus(EINVAL, "a line that is not due: start line, fields, end");
}

absl::Status HeadEnded() { return ErrnoStatus(EPIPE, "the head has ended"); }

absl::Status Unsendable(absl::string_view what) { return ErrnoStatus(EINVAL, what); }

}  // namespace

class HeadExchange::DirectionScope {
 public:
  explicit DirectionScope(bool* busy) : busy_(busy) { *busy_ = true; }
  ~DirectionScope() { *busy_ = false; }
  DirectionScope(const DirectionScope&) = delete;
  DirectionScope& operator=(const DirectionScope&) = delete;

 private:
  bool* const busy_;
};

HeadExchange::HeadExchange(Runtime* runtime, BytestreamPtr stream, const Limits& limits)
    : runtime_(runtime), stream_(std::move(stream)), limits_(limits) {
  HALFPIPE_CHECK(limits.head_bytes_max <= Bytestream::kPeekMax);
}

int HeadExchange::EnterDirection(bool busy) const {
  if (const int cancelled = runtime_->CheckCancelled()) return cancelled;
  return busy ? EBUSY : 0;
}

// ---- Sending -----------------------------------------------------------------------------------

// Whether a line that belongs to `phase` may be sent now.
absl::Status HeadExchange::EnterSend(Phase phase) const {
  if (const int error = EnterDirection(sending_)) return DirectionStatus(error);
  if (sent_ == Phase::kEnd) return HeadEnded();
  return sent_ == phase ? absl::OkStatus() : WrongPhase();
}

absl::Status HeadExchange::SendLine(absl::Span<const IoSlice> parts, Phase next,
                                    Deadline deadline) {
  DirectionScope busy(&sending_);
  absl::Status status = stream_->Write(parts, /*more=*/false, deadline);
  if (status.ok()) sent_ = next;
  return status;
}

absl::Status HeadExchange::SendRequestLine(absl::string_view method, absl::string_view target,
                                           Deadline deadline) {
  absl::Status status = EnterSend(Phase::kStartLine);
  if (!status.ok()) return status;
  if (!IsValidMethod(method)) return Unsendable("the method is not a token");
  if (!IsValidTarget(target)) return Unsendable("the request-target has a byte that may not be");
  const IoSlice parts[] = {IoSlice(method), IoSlice(" "), IoSlice(target),
                           IoSlice(" HTTP/1.1\r\n")};
  return SendLine(parts, Phase::kFields, deadline);
}

absl::Status HeadExchange::SendStatusLine(int code, absl::string_view reason, Deadline deadline) {
  absl::Status status = EnterSend(Phase::kStartLine);
  if (!status.ok()) return status;
  if (!IsValidStatus(code)) return Unsendable("the status code is not 100..599");
  if (!IsValidReason(reason)) return Unsendable("the reason has a byte that may not be sent");
  const char digits[] = {static_cast<char>('0' + code / 100),
                         static_cast<char>('0' + code / 10 % 10),
                         static_cast<char>('0' + code % 10), ' '};
  const IoSlice parts[] = {IoSlice("HTTP/1.1 "), IoSlice(digits, sizeof(digits)), IoSlice(reason),
                           IoSlice("\r\n")};
  return SendLine(parts, Phase::kFields, deadline);
}

absl::Status HeadExchange::SendField(absl::string_view name, absl::string_view value,
                                     Deadline deadline) {
  absl::Status status = EnterSend(Phase::kFields);
  if (!status.ok()) return status;
  if (!IsValidFieldName(name)) return Unsendable("the field name is not a token");
  if (!IsValidFieldValue(value)) return Unsendable("the field value has a byte that may not be");
  const absl::string_view trimmed = TrimOws(value);
  const IoSlice parts[] = {IoSlice(name), IoSlice(trimmed.empty() ? ":" : ": "), IoSlice(trimmed),
                           IoSlice("\r\n")};
  return SendLine(parts, Phase::kFields, deadline);
}

absl::Status HeadExchange::SendEnd(Deadline deadline) {
  absl::Status status = EnterSend(Phase::kFields);
  if (!status.ok()) return status;
  const IoSlice parts[] = {IoSlice("\r\n")};
  return SendLine(parts, Phase::kEnd, deadline);
}

// ---- Receiving ---------------------------------------------------------------------------------

absl::Status HeadExchange::EnterReceive() const {
  return DirectionStatus(EnterDirection(receiving_));
}

absl::Status HeadExchange::Refuse(HeadError error) {
  error_ = error;
  return ErrnoStatus(EPROTO, HeadErrorText(error));
}

// Waits for a whole line and returns it without its CRLF. The limits are those of the head parsers:
// nothing behind them is looked at, so that it does not matter how much has arrived.
absl::StatusOr<absl::string_view> HeadExchange::PeekLine(size_t line_bytes_max, Deadline deadline) {
  if (error_ != HeadError::kNone) return Refuse(error_);
  size_t min_bytes = 1;
  for (;;) {
    const size_t left = limits_.head_bytes_max - head_size_;
    if (left == 0) return Refuse(HeadError::kHeadTooLong);
    const absl::StatusOr<absl::Span<uint8_t>> bytes = stream_->Peek(min_bytes, deadline);
    if (!bytes.ok()) return bytes.status();
    const absl::string_view visible = AsText(*bytes).substr(0, left);
    const ParseResult scanned = scanner_.Scan(visible, line_bytes_max);
    if (scanned.status == ParseStatus::kInvalid) return Refuse(scanned.error);
    if (scanned.status == ParseStatus::kDone) {
      line_size_ = scanned.consumed;
      return visible.substr(0, line_size_ - kLineEndSize);
    }
    if (visible.size() == left) return Refuse(HeadError::kHeadTooLong);
    if (bytes->size() < min_bytes) {
      if (bytes->empty() && head_size_ == 0) {
        return ErrnoStatus(EPIPE, "the stream ended before a head");
      }
      return ErrnoStatus(ECONNRESET, "the stream ended inside a head");
    }
    min_bytes = scanned.min_bytes;
  }
}

void HeadExchange::TakeLine() {
  stream_->Consume(line_size_);
  head_size_ += line_size_;
  line_size_ = 0;
  if (received_ == Phase::kFields) ++field_count_;
  received_ = Phase::kFields;
}

absl::StatusOr<RequestLine> HeadExchange::PeekRequestLine(Deadline deadline) {
  absl::Status status = EnterReceive();
  if (!status.ok()) return status;
  if (received_ == Phase::kEnd) return HeadEnded();
  if (received_ != Phase::kStartLine) return WrongPhase();
  DirectionScope busy(&receiving_);
  for (;;) {
    const absl::StatusOr<absl::string_view> line = PeekLine(limits_.start_line_bytes_max, deadline);
    if (!line.ok()) return line.status();
    if (line->empty() && !skipped_empty_line_) {
      // RFC 9112 section 2.2: one empty line before a request is let pass.
      skipped_empty_line_ = true;
      stream_->Consume(kLineEndSize);
      head_size_ += kLineEndSize;
      continue;
    }
    if (line->empty()) return Refuse(HeadError::kEmptyStartLine);
    RequestLine parsed;
    const HeadError error = ParseRequestLine(*line, &parsed);
    if (error != HeadError::kNone) return Refuse(error);
    if (parsed.version_minor == 0) return Refuse(HeadError::kVersionNotSupported);
    return parsed;
  }
}

absl::StatusOr<StatusLine> HeadExchange::PeekStatusLine(Deadline deadline) {
  absl::Status status = EnterReceive();
  if (!status.ok()) return status;
  if (received_ == Phase::kEnd) return HeadEnded();
  if (received_ != Phase::kStartLine) return WrongPhase();
  DirectionScope busy(&receiving_);
  const absl::StatusOr<absl::string_view> line = PeekLine(limits_.start_line_bytes_max, deadline);
  if (!line.ok()) return line.status();
  if (line->empty()) return Refuse(HeadError::kEmptyStartLine);
  StatusLine parsed;
  const HeadError error = ParseStatusLine(*line, &parsed);
  if (error != HeadError::kNone) return Refuse(error);
  if (parsed.version_minor == 0) return Refuse(HeadError::kVersionNotSupported);
  return parsed;
}

absl::StatusOr<std::optional<Field>> HeadExchange::PeekField(Deadline deadline) {
  absl::Status status = EnterReceive();
  if (!status.ok()) return status;
  if (received_ == Phase::kStartLine) return WrongPhase();
  DirectionScope busy(&receiving_);
  return PeekFieldUnguarded(deadline);
}

absl::StatusOr<std::optional<Field>> HeadExchange::PeekFieldUnguarded(Deadline deadline) {
  if (received_ == Phase::kEnd) return std::optional<Field>();
  const absl::StatusOr<absl::string_view> line = PeekLine(limits_.field_line_bytes_max, deadline);
  if (!line.ok()) return line.status();
  if (line->empty()) {
    TakeLine();
    received_ = Phase::kEnd;
    return std::optional<Field>();
  }
  if (field_count_ == limits_.field_count_max) return Refuse(HeadError::kTooManyFields);
  Field field;
  const HeadError error = ParseFieldLine(*line, &field);
  if (error != HeadError::kNone) return Refuse(error);
  return std::optional<Field>(field);
}

// ---- Both --------------------------------------------------------------------------------------

absl::Status HeadExchange::TakeFieldsToEnd(Deadline deadline) {
  for (;;) {
    const absl::StatusOr<std::optional<Field>> field = PeekFieldUnguarded(deadline);
    if (!field.ok()) return field.status();
    if (!field->has_value()) return absl::OkStatus();
    TakeLine();
  }
}

absl::StatusOr<BytestreamPtr> HeadExchange::Detach(Deadline deadline) {
  absl::Status status = DirectionStatus(EnterDirection(sending_ || receiving_));
  if (!status.ok()) return status;
  if (error_ != HeadError::kNone) return Refuse(error_);
  // Nobody may come in until the stream is given back.
  DirectionScope receiving(&receiving_);
  if (sent_ == Phase::kFields) {
    const IoSlice parts[] = {IoSlice("\r\n")};
    status = SendLine(parts, Phase::kEnd, deadline);
    if (!status.ok()) return status;
  }
  DirectionScope sending(&sending_);
  if (received_ == Phase::kFields) {
    status = TakeFieldsToEnd(deadline);
    if (!status.ok()) return status;
  }
  return std::move(stream_);
}

void HeadExchange::Abort() noexcept {
  if (stream_ != nullptr) stream_->Abort();
}

}  // namespace halfpipe::http
