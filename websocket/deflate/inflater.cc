#include "websocket/deflate/inflater.h"

#include <zlib.h>

#include <algorithm>

#include "bytestream/base/check.h"
#include "websocket/core/close_code.h"

namespace halfpipe::websocket {
namespace {

// What a sender has left out (RFC 7692 section 7.2.1): the rest of an empty stored block, whose
// header is the last thing in the payload.
constexpr uint8_t kTail[4] = {0x00, 0x00, 0xff, 0xff};

// zlib counts in unsigned int.
constexpr size_t kPieceBytesMax = size_t{1} << 30;

constexpr uint64_t kRatioStepBytes = uint64_t{64} << 10;

constexpr char kBadData[] = "compressed message is not deflate data";
constexpr char kBadEnd[] = "compressed message does not end with a block";
constexpr char kTooLong[] = "message exceeds message_bytes_max when inflated";
constexpr char kBadRatio[] = "message inflates by more than inflation_ratio_max";

}  // namespace

bool Inflater::Start() {
  if (stream_ != nullptr) return true;
  stream_ = NewZlibStream(memory_);
  if (stream_ == nullptr) return false;
  const int code = inflateInit2(stream_, -std::max(int{options_.window_bits}, 9));
  if (code == Z_OK) return true;
  HALFPIPE_CHECK(code == Z_MEM_ERROR);
  DeleteZlibStream(stream_);
  stream_ = nullptr;
  return false;
}

void Inflater::BeginMessage() {
  inflated_ = taken_ = 0;
  has_ahead_ = false;
  stop_ = options_.message_bytes_max;
  if (options_.ratio_max != 0) stop_ = std::min(stop_, options_.ratio_floor_bytes);
}

void Inflater::Release() {
  BeginMessage();
  if (stream_ == nullptr) return;
  static_cast<void>(inflateEnd(stream_));
  DeleteZlibStream(stream_);
  stream_ = nullptr;
}

// Lets zlib take from `in` until it wants more of it or `out` is full.
Inflater::Step Inflater::Run(absl::Span<const uint8_t>* in, absl::Span<uint8_t> out) {
  Step step;
  for (;;) {
    const absl::Span<const uint8_t> piece = in->first(std::min(in->size(), kPieceBytesMax));
    const size_t room = std::min(out.size() - step.produced, kPieceBytesMax);
    stream_->next_in = const_cast<uint8_t*>(piece.data());
    stream_->avail_in = static_cast<unsigned>(piece.size());
    stream_->next_out = out.data() + step.produced;
    stream_->avail_out = static_cast<unsigned>(room);
    const int code = inflate(stream_, Z_SYNC_FLUSH);
    const size_t consumed = piece.size() - stream_->avail_in;
    in->remove_prefix(consumed);
    taken_ += consumed;
    step.produced += room - stream_->avail_out;
    if (code == Z_STREAM_END) {
      // A block with BFINAL. Unlike inflateReset() this keeps the window; zlib exports it without
      // documenting it. Copying the window out and in, the documented way, would let two bytes of
      // payload cost 64 KiB of copying.
      HALFPIPE_CHECK(inflateResetKeep(stream_) == Z_OK);
      step.final = in->empty();
      if (step.final) return step;
    } else if (code == Z_BUF_ERROR) {
      return step;
    } else if (code != Z_OK) {
      step.code = code;
      return step;
    } else if (in->empty() || step.produced == out.size()) {
      return step;
    }
  }
}

// At a bound: finds out whether there is a byte more, and takes no more payload than that needs, so
// that the ratio is the same however the payload is cut.
Inflater::Step Inflater::PeekAtStop(absl::Span<const uint8_t>* in) {
  absl::Span<const uint8_t> none;
  Step step = Run(&none, absl::MakeSpan(&ahead_, 1));
  while (step.code == 0 && step.produced == 0 && !in->empty()) {
    absl::Span<const uint8_t> byte = in->first(1);
    step = Run(&byte, absl::MakeSpan(&ahead_, 1));
    in->remove_prefix(1 - byte.size());
  }
  return step;
}

// The bound that inflated_, one byte beyond a stop, is above; null if none.
const char* Inflater::BrokenBound() const {
  if (inflated_ > options_.message_bytes_max) return kTooLong;
  if (options_.ratio_max == 0 || inflated_ <= options_.ratio_floor_bytes) return nullptr;
  return inflated_ / options_.ratio_max >= taken_ && inflated_ > taken_ * options_.ratio_max
             ? kBadRatio
             : nullptr;
}

uint64_t Inflater::NextStop(uint64_t inflated) const {
  if (options_.ratio_max == 0) return options_.message_bytes_max;
  return std::min(options_.message_bytes_max, inflated + kRatioStepBytes);
}

// One call of zlib, into `out` or, where that or a bound leaves no room, for one byte ahead.
Inflater::Step Inflater::Advance(absl::Span<const uint8_t>* in, absl::Span<uint8_t> out,
                                 size_t* produced) {
  Step step;
  const size_t room =
      static_cast<size_t>(std::min<uint64_t>(out.size() - *produced, stop_ - inflated_));
  if (room > 0) {
    step = Run(in, out.subspan(*produced, room));
    *produced += step.produced;
  } else {
    step = inflated_ == stop_ ? PeekAtStop(in) : Run(in, absl::MakeSpan(&ahead_, 1));
    has_ahead_ = step.produced > 0;
  }
  inflated_ += step.produced;
  return step;
}

Inflater::Result Inflater::Inflate(absl::Span<const uint8_t> in, bool last,
                                   absl::Span<uint8_t> out) {
  Result result;
  if (sticky_ == Status::kFailed) return Fail(result, error_.close_code, error_.what);
  if (sticky_ == Status::kNoMemory || !Start()) return FailWith(result, Z_MEM_ERROR);
  const size_t size = in.size();
  for (;;) {
    if (has_ahead_) {
      result.consumed = size - in.size();
      if (result.produced == out.size()) {
        result.status = Status::kNeedOutput;
        return result;
      }
      out[result.produced++] = ahead_;
      has_ahead_ = false;
    }
    if (pending_code_ != 0) return FailWith(result, pending_code_);
    const Step step = Advance(&in, out, &result.produced);
    result.consumed = size - in.size();
    if (inflated_ > stop_) {
      if (const char* bound = BrokenBound()) return Fail(result, kCloseTooBig, bound);
      stop_ = NextStop(stop_);
    }
    // What came before a fault is handed out before it.
    pending_code_ = step.code;
    // Something came: there may be more of it.
    if (step.produced > 0 || step.code != 0) continue;
    HALFPIPE_CHECK(in.empty());
    return last ? Finish(result) : result;
  }
}

// All payload is taken and all that it says is handed out: puts the tail back.
Inflater::Result Inflater::Finish(Result result) {
  absl::Span<const uint8_t> tail(kTail);
  uint8_t extra;
  const Step step = Run(&tail, absl::MakeSpan(&extra, 1));
  if (step.code == Z_MEM_ERROR) return FailWith(result, step.code);
  // The block that the tail belongs to may have BFINAL, or not. data_type: 128 between two blocks,
  // plus 64 in the last one, plus the bits that are left of the last byte.
  const bool at_end = step.final || stream_->data_type == 128;
  if (step.code != 0 || step.produced > 0 || !tail.empty() || !at_end) {
    return Fail(result, kCloseBadPayload, kBadEnd);
  }
  BeginMessage();
  if (!options_.context_takeover) Release();
  result.status = Status::kDone;
  return result;
}

Inflater::Result Inflater::Fail(Result result, uint16_t close_code, const char* what) {
  Release();
  sticky_ = result.status = Status::kFailed;
  error_ = result.error = {close_code, what};
  return result;
}

Inflater::Result Inflater::FailWith(Result result, int code) {
  if (code != Z_MEM_ERROR) return Fail(result, kCloseBadPayload, kBadData);
  Release();
  sticky_ = result.status = Status::kNoMemory;
  return result;
}

}  // namespace halfpipe::websocket
