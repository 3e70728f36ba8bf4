#include "bytestream/tls/tls_stream.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "bytestream/base/buffer_pool.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/net/stream_info.h"

namespace halfpipe {
namespace {

using Step = TlsSession::Step;

// A reader that is given bytes without end, none of them for it, lets others run after so many
// fetches.
constexpr int kFetchesPerTurn = 64;

bool WouldWait(int error) { return error == ETIMEDOUT || error == ECANCELED; }

// What can be gathered with little loss: a first piece of this size or more goes alone.
constexpr size_t kGatherBelow = 4096;

}  // namespace

TlsStream::TlsStream(Runtime* runtime, BytestreamPtr lower, Options options)
    : runtime_(runtime),
      lower_(std::move(lower)),
      session_(lower_.get()),
      inbound_(runtime, this),
      outbound_(runtime, this, options.send_tail_bytes_max) {}

TlsStream::~TlsStream() { TlsStream::Abort(); }

absl::StatusOr<std::unique_ptr<TlsStream>> TlsStream::Connect(Runtime* runtime, BytestreamPtr lower,
                                                              const TlsContext& context,
                                                              absl::string_view host,
                                                              Deadline deadline) {
  auto stream = std::make_unique<TlsStream>(runtime, std::move(lower));
  absl::Status status = stream->Handshake(context, host, deadline);
  if (!status.ok()) return status;
  return stream;
}

absl::StatusOr<std::unique_ptr<TlsStream>> TlsStream::Accept(Runtime* runtime, BytestreamPtr lower,
                                                             const TlsContext& context,
                                                             Deadline deadline) {
  return Connect(runtime, std::move(lower), context, "", deadline);
}

absl::Status TlsStream::Handshake(const TlsContext& context, absl::string_view host,
                                  Deadline deadline) {
  if (const int error = runtime_->CheckCancelled()) {
    return ErrnoStatus(error, "the TLS handshake was cancelled");
  }
  if (!std::exchange(prepared_, true)) {
    const absl::Status prepared = session_.Prepare(context, host);
    if (!prepared.ok()) return prepared;
  }
  for (;;) {
    const Step step = session_.Handshake();
    if (step == Step::kFailed) return session_.failure();
    if (const int error = WriteError()) {
      return ErrnoStatus(error, "the connection broke during the TLS handshake");
    }
    if (step == Step::kDone) break;
    const int error = step == Step::kEnd ? ECONNRESET : Fetch(deadline);
    if (outbound_.error() != 0) {
      return ErrnoStatus(outbound_.error(), "the stream was aborted during the TLS handshake");
    }
    if (error == ECONNRESET) {
      return ErrnoStatus(error, "the connection broke or ended during the TLS handshake");
    }
    if (error != 0) return ErrnoStatus(error, "the TLS handshake did not come to its end");
  }
  connected_ = true;
  return absl::OkStatus();
}

// ---- Receiving ---------------------------------------------------------------------------------

// What to ask the stream below for. One that reads ahead brings more by itself; of another, exactly
// what OpenSSL wants, so that nothing behind the end of TLS is taken.
size_t TlsStream::FetchSize() const {
  return lower_->reads_ahead() ? 1 : std::min(session_.wanted(), kPeekMax);
}

// Has the stream below buffer something. 0, ECONNRESET at its end, or its errno.
int TlsStream::Fetch(Deadline deadline) {
  const absl::StatusOr<absl::Span<uint8_t>> bytes = lower_->Peek(FetchSize(), deadline);
  const int error = StatusErrno(bytes.status());
  if (error == 0) return bytes->empty() ? ECONNRESET : 0;
  // Less than was asked for is something.
  return WouldWait(error) && lower_->buffered() > 0 ? 0 : error;
}

IoResult TlsStream::ReceiveSome(absl::Span<const iovec> pieces, Deadline) {
  const IoResult result = DecryptSome(pieces);
  // A message for OpenSSL, of which a part had come before, is complete now: writers can go on.
  if (!session_.in_handshake()) {
    if (std::exchange(awaits_input_, false)) runtime_->HoldOutput(&writable_notice_);
    Wake(&input_waiters_, 0);
  }
  return result;
}

// Decrypts what is here into `pieces`; asks the stream below only if that is nothing.
IoResult TlsStream::DecryptSome(absl::Span<const iovec> pieces) {
  size_t total = 0;
  size_t offset = 0;
  int fetches = 0;
  while (!pieces.empty()) {
    const iovec& piece = pieces.front();
    size_t count = 0;
    const Step step = session_.Read(static_cast<uint8_t*>(piece.iov_base) + offset,
                                    piece.iov_len - offset, &count);
    total += count;
    offset += count;
    if (offset == piece.iov_len) {
      pieces.remove_prefix(1);
      offset = 0;
    }
    if (step == Step::kDone) continue;
    if (total > 0) break;  // What ended it will do so again.
    if (step == Step::kEnd) return {0, 0};
    if (step == Step::kFailed) return {0, SessionFailed()};
    if (++fetches > kFetchesPerTurn) {
      had_turn_ = true;
      return {0, ETIMEDOUT};
    }
    if (const int error = Fetch(Deadline::Immediately())) return {0, error};
  }
  return {total, 0};
}

int TlsStream::WaitReadable(Deadline deadline) {
  if (std::exchange(had_turn_, false)) {
    const bool expired = deadline.ExpiredAt(runtime_->clock().NowNanos());
    return expired ? ETIMEDOUT : runtime_->Yield();
  }
  const int error = Fetch(deadline);
  // All others are for ReceiveSome() to find.
  return WouldWait(error) || error == EBADF || IsShortage(error) ? error : 0;
}

absl::StatusOr<absl::Span<uint8_t>> TlsStream::Peek(size_t min, Deadline deadline) {
  absl::StatusOr<absl::Span<uint8_t>> result = inbound_.Peek(min, deadline);
  NoticeReadable();
  if (!result.ok()) return Explain(result.status());
  return result;
}

absl::Status TlsStream::Read(absl::Span<const IoSpan> slices, Deadline deadline) {
  absl::Status status = inbound_.Read(slices, deadline);
  NoticeReadable();
  return Explain(std::move(status));
}

absl::StatusOr<size_t> TlsStream::ReadSome(absl::Span<uint8_t> dst, size_t min, Deadline deadline) {
  absl::StatusOr<size_t> result = inbound_.ReadSome(dst, min, deadline);
  NoticeReadable();
  if (!result.ok()) return Explain(result.status());
  return result;
}

// ---- Sending -----------------------------------------------------------------------------------

// Why the stream below does not take records any more; 0 while it does. One that was lost makes
// all that follow worthless, so nothing here can be tried again.
int TlsStream::WriteError() const {
  const int error = session_.write_error();
  const bool network = error == 0 || error == EHOSTUNREACH || error == ENETUNREACH ||
                       error == ENETDOWN || error == ECONNABORTED;
  return network ? error : ECONNRESET;
}

// Waits until the stream below has no tail: there is at most one record of ours in it.
int TlsStream::WaitUntilSendable(Deadline deadline) {
  for (int gave_up = 0;;) {
    if (outbound_.error() != 0) return outbound_.error();
    if (const int error = WriteError()) return error;
    if (lower_->tail_size() == 0) return 0;
    if (gave_up != 0) return gave_up;
    if (deadline.is_immediate()) return ETIMEDOUT;
    ArmWritable();
    gave_up = WaitFor(&writers_, deadline);
  }
}

// OpenSSL has read a part of a message that is not data (RFC 8446 section 4.6), and writes nothing
// before it has the rest: waits until there is more of it, or until a reader has seen to it.
int TlsStream::WaitForInput(Deadline deadline) {
  if (inbound_.error() != 0) return inbound_.error();
  if (!inbound_.busy()) {
    const int error = Fetch(Deadline::Immediately());
    if (!WouldWait(error)) return error;
  }
  if (deadline.is_immediate()) return ETIMEDOUT;
  if (!inbound_.busy()) ArmReadable();
  return WaitFor(&input_waiters_, deadline);
}

// Small pieces share a record.
TlsSession::Step TlsStream::Encrypt(absl::Span<const iovec> pieces, size_t* count) {
  const iovec& first = pieces.front();
  uint8_t* const block =
      pieces.size() > 1 && first.iov_len < kGatherBelow ? runtime_->buffer_pool().Get() : nullptr;
  if (block == nullptr) return session_.Write(first.iov_base, first.iov_len, count);
  static_assert(TlsSession::kRecordBytesMax <= BufferPool::kBlockSize);
  size_t size = 0;
  for (const iovec& piece : pieces) {
    const size_t step = std::min(piece.iov_len, TlsSession::kRecordBytesMax - size);
    std::memcpy(block + size, piece.iov_base, step);
    size += step;
  }
  const Step step = session_.Write(block, size, count);
  runtime_->buffer_pool().Put(block);
  return step;
}

IoResult TlsStream::SendSome(absl::Span<const iovec> pieces, Deadline deadline) {
  for (;;) {
    if (const int error = WaitUntilSendable(deadline)) return {0, error};
    size_t count = 0;
    const Step step = Encrypt(pieces, &count);
    if (step == Step::kFailed) return {0, SessionFailed()};
    if (const int error = WriteError()) return {0, error};
    if (step == Step::kDone) return {count, 0};
    if (const int error = step == Step::kEnd ? ECONNRESET : WaitForInput(deadline)) {
      return {0, error};
    }
  }
}

// A failure that ends both directions. Whoever waits to send is told; a reader that waits is in the
// stream below, which the peer is about to end.
int TlsStream::SessionFailed() {
  const int error = StatusErrno(session_.failure());
  outbound_.Fail(error);
  Wake(&writers_, error);
  Wake(&input_waiters_, error);
  return error;
}

absl::Status TlsStream::Explain(absl::Status status) const {
  if (status.ok() || session_.failure().ok()) return status;
  return StatusErrno(status) == StatusErrno(session_.failure()) ? session_.failure() : status;
}

absl::Status TlsStream::Write(absl::Span<const IoSlice> slices, bool more, Deadline deadline) {
  return Explain(outbound_.Write(slices, more, deadline));
}

absl::Status TlsStream::WriteTail(absl::Span<const IoSlice> slices) {
  return Explain(outbound_.WriteTail(slices));
}

absl::Status TlsStream::Flush(Deadline deadline) { return Explain(outbound_.Flush(deadline)); }

// See WaitForInput(): also close_notify has to wait for that.
int TlsStream::FinishMessage(Deadline deadline) {
  if (const int error = runtime_->CheckCancelled()) return error;
  while (outbound_.error() == 0 && session_.in_handshake()) {
    if (const int error = WaitForInput(deadline)) return error;
    if (outbound_.error() == 0 && session_.Handshake() == Step::kFailed) return SessionFailed();
  }
  return 0;
}

absl::Status TlsStream::Done(Deadline deadline) {
  if (connected_ && !outbound_.done()) {
    if (const int error = FinishMessage(deadline)) {
      return Explain(ErrnoStatus(error, "ending the outbound direction of TLS"));
    }
  }
  return Explain(outbound_.Done(deadline));
}

int TlsStream::SendEnd() {
  if (session_.SendCloseNotify() != Step::kDone) return SessionFailed();
  return WriteError();
}

bool TlsStream::AwaitWritable() {
  if (session_.in_handshake() && lower_->tail_size() == 0) {
    awaits_input_ = true;
    if (!inbound_.busy()) ArmReadable();
  } else {
    ArmWritable();
  }
  return true;
}

void TlsStream::ArmWritable() {
  if (std::exchange(writable_armed_, true)) return;
  arming_ = true;
  lower_->WhenWritable([this] {
    writable_armed_ = false;
    if (!arming_) OnLowerWritable();
  });
  arming_ = false;
  // Not from within.
  if (!writable_armed_) runtime_->HoldOutput(&writable_notice_);
}

// May end the life of the object.
void TlsStream::OnLowerWritable() {
  Wake(&writers_, 0);
  outbound_.OnWritable();
}

int TlsStream::WaitFor(WaiterList* list, Deadline deadline) {
  Waiter waiter;
  list->PushBack(&waiter);
  return runtime_->Wait(&waiter, deadline);
}

void TlsStream::Wake(WaiterList* list, int result) {
  if (runtime_->ending()) list->Forget();
  while (Waiter* const waiter = list->PopFront()) runtime_->Wake(waiter, result);
}

// ---- Both --------------------------------------------------------------------------------------

void TlsStream::Describe(StreamInfo* info) const {
  if (lower_ != nullptr) lower_->Describe(info);
  info->secured = true;
  info->buffered_bytes += inbound_.buffered();
  info->tail_bytes += outbound_.tail_size();
}

void TlsStream::BreakBoth(int error) {
  inbound_.Fail(error);
  outbound_.Fail(error);
  Wake(&writers_, error);
  Wake(&input_waiters_, error);
}

void TlsStream::Reset() {
  BreakBoth(ECONNRESET);
  lower_->Abort();
  NoticeReadable();
}

// True if the peer may believe that all is well: it has everything that was written, and whatever
// it wrote was read, as far as we know.
bool TlsStream::EndsCleanly() const {
  if (!connected_ || !session_.failure().ok() || session_.write_error() != 0) return false;
  if (outbound_.error() != 0 || outbound_.done() || outbound_.pending()) return false;
  if (session_.in_handshake() || lower_->tail_size() > 0) return false;
  if (inbound_.error() != 0 || inbound_.buffered() > 0 || session_.has_pending()) return false;
  // A direction that failed below may have taken with it what the peer wrote.
  const absl::StatusOr<absl::Span<uint8_t>> unread = lower_->Peek(0, Deadline::Immediately());
  return unread.ok() ? unread->empty() : StatusErrno(unread.status()) == EBUSY;
}

void TlsStream::Abort() noexcept {
  if (outbound_.error() == EBADF) return;
  if (EndsCleanly()) static_cast<void>(session_.SendCloseNotify());
  when_readable_ = nullptr;
  BreakBoth(EBADF);
  readable_notice_.DropHold();
  writable_notice_.DropHold();
  lower_->Abort();
}

absl::StatusOr<BytestreamPtr> TlsStream::Detach(Deadline deadline) {
  if (outbound_.error() == EBADF) return ErrnoStatus(EBADF, "the stream was aborted");
  if (inbound_.busy() || outbound_.busy()) {
    return ErrnoStatus(EBUSY, "a coroutine is using the stream that is to be detached from");
  }
  if (!outbound_.done() || outbound_.error() != 0) {
    absl::Status status = Done(deadline);
    if (!status.ok()) return status;
  }
  const IoSpan everything(nullptr, SIZE_MAX);
  absl::Status status = Read(absl::MakeConstSpan(&everything, 1), deadline);
  if (StatusErrno(status) != EPIPE) return status;
  lower_->WhenReadable(nullptr);
  lower_->WhenWritable(nullptr);
  when_readable_ = nullptr;
  readable_notice_.DropHold();
  BreakBoth(EBADF);
  writable_notice_.DropHold();
  return std::move(lower_);
}

// ---- Callbacks ---------------------------------------------------------------------------------

// True if a reader would not have to wait. Takes what has come out of the stream below: whether
// there is data in it nobody can see before.
bool TlsStream::CanReceive() {
  if (inbound_.ready()) return true;
  NoWaitScope no_wait(runtime_);
  const int error = StatusErrno(inbound_.Peek(1, Deadline::Immediately()).status());
  return error != ETIMEDOUT && error != EBUSY;
}

void TlsStream::ArmReadable() {
  readable_now_ = false;
  arming_readable_ = true;
  lower_->WhenReadable([this] {
    readable_now_ = true;
    if (!arming_readable_) OnLowerReadable();
  });
  arming_readable_ = false;
  // Not from within: whoever arms is about to wait, and would not hear of it.
  if (readable_now_) runtime_->HoldOutput(&readable_notice_);
}

void TlsStream::OnLowerReadable() {
  Wake(&input_waiters_, 0);
  if (std::exchange(awaits_input_, false)) runtime_->HoldOutput(&writable_notice_);
  OnReadable();
}

// While a reader is at work it is to see what comes; its end is the next occasion.
void TlsStream::OnReadable() {
  if (inbound_.busy()) return;
  if (when_readable_ && CanReceive()) return std::exchange(when_readable_, nullptr)();
  if (when_readable_ || awaits_input_ || !input_waiters_.empty()) ArmReadable();
}

void TlsStream::NoticeReadable() {
  const bool awaited = when_readable_ || awaits_input_ || !input_waiters_.empty();
  if (!awaited || lower_ == nullptr) return;
  runtime_->HoldOutput(&readable_notice_);
}

void TlsStream::WhenReadable(Callback callback) {
  when_readable_ = nullptr;
  if (!callback) return;
  if (inbound_.ready() || (!inbound_.busy() && CanReceive())) return callback();
  when_readable_ = std::move(callback);
  if (!inbound_.busy()) ArmReadable();
}

void TlsStream::WhenWritable(Callback callback) { outbound_.WhenWritable(std::move(callback)); }

}  // namespace halfpipe
