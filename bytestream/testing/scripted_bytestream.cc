#include "bytestream/testing/scripted_bytestream.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "bytestream/base/errno_status.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

// For messages: printable, and not too long.
std::string Show(absl::string_view bytes) {
  constexpr size_t kShownMax = 100;
  std::string text = absl::StrCat("\"", absl::CHexEscape(bytes.substr(0, kShownMax)), "\"");
  if (bytes.size() > kShownMax) absl::StrAppend(&text, "... (", bytes.size(), " bytes)");
  return text;
}

std::string Flatten(absl::Span<const iovec> pieces) {
  std::string bytes;
  for (const iovec& piece : pieces) {
    bytes.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
  }
  return bytes;
}

}  // namespace

ScriptedBytestreamPtr MakeScripted(Runtime* runtime) {
  return ScriptedBytestreamPtr(new ScriptedBytestream(runtime));
}

ScriptedBytestream::ScriptedBytestream(Runtime* runtime, size_t send_tail_bytes_max)
    : runtime_(runtime),
      inbound_(runtime, &source_),
      outbound_(runtime, &sink_, send_tail_bytes_max) {}

ScriptedBytestream::~ScriptedBytestream() {
  if (!steps_.empty()) {
    ADD_FAILURE() << "the stream was destroyed with " << steps_.size()
                  << " steps of its script left, the first: " << Describe(steps_.front());
  }
  Abort();
}

const char* ScriptedBytestream::Name(Kind kind) {
  switch (kind) {
    case Kind::kExpectWrite:
      return "ExpectWrite";
    case Kind::kExpectDone:
      return "ExpectDone";
    case Kind::kDeliver:
      return "Deliver";
    case Kind::kEnd:
      return "End";
    case Kind::kReset:
      return "Reset";
    case Kind::kFailRead:
      return "FailRead";
    case Kind::kFailWrite:
      return "FailWrite";
    case Kind::kBlockReads:
      return "BlockReads";
    case Kind::kUnblockReads:
      return "UnblockReads";
    case Kind::kBlockWrites:
      return "BlockWrites";
    case Kind::kUnblockWrites:
      return "UnblockWrites";
    case Kind::kAwaitReader:
      return "AwaitReader";
    case Kind::kAwaitWriter:
      return "AwaitWriter";
  }
  return "?";
}

std::string ScriptedBytestream::Describe(const Step& step) {
  std::string text = absl::StrCat("step ", step.number, ", ", Name(step.kind));
  if (!step.bytes.empty()) absl::StrAppend(&text, " ", Show(step.bytes));
  return text;
}

ScriptedBytestream& ScriptedBytestream::ExpectWrite(absl::string_view bytes) {
  return bytes.empty() ? *this : Add(Kind::kExpectWrite, bytes);
}
ScriptedBytestream& ScriptedBytestream::ExpectDone() { return Add(Kind::kExpectDone); }
ScriptedBytestream& ScriptedBytestream::Deliver(absl::string_view bytes) {
  return bytes.empty() ? *this : Add(Kind::kDeliver, bytes);
}
ScriptedBytestream& ScriptedBytestream::End() { return Add(Kind::kEnd); }
ScriptedBytestream& ScriptedBytestream::Reset() { return Add(Kind::kReset); }
ScriptedBytestream& ScriptedBytestream::FailRead(int error) {
  return Add(Kind::kFailRead, {}, error);
}
ScriptedBytestream& ScriptedBytestream::FailWrite(int error) {
  return Add(Kind::kFailWrite, {}, error);
}
ScriptedBytestream& ScriptedBytestream::BlockReads() { return Add(Kind::kBlockReads); }
ScriptedBytestream& ScriptedBytestream::UnblockReads() { return Add(Kind::kUnblockReads); }
ScriptedBytestream& ScriptedBytestream::BlockWrites() { return Add(Kind::kBlockWrites); }
ScriptedBytestream& ScriptedBytestream::UnblockWrites() { return Add(Kind::kUnblockWrites); }
ScriptedBytestream& ScriptedBytestream::AwaitReader() { return Add(Kind::kAwaitReader); }
ScriptedBytestream& ScriptedBytestream::AwaitWriter() { return Add(Kind::kAwaitWriter); }

ScriptedBytestream& ScriptedBytestream::Add(Kind kind, absl::string_view bytes, int error) {
  if (aborted_) {
    ADD_FAILURE() << "a step was added to a script whose stream was aborted: " << Name(kind);
    return *this;
  }
  if (broken_) return *this;
  steps_.push_back(Step{kind, std::string(bytes), error, ++step_count_});
  if (steps_.size() == 1) Advance();
  return *this;
}

void ScriptedBytestream::Pop() {
  steps_.pop_front();
  Advance();
}

// Plays the steps that need nobody, up to one that does; then tells those who may go on.
void ScriptedBytestream::Advance() {
  for (; !steps_.empty(); steps_.pop_front()) {
    switch (steps_.front().kind) {
      case Kind::kBlockReads:
        reads_blocked_ = true;
        continue;
      case Kind::kUnblockReads:
        reads_blocked_ = false;
        continue;
      case Kind::kBlockWrites:
        writes_blocked_ = true;
        continue;
      case Kind::kUnblockWrites:
        writes_blocked_ = false;
        continue;
      case Kind::kReset:
        broken_ = true;
        continue;
      case Kind::kAwaitReader:
        if (readers_.empty()) break;
        continue;
      case Kind::kAwaitWriter:
        if (writers_.empty()) break;
        continue;
      default:
        break;
    }
    break;
  }
  Changed();
}

void ScriptedBytestream::Changed() {
  if (CanReceive()) {
    WakeAll(&readers_, 0);
    if (on_readable_) runtime_->HoldOutput(&readable_notice_);
  }
  if (CanSend()) {
    WakeAll(&writers_, 0);
    if (awaits_writable_) runtime_->HoldOutput(&writable_notice_);
  }
}

void ScriptedBytestream::WakeAll(WaiterList* list, int result) {
  while (Waiter* const waiter = list->PopFront()) runtime_->Wake(waiter, result);
}

bool ScriptedBytestream::CanReceive() const {
  if (aborted_ || broken_) return true;
  if (reads_blocked_) return false;
  return ended_ || At(Kind::kDeliver) || At(Kind::kEnd) || At(Kind::kFailRead);
}

// Fails the test and breaks the connection. Returns the errno to report.
int ScriptedBytestream::Deviate(absl::string_view what) {
  ADD_FAILURE() << "deviation from the script: " << std::string(what) << ", but the script is at "
                << (steps_.empty() ? "its end" : Describe(steps_.front()));
  steps_.clear();
  broken_ = true;
  Changed();
  return ECONNRESET;
}

absl::StatusOr<absl::Span<uint8_t>> ScriptedBytestream::Peek(size_t min, Deadline deadline) {
  auto result = inbound_.Peek(min, deadline);
  NoticeBuffered();
  return result;
}

absl::Status ScriptedBytestream::Read(absl::Span<const IoSpan> slices, Deadline deadline) {
  absl::Status status = inbound_.Read(slices, deadline);
  NoticeBuffered();
  return status;
}

absl::StatusOr<size_t> ScriptedBytestream::ReadSome(absl::Span<uint8_t> dst, size_t min,
                                                    Deadline deadline) {
  auto result = inbound_.ReadSome(dst, min, deadline);
  NoticeBuffered();
  return result;
}

// What a receive leaves in the buffer is news for the callback.
void ScriptedBytestream::NoticeBuffered() {
  if (on_readable_ && inbound_.ready()) runtime_->HoldOutput(&readable_notice_);
}

void ScriptedBytestream::WhenReadable(Callback callback) {
  on_readable_ = nullptr;
  if (!callback || aborted_) return;
  if (inbound_.ready() || CanReceive()) return callback();
  on_readable_ = std::move(callback);
  if (!reads_blocked_ && At(Kind::kAwaitReader)) Pop();
}

void ScriptedBytestream::OnReadableNotice() {
  if (on_readable_ && (inbound_.ready() || CanReceive())) std::exchange(on_readable_, nullptr)();
}

void ScriptedBytestream::OnWritableNotice() {
  if (!awaits_writable_ || !CanSend()) return;
  awaits_writable_ = false;
  outbound_.OnWritable();
}

void ScriptedBytestream::Abort() noexcept {
  aborted_ = true;
  on_readable_ = nullptr;
  awaits_writable_ = false;
  inbound_.Fail(EBADF);
  outbound_.Fail(EBADF);
  WakeAll(&readers_, EBADF);
  WakeAll(&writers_, EBADF);
}

IoResult ScriptedBytestream::Source::ReceiveSome(absl::Span<const iovec> pieces,
                                                 Deadline deadline) {
  for (;;) {
    if (stream_->aborted_) return {0, EBADF};
    if (stream_->broken_) return {0, ECONNRESET};
    if (stream_->CanReceive()) break;
    if (stream_->At(Kind::kAwaitReader)) {
      stream_->Pop();
      continue;
    }
    if (const int error = WaitReadable(deadline)) return {0, error};
  }
  if (stream_->ended_) return {0, 0};
  if (stream_->At(Kind::kEnd)) {
    stream_->ended_ = true;
    stream_->Pop();
    return {0, 0};
  }
  Step& step = stream_->steps_.front();
  if (step.kind == Kind::kFailRead) {
    const int error = step.error;
    stream_->Pop();
    return {0, error};
  }
  size_t count = 0;
  for (const iovec& piece : pieces) {
    const size_t size = std::min(piece.iov_len, step.bytes.size() - count);
    std::memcpy(piece.iov_base, step.bytes.data() + count, size);
    count += size;
  }
  step.bytes.erase(0, count);
  if (step.bytes.empty()) stream_->Pop();
  return {count, 0};
}

int ScriptedBytestream::Source::WaitReadable(Deadline deadline) {
  if (stream_->aborted_) return EBADF;
  if (stream_->CanReceive()) return 0;
  Waiter waiter;
  stream_->readers_.PushBack(&waiter);
  return stream_->runtime_->Wait(&waiter, deadline);
}

IoResult ScriptedBytestream::Sink::SendSome(absl::Span<const iovec> pieces, Deadline deadline) {
  for (int gave_up = 0;;) {
    if (stream_->aborted_) return {0, EBADF};
    if (stream_->broken_) return {0, ECONNRESET};
    if (stream_->CanSend()) return stream_->Send(pieces);
    if (stream_->At(Kind::kAwaitWriter)) {
      stream_->Pop();
      continue;
    }
    if (gave_up != 0) return {0, gave_up};
    Waiter waiter;
    stream_->writers_.PushBack(&waiter);
    gave_up = stream_->runtime_->Wait(&waiter, deadline);
  }
}

IoResult ScriptedBytestream::Send(absl::Span<const iovec> pieces) {
  if (At(Kind::kFailWrite)) {
    const int error = steps_.front().error;
    Pop();
    return {0, error};
  }
  const std::string offered = Flatten(pieces);
  if (!At(Kind::kExpectWrite)) {
    return {0, Deviate(absl::StrCat(Show(offered), " was written"))};
  }
  Step& step = steps_.front();
  const size_t count = std::min(offered.size(), step.bytes.size());
  if (offered.compare(0, count, step.bytes, 0, count) != 0) {
    return {0, Deviate(absl::StrCat(Show(offered), " was written"))};
  }
  step.bytes.erase(0, count);
  if (step.bytes.empty()) Pop();
  return {count, 0};
}

bool ScriptedBytestream::Sink::AwaitWritable() {
  stream_->awaits_writable_ = true;
  if (stream_->CanSend()) stream_->runtime_->HoldOutput(&stream_->writable_notice_);
  return true;
}

int ScriptedBytestream::Sink::SendEnd() {
  if (stream_->broken_) return ECONNRESET;
  if (!stream_->At(Kind::kExpectDone)) return stream_->Deviate("the outbound direction was ended");
  stream_->Pop();
  return 0;
}

void ScriptedBytestream::Sink::Reset() {
  stream_->was_reset_ = true;
  stream_->broken_ = true;
  stream_->inbound_.Fail(ECONNRESET);
  stream_->outbound_.Fail(ECONNRESET);
  stream_->Changed();
}

}  // namespace halfpipe
