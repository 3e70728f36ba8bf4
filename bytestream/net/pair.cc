#include "bytestream/net/pair.h"

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <new>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bytestream/base/buffer_pool.h"
#include "bytestream/base/check.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/net/inbound.h"
#include "bytestream/net/stream_info.h"
#include "bytestream/runtime/waiter.h"

namespace halfpipe {
namespace {

absl::Status SendStatus(int error) {
  switch (error) {
    case 0:
      return absl::OkStatus();
    case EBADF:
      return ErrnoStatus(error, "the stream was aborted");
    case EBUSY:
      return ErrnoStatus(error, "another coroutine is sending to the stream");
    case EPIPE:
      return ErrnoStatus(error, "the outbound direction was ended by Done()");
    case ETIMEDOUT:
      return ErrnoStatus(error, "nothing was sent before the deadline");
    case ECANCELED:
      return ErrnoStatus(error, "nothing was sent: the coroutine is ending");
    default:
      return ErrnoStatus(error, "the connection is broken");
  }
}

// One direction: the bytes that were written and not received yet. The first `capacity` of them
// are what the layer below has taken; whatever is behind is the writer's tail, which so becomes
// shorter by itself when the reader makes room.
class Pipe {
 public:
  Pipe(BufferPool* pool, size_t capacity) : pool_(pool), capacity_(capacity) {}
  ~Pipe() { Clear(); }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  bool empty() const { return size_ == 0; }
  // Bytes that were ever appended.
  uint64_t appended() const { return appended_; }
  size_t room() const { return size_ < capacity_ ? capacity_ - size_ : 0; }
  size_t tail() const { return size_ > capacity_ ? size_ - capacity_ : 0; }

  // Appends the next `count` bytes of `cursor`, and moves it. False when memory fails.
  bool Append(SliceCursor<IoSlice>* cursor, size_t count) {
    while (count > 0) {
      if (last_ == nullptr || last_->end == kChunkBytes) {
        if (!AddChunk()) return false;
      }
      const IoSlice piece = cursor->Front();
      const size_t step = std::min({count, piece.size, kChunkBytes - last_->end});
      std::memcpy(last_->bytes + last_->end, piece.data, step);
      last_->end += step;
      size_ += step;
      appended_ += step;
      count -= step;
      cursor->Advance(step);
    }
    return true;
  }

  // Moves bytes into `pieces`, at most `capacity`. Returns how many.
  size_t Take(absl::Span<const iovec> pieces) {
    size_t left = std::min(size_, capacity_);
    size_t taken = 0;
    for (const iovec& piece : pieces) {
      size_t offset = 0;
      while (left > 0 && offset < piece.iov_len) {
        const size_t step = std::min({left, piece.iov_len - offset, first_->end - first_->begin});
        std::memcpy(static_cast<uint8_t*>(piece.iov_base) + offset, first_->bytes + first_->begin,
                    step);
        first_->begin += step;
        if (first_->begin == first_->end) DropFirstChunk();
        size_ -= step;
        offset += step;
        left -= step;
        taken += step;
      }
    }
    return taken;
  }

  // Keeps what the layer below has taken.
  void DropTail() {
    if (tail() == 0) return;
    size_t kept = 0;
    Chunk* chunk = first_;
    while (kept + (chunk->end - chunk->begin) < capacity_) {
      kept += chunk->end - chunk->begin;
      chunk = chunk->next;
    }
    chunk->end = chunk->begin + (capacity_ - kept);
    while (chunk->next != nullptr) {
      Chunk* const gone = chunk->next;
      chunk->next = gone->next;
      pool_->Put(reinterpret_cast<uint8_t*>(gone));
    }
    last_ = chunk;
    size_ = capacity_;
  }

  void Clear() {
    while (first_ != nullptr) DropFirstChunk();
    size_ = 0;
  }

  bool ended = false;        // by Done() or the writer's end
  bool reset = false;        // what is behind the bytes is ECONNRESET, not the end of the stream
  bool reader_gone = false;  // what is written would be lost

 private:
  static constexpr size_t kHeaderBytes = 3 * sizeof(size_t);
  static constexpr size_t kChunkBytes = BufferPool::kBlockSize - kHeaderBytes;

  // Fills a block of the pool.
  struct Chunk {
    Chunk* next;
    size_t begin;
    size_t end;
    uint8_t bytes[kChunkBytes];
  };
  static_assert(sizeof(Chunk) == BufferPool::kBlockSize);

  bool AddChunk() {
    uint8_t* const block = pool_->Get();
    if (block == nullptr) return false;
    Chunk* const chunk = new (block) Chunk;
    chunk->next = nullptr;
    chunk->begin = chunk->end = 0;
    (last_ != nullptr ? last_->next : first_) = chunk;
    last_ = chunk;
    return true;
  }

  void DropFirstChunk() {
    Chunk* const gone = first_;
    first_ = gone->next;
    if (first_ == nullptr) last_ = nullptr;
    pool_->Put(reinterpret_cast<uint8_t*>(gone));
  }

  BufferPool* const pool_;
  const size_t capacity_;
  size_t size_ = 0;
  uint64_t appended_ = 0;
  Chunk* first_ = nullptr;
  Chunk* last_ = nullptr;
};

class Pair;

class PairEnd final : public Bytestream, private InboundSource, private HeldOutput {
 public:
  PairEnd(Runtime* runtime, Pair* pair, Pipe* in, Pipe* out, size_t send_tail_bytes_max)
      : runtime_(runtime),
        pair_(pair),
        in_(in),
        out_(out),
        send_tail_bytes_max_(send_tail_bytes_max),
        inbound_(runtime, this) {}
  ~PairEnd() override {
    HALFPIPE_CHECK(!inbound_.busy() && !writer_busy_);
    Close();
  }

  // The other end; null when it is gone.
  void set_peer(PairEnd* peer) { peer_ = peer; }

  absl::StatusOr<absl::Span<uint8_t>> Peek(size_t min, Deadline deadline) override {
    ReaderScope scope(this);
    return inbound_.Peek(min, deadline);
  }
  void Consume(size_t count) override { inbound_.Consume(count); }
  absl::Status Read(absl::Span<const IoSpan> slices, Deadline deadline) override {
    ReaderScope scope(this);
    return inbound_.Read(slices, deadline);
  }
  absl::StatusOr<size_t> ReadSome(absl::Span<uint8_t> dst, size_t min, Deadline deadline) override {
    ReaderScope scope(this);
    return inbound_.ReadSome(dst, min, deadline);
  }

  absl::Status Write(absl::Span<const IoSlice> slices, bool more, Deadline deadline) override;
  absl::Status WriteTail(absl::Span<const IoSlice> slices) override;
  absl::Status Flush(Deadline deadline) override;
  absl::Status Done(Deadline deadline) override;
  void Abort() noexcept override;
  void WhenReadable(Callback callback) override;
  void WhenWritable(Callback callback) override;

  void Describe(StreamInfo* info) const override {
    info->bytes_received = inbound_.bytes_received();
    info->bytes_sent = out_->appended() - tail_size();
    info->buffered_bytes = inbound_.buffered();
    info->tail_bytes = tail_size();
  }
  size_t buffered() const override { return inbound_.buffered(); }
  size_t tail_size() const override { return out_error() == 0 ? out_->tail() : 0; }
  bool reader_busy() const override { return inbound_.busy(); }
  bool writer_busy() const override { return writer_busy_; }
  void Dispose() noexcept override;

 private:
  // Marks the outbound direction busy.
  class WriterScope {
   public:
    explicit WriterScope(PairEnd* end) : end_(end) { end_->writer_busy_ = true; }
    ~WriterScope() { end_->writer_busy_ = false; }
    WriterScope(const WriterScope&) = delete;
    WriterScope& operator=(const WriterScope&) = delete;

   private:
    PairEnd* const end_;
  };

  // What a receive leaves in the buffer is news for the callback.
  class ReaderScope {
   public:
    explicit ReaderScope(PairEnd* end) : end_(end) {}
    ~ReaderScope() {
      if (end_->on_readable_ && end_->inbound_.ready()) end_->runtime_->HoldOutput(end_);
    }
    ReaderScope(const ReaderScope&) = delete;
    ReaderScope& operator=(const ReaderScope&) = delete;

   private:
    PairEnd* const end_;
  };

  IoResult ReceiveSome(absl::Span<const iovec> pieces, Deadline deadline) override;
  int WaitReadable(Deadline deadline) override;
  void ReleaseHeldOutput() override;

  int out_error() const {
    if (out_error_ != 0) return out_error_;
    return out_->reader_gone ? ECONNRESET : 0;
  }
  int EnterWriter() const;
  int WriteAll(absl::Span<const IoSlice> slices, Deadline deadline);
  int AppendAll(SliceCursor<IoSlice>* cursor);
  int WaitForTail(Deadline deadline);
  bool Readable() const;
  bool Writable() const;
  void Reset();
  void Close();
  void InboundChanged();
  void OutboundChanged();
  void WakeAll(WaiterList* list, int result);

  Runtime* const runtime_;
  Pair* const pair_;
  PairEnd* peer_ = nullptr;
  Pipe* const in_;
  Pipe* const out_;
  const size_t send_tail_bytes_max_;
  Inbound inbound_;
  WaiterList readers_;
  WaiterList writers_;
  Callback on_readable_;
  Callback on_writable_;
  int out_error_ = 0;
  bool done_ = false;
  bool writer_busy_ = false;
  bool closed_ = false;
};

// What the two ends share, and the ends themselves. Dies with the last one.
class Pair {
 public:
  Pair(Runtime* runtime, PairOptions options, bool in_storage)
      : in_storage_(in_storage),
        forth_(&runtime->buffer_pool(), std::max<size_t>(options.capacity_bytes, 1)),
        back_(&runtime->buffer_pool(), std::max<size_t>(options.capacity_bytes, 1)) {
    PairEnd* const first =
        new (ends_[0].bytes) PairEnd(runtime, this, &back_, &forth_, options.send_tail_bytes_max);
    PairEnd* const second =
        new (ends_[1].bytes) PairEnd(runtime, this, &forth_, &back_, options.send_tail_bytes_max);
    first->set_peer(second);
    second->set_peer(first);
  }

  std::pair<BytestreamPtr, BytestreamPtr> ends() {
    return {BytestreamPtr(ends_[0].get()), BytestreamPtr(ends_[1].get())};
  }

  void Dispose(PairEnd* end) {
    end->~PairEnd();
    if (--end_count_ > 0) return;
    if (in_storage_) {
      this->~Pair();
    } else {
      delete this;
    }
  }

 private:
  struct EndStorage {
    PairEnd* get() { return std::launder(reinterpret_cast<PairEnd*>(bytes)); }

    alignas(PairEnd) unsigned char bytes[sizeof(PairEnd)];
  };

  const bool in_storage_;
  int end_count_ = 2;
  Pipe forth_;
  Pipe back_;
  EndStorage ends_[2];
};

static_assert(sizeof(Pair) <= PairStorage::kSize && alignof(Pair) <= alignof(PairStorage));

void PairEnd::Dispose() noexcept { pair_->Dispose(this); }

void PairEnd::WakeAll(WaiterList* list, int result) {
  while (Waiter* const waiter = list->PopFront()) runtime_->Wake(waiter, result);
}

// Something has come in, or ended: to be called by the other end.
void PairEnd::InboundChanged() {
  WakeAll(&readers_, 0);
  if (on_readable_) runtime_->HoldOutput(this);
}

// There is room, or none will come.
void PairEnd::OutboundChanged() {
  WakeAll(&writers_, 0);
  if (on_writable_) runtime_->HoldOutput(this);
}

bool PairEnd::Readable() const {
  return inbound_.ready() || !in_->empty() || in_->ended || in_->reset;
}

bool PairEnd::Writable() const { return out_error() != 0 || done_ || out_->room() > 0; }

// One callback in a turn, because it may destroy this end.
void PairEnd::ReleaseHeldOutput() {
  const bool readable = on_readable_ && Readable();
  const bool writable = on_writable_ && Writable();
  if (readable) {
    if (writable) runtime_->HoldOutput(this);
    std::exchange(on_readable_, nullptr)();
  } else if (writable) {
    std::exchange(on_writable_, nullptr)();
  }
}

void PairEnd::WhenReadable(Callback callback) {
  on_readable_ = nullptr;
  if (!callback || closed_) return;
  if (Readable()) return callback();
  on_readable_ = std::move(callback);
}

void PairEnd::WhenWritable(Callback callback) {
  on_writable_ = nullptr;
  if (!callback || closed_) return;
  if (Writable()) return callback();
  on_writable_ = std::move(callback);
}

IoResult PairEnd::ReceiveSome(absl::Span<const iovec> pieces, Deadline deadline) {
  for (;;) {
    if (closed_) return {0, EBADF};
    if (!in_->empty()) {
      const size_t count = in_->Take(pieces);
      if (peer_ != nullptr && in_->tail() == 0) peer_->OutboundChanged();
      return {count, 0};
    }
    if (in_->reset) return {0, ECONNRESET};
    if (in_->ended) return {0, 0};
    if (const int error = WaitReadable(deadline)) return {0, error};
  }
}

int PairEnd::WaitReadable(Deadline deadline) {
  if (closed_) return EBADF;
  Waiter waiter;
  readers_.PushBack(&waiter);
  return runtime_->Wait(&waiter, deadline);
}

int PairEnd::EnterWriter() const {
  if (const int error = out_error()) return out_error_ != 0 || !done_ ? error : EPIPE;
  if (done_) return EPIPE;
  return writer_busy_ ? EBUSY : 0;
}

// Takes the rest of `cursor`, whatever the room.
int PairEnd::AppendAll(SliceCursor<IoSlice>* cursor) {
  const size_t count = cursor->Remaining();
  if (count == 0) return 0;
  const size_t tail = count > out_->room() ? count - out_->room() : 0;
  const size_t tail_room = send_tail_bytes_max_ - std::min(send_tail_bytes_max_, out_->tail());
  if (tail > tail_room || !out_->Append(cursor, count)) {
    Reset();
    return ECONNRESET;
  }
  peer_->InboundChanged();
  return 0;
}

int PairEnd::WriteAll(absl::Span<const IoSlice> slices, Deadline deadline) {
  SliceCursor<IoSlice> cursor(slices);
  bool began = false;
  int gave_up = 0;
  while (!cursor.done()) {
    if (const int error = out_error()) return error;
    const size_t count = std::min(out_->room(), cursor.Remaining());
    if (count > 0) {
      began = true;
      if (!out_->Append(&cursor, count)) {
        Reset();
        return ECONNRESET;
      }
      peer_->InboundChanged();
      if (cursor.done()) return 0;
    }
    if (gave_up != 0) return began ? AppendAll(&cursor) : gave_up;
    Waiter waiter;
    writers_.PushBack(&waiter);
    const int error = runtime_->Wait(&waiter, deadline);
    // Room that has come by now counts, so there is one more attempt after a wait that ended.
    if (error == ETIMEDOUT || error == ECANCELED) {
      gave_up = error;
    } else if (error != 0) {
      return error;
    }
  }
  return 0;
}

absl::Status PairEnd::Write(absl::Span<const IoSlice> slices, bool, Deadline deadline) {
  if (const int error = runtime_->CheckCancelled()) return SendStatus(error);
  if (const int error = EnterWriter()) return SendStatus(error);
  WriterScope busy(this);
  return SendStatus(WriteAll(slices, deadline));
}

absl::Status PairEnd::WriteTail(absl::Span<const IoSlice> slices) {
  if (const int error = EnterWriter()) return SendStatus(error);
  SliceCursor<IoSlice> cursor(slices);
  return SendStatus(AppendAll(&cursor));
}

int PairEnd::WaitForTail(Deadline deadline) {
  for (int gave_up = 0;;) {
    if (const int error = out_error()) return error;
    if (out_->tail() == 0) return 0;
    if (gave_up != 0) return gave_up;
    Waiter waiter;
    writers_.PushBack(&waiter);
    gave_up = runtime_->Wait(&waiter, deadline);
  }
}

absl::Status PairEnd::Flush(Deadline deadline) {
  if (const int error = runtime_->CheckCancelled()) return SendStatus(error);
  // After Done() everything has left.
  if (done_ && out_error_ == 0) return absl::OkStatus();
  if (const int error = EnterWriter()) return SendStatus(error);
  WriterScope busy(this);
  return SendStatus(WaitForTail(deadline));
}

absl::Status PairEnd::Done(Deadline deadline) {
  if (const int error = runtime_->CheckCancelled()) return SendStatus(error);
  if (const int error = EnterWriter()) return SendStatus(error);
  WriterScope busy(this);
  if (const int error = WaitForTail(deadline)) return SendStatus(error);
  done_ = true;
  out_->ended = true;
  peer_->InboundChanged();
  if (on_writable_) runtime_->HoldOutput(this);
  return absl::OkStatus();
}

// Breaks the connection for both ends.
void PairEnd::Reset() {
  out_error_ = ECONNRESET;
  out_->DropTail();
  out_->reset = true;
  in_->Clear();
  in_->reader_gone = true;
  inbound_.Fail(ECONNRESET);
  WakeAll(&readers_, 0);
  WakeAll(&writers_, 0);
  if (on_readable_ || on_writable_) runtime_->HoldOutput(this);
  if (peer_ == nullptr) return;
  peer_->InboundChanged();
  peer_->OutboundChanged();
}

// Takes this end off the connection.
void PairEnd::Close() {
  if (!closed_) {
    closed_ = true;
    // Bytes that cannot arrive any more, either way, make it a reset.
    if (out_->tail() > 0 || !in_->empty() || inbound_.buffered() > 0) out_->reset = true;
    out_->DropTail();
    out_->ended = true;
    in_->Clear();
    in_->reader_gone = true;
    if (peer_ != nullptr) {
      peer_->InboundChanged();
      peer_->OutboundChanged();
    }
  }
  if (peer_ != nullptr) peer_->set_peer(nullptr);
  peer_ = nullptr;
}

void PairEnd::Abort() noexcept {
  on_readable_ = nullptr;
  on_writable_ = nullptr;
  Close();
  inbound_.Fail(EBADF);
  out_error_ = EBADF;
  WakeAll(&readers_, EBADF);
  WakeAll(&writers_, EBADF);
}

}  // namespace

std::pair<BytestreamPtr, BytestreamPtr> MakePair(Runtime* runtime, PairOptions options) {
  return (new Pair(runtime, options, /*in_storage=*/false))->ends();
}

std::pair<BytestreamPtr, BytestreamPtr> MakePair(Runtime* runtime, PairStorage* storage,
                                                 PairOptions options) {
  return (new (storage->bytes) Pair(runtime, options, /*in_storage=*/true))->ends();
}

}  // namespace halfpipe
