// Compressed messages of websocket::Stream (RFC 7692 sections 6 and 7.2).
//
// Both contexts stay in step with the peer's, whatever happens to a call:
//   * Received messages are inflated to their end even if nobody wants them: later ones may refer to
//     them. Payload that was taken from the lower stream has been inflated when a wait begins, so an
//     interrupted receive leaves nothing but what it has delivered, which is set aside as always.
//   * A message that is not sent after it was compressed, since its first byte could not leave,
//     takes the window with it: the next one refers to nothing. Once the first byte has left all of
//     the message follows, or the connection breaks.

#include "websocket/stream_deflate.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "bytestream/base/check.h"
#include "bytestream/base/errno_status.h"
#include "websocket/core/masking.h"
#include "websocket/message_type.h"
#include "websocket/stream_control.h"

namespace halfpipe::websocket {
namespace {

using Kind = ReceiveEvent::Kind;

// For bytes that are only checked. On the stack, so not large.
constexpr size_t kDropBytes = 1024;

}  // namespace

std::unique_ptr<Stream::Deflate> Stream::MakeDeflate(const Options& options) {
  if (!options.deflate_params.has_value()) return nullptr;
  const DeflateParams& params = *options.deflate_params;
  const DeflateOptions& ours = options.deflate;
  HALFPIPE_CHECK(IsValid(ours));
  const bool client = options.role == Role::kClient;
  const Deflater::Options outbound = {
      .window_bits = client ? params.client_max_window_bits : params.server_max_window_bits,
      .context_takeover =
          !(client ? params.client_no_context_takeover : params.server_no_context_takeover),
      .level = ours.level,
      .mem_level = ours.mem_level};
  const Inflater::Options inbound = {
      .window_bits = client ? params.server_max_window_bits : params.client_max_window_bits,
      .context_takeover =
          !(client ? params.server_no_context_takeover : params.client_no_context_takeover),
      .message_bytes_max = options.message_bytes_max,
      .ratio_max = ours.inflation_ratio_max,
      .ratio_floor_bytes = ours.inflation_ratio_floor_bytes};
  return std::make_unique<Deflate>(outbound, inbound, ours.memory_bytes_max);
}

// The payload of a compressed message of at most `message_bytes_max` bytes. Compressing can make a
// message longer: by an eighth at the worst (deflateBound() of zlib), and a little. Without a bound
// empty blocks could go on for ever.
uint64_t Stream::EncodedBytesMax(uint64_t message_bytes_max) {
  const uint64_t extra = message_bytes_max / 4 + 1024;
  return message_bytes_max < kMaxFramePayload - extra ? message_bytes_max + extra
                                                      : kMaxFramePayload;
}

// ---- Sending ------------------------------------------------------------------------------------

bool Stream::ShouldCompress(uint64_t size, Compress compress) const {
  if (deflate_ == nullptr || compress == Compress::kNever) return false;
  return compress == Compress::kAlways || size >= options_.deflate.compress_bytes_min;
}

// Compresses into a block of scratch and sends what it holds whenever it is full: a message that is
// longer becomes several fragments.
absl::Status Stream::SendDeflated(MessageType type, absl::Span<const IoSlice> slices, bool more,
                                  Deadline deadline) {
  MessageSender sender(options_.role);
  sender.Begin(OpcodeOf(type), kRsv1);
  bool no_memory = false;
  absl::Status status =
      DeflateFrames(&sender, slices, /*last=*/true, /*begun=*/false, more, deadline, &no_memory);
  return no_memory ? SendLocked(type, slices, more, deadline) : status;
}

// Compresses `slices`, the message's rest if `last`, and sends what that brings. If not `last`, that
// may be nothing yet. `begun`: the message cannot be taken back, so that what time does not allow to
// wait for goes to the tail. *no_memory: nothing was compressed.
absl::Status Stream::DeflateFrames(MessageSender* sender, absl::Span<const IoSlice> slices,
                                   bool last, bool begun, bool more, Deadline deadline,
                                   bool* no_memory) {
  uint8_t* const scratch = runtime_->buffer_pool().Get();
  *no_memory = scratch == nullptr;
  if (*no_memory) return ErrnoStatus(ENOMEM, "no memory to compress a message in");
  const absl::Span<uint8_t> room(scratch + kMaxFrameHeaderSize,
                                 BufferPool::kBlockSize - kMaxFrameHeaderSize);
  SliceCursor<IoSlice> rest(slices);
  uint64_t left = TotalSize(slices);
  absl::Status status;
  for (bool complete = false; !complete;) {
    size_t filled = 0;
    auto state = Deflater::Status::kNeedOutput;
    while (!complete && room.size() - filled >= Deflater::kOutputBytesMin) {
      const IoSlice piece = rest.done() ? IoSlice() : rest.Front();
      const Deflater::Result result =
          deflate_->deflater.Deflate(absl::MakeConstSpan(piece.data, piece.size),
                                     last && piece.size == left, room.subspan(filled));
      state = result.status;
      if (state == Deflater::Status::kNoMemory) break;
      rest.Advance(result.consumed);
      left -= result.consumed;
      filled += result.produced;
      complete = state == Deflater::Status::kDone ||
                 (!last && left == 0 && state == Deflater::Status::kNeedInput);
    }
    if (state == Deflater::Status::kNoMemory) {
      *no_memory = true;
      break;
    }
    const bool fin = state == Deflater::Status::kDone;
    if (filled == 0 && !fin) continue;
    if (begun) status = BetweenFrames();
    if (status.ok()) {
      status = WriteFragments(sender, room.data(), filled, fin, begun, more, deadline);
    }
    if (!status.ok()) break;
    begun = true;
    // Compressing takes its time, and a peer that reads fast leaves nothing to wait for.
    if (!complete) runtime_->CountOperation();
  }
  runtime_->buffer_pool().Put(scratch);
  // The peer never sees what is in the window now.
  if (!status.ok()) deflate_->deflater.Reset();
  return status;
}

// Sends `size` bytes at `payload` as frames, with room for a header in front of them, which the
// bytes of a frame that has been sent are too.
absl::Status Stream::WriteFragments(MessageSender* sender, uint8_t* payload, size_t size, bool last,
                                    bool begun, bool more, Deadline deadline) {
  for (size_t left = size;;) {
    const size_t frame = static_cast<size_t>(FragmentSize(left, options_.send_frame_bytes_max));
    left -= frame;
    const bool fin = last && left == 0;
    const MaskKey key = NextMaskKey();
    uint8_t header[kMaxFrameHeaderSize];
    const size_t header_size = sender->NextFrame(frame, fin, key, absl::MakeSpan(header));
    if (sender->masks()) Mask(absl::MakeSpan(payload, frame), key, 0);
    std::memcpy(payload - header_size, header, header_size);
    const IoSlice slice(payload - header_size, header_size + frame);
    absl::Status status =
        WriteOrFinish(absl::MakeConstSpan(&slice, 1), begun, more && fin, deadline);
    if (!status.ok() || left == 0) return status;
    payload += frame;
    begun = true;
    status = BetweenFrames();
    if (!status.ok()) return status;
  }
}

void Stream::ReleaseCompressor() {
  if (!sender_busy()) ReleaseCompressorLocked();
}

void Stream::ReleaseCompressorLocked() {
  if (deflate_ != nullptr) deflate_->deflater.Release();
}

// ---- Receiving ----------------------------------------------------------------------------------

// Where the bytes of a message go.
class Stream::InflateSink {
 public:
  // Room for what comes next; empty if there is none.
  virtual absl::Span<uint8_t> Room() = 0;
  // The first `size` bytes of it hold some.
  virtual void Commit(size_t size) = 0;
  // False: a message that does not fit is the end of the connection.
  virtual bool may_overflow() const { return false; }

 protected:
  ~InflateSink() = default;
};

class Stream::DropSink final : public InflateSink {
 public:
  absl::Span<uint8_t> Room() override { return absl::MakeSpan(dropped_); }
  void Commit(size_t) override {}

 private:
  uint8_t dropped_[kDropBytes];
};

class Stream::FillSink final : public InflateSink {
 public:
  explicit FillSink(SliceCursor<IoSpan>* to) : to_(to) {}

  absl::Span<uint8_t> Room() override {
    if (to_->done()) return {};
    const IoSpan piece = to_->Front();
    if (piece.data != nullptr) return absl::MakeSpan(piece.data, piece.size);
    return absl::MakeSpan(skipped_, std::min(piece.size, kDropBytes));
  }
  void Commit(size_t size) override { to_->Advance(size); }
  bool may_overflow() const override { return true; }

 private:
  SliceCursor<IoSpan>* const to_;
  uint8_t skipped_[kDropBytes];
};

class Stream::CollectSink final : public InflateSink {
 public:
  CollectSink(SetAside* aside, uint64_t message_bytes_max)
      : aside_(aside), message_bytes_max_(message_bytes_max) {}

  absl::Span<uint8_t> Room() override { return aside_->Room(SIZE_MAX, message_bytes_max_); }
  void Commit(size_t size) override { aside_->Commit(size); }

 private:
  SetAside* const aside_;
  const uint64_t message_bytes_max_;
};

absl::Status Stream::FillInflated(absl::Span<const IoSpan> slices, ReceiveEvent* event,
                                  Deadline deadline) {
  SliceCursor<IoSpan> to(slices);
  to.Advance(static_cast<size_t>(aside_.message_bytes()));
  FillSink sink(&to);
  absl::Status status = InflateMessage(&sink, event, deadline);
  if (status.ok() && event->kind == Kind::kMessageEnd) {
    aside_.Restore(slices);
  } else if (failure_ == 0 && IsInterruption(status)) {
    Interrupted(slices, deflate_->message_offset());
    if (failure_ == ENOMEM) return Failure();
  }
  return status;
}

absl::Status Stream::CollectInflated(ReceiveEvent* event, Deadline deadline) {
  CollectSink sink(&aside_, options_.message_bytes_max);
  absl::Status status = InflateMessage(&sink, event, deadline);
  if (status.ok() && event->kind == Kind::kMessageEnd) view_in_aside_ = true;
  return status;
}

absl::Status Stream::DropInflated(ReceiveEvent* event, Deadline deadline) {
  DropSink sink;
  return InflateMessage(&sink, event, deadline);
}

// Inflates the message that *event speaks of, from wherever it has come to. OK: *event is
// kMessageEnd, its message_bytes those of the inflated message; kPeerClosed or kFail.
absl::Status Stream::InflateMessage(InflateSink* sink, ReceiveEvent* event, Deadline deadline) {
  while (event->kind == Kind::kNeedPayload) {
    const auto piece = UnmaskPayload(event->frame_bytes_left, deadline);
    if (!piece.ok()) return piece.status();
    absl::Status status = InflatePiece(*piece, /*last=*/false, event->opcode, sink);
    lower_->Consume(piece->size());
    MarkHeard();
    if (status.ok()) status = NextDataEvent(event, deadline);
    if (!status.ok()) return status;
    // Little payload may have been much to inflate.
    if (event->kind == Kind::kNeedPayload) runtime_->CountOperation();
  }
  if (event->kind != Kind::kMessageEnd) return absl::OkStatus();
  absl::Status status = InflatePiece({}, /*last=*/true, event->opcode, sink);
  event->message_bytes = deflate_->message_bytes;
  return status;
}

// Inflates all of `in`, which is the message's rest if `last`. Never waits. EMSGSIZE: it is more
// than `sink` takes; the rest of it was dropped.
absl::Status Stream::InflatePiece(absl::Span<const uint8_t> in, bool last, Opcode opcode,
                                  InflateSink* sink) {
  Deflate& state = *deflate_;
  if (!state.in_message) state.BeginMessage(opcode);
  DropSink drop;
  bool overflow = false;
  // At the end there is seldom more: room is asked for when there is.
  absl::Span<uint8_t> room = in.empty() ? absl::Span<uint8_t>() : sink->Room();
  for (;;) {
    const Inflater::Result result = state.inflater.Inflate(in, last, room);
    in.remove_prefix(result.consumed);
    if (opcode == Opcode::kText && !state.text.Validate(room.first(result.produced))) {
      return FailConnection({kCloseBadPayload, "text is not UTF-8"});
    }
    if (!overflow) sink->Commit(result.produced);
    state.message_bytes += result.produced;
    CountWork(result.consumed + result.produced);
    switch (result.status) {
      case Inflater::Status::kNeedOutput:
        room = overflow ? drop.Room() : sink->Room();
        if (!room.empty()) break;
        if (!sink->may_overflow()) return NoMemory();
        overflow = true;
        room = drop.Room();
        break;
      case Inflater::Status::kNeedInput:
        return overflow ? TooLarge() : absl::OkStatus();
      case Inflater::Status::kDone:
        state.in_message = false;
        if (opcode == Opcode::kText && !state.text.Finish()) {
          return FailConnection({kCloseBadPayload, "text ends inside a UTF-8 sequence"});
        }
        if (!overflow) return absl::OkStatus();
        return TooLarge(/*skip=*/false);
      case Inflater::Status::kFailed:
        return FailConnection(result.error);
      case Inflater::Status::kNoMemory:
        return NoMemory();
    }
  }
}

// Inflates what a part has left of the payload that came, and of what it brings; all of the rest if
// the message has come to its end.
absl::Status Stream::DropPending() {
  Deflate& state = *deflate_;
  const absl::StatusOr<absl::Span<const uint8_t>> in = PendingPayload();
  if (!in.ok()) return in.status();
  DropSink sink;
  absl::Status status = InflatePiece(*in, state.ending, state.opcode, &sink);
  if (!in->empty()) lower_->Consume(in->size());
  NoteBuffered();
  state.pending = 0;
  state.ending = false;
  return status;
}

void Stream::ReleaseInflater() {
  if (deflate_ == nullptr) return;
  deflate_->inflater.Release();
  deflate_->in_message = false;
}

size_t Stream::deflate_memory_bytes() const {
  return deflate_ != nullptr ? deflate_->memory.bytes_in_use : 0;
}

size_t Stream::deflate_memory_peak_bytes() const {
  return deflate_ != nullptr ? deflate_->memory.bytes_peak : 0;
}

}  // namespace halfpipe::websocket
