#include "websocket/deflate/deflater.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "bytestream/base/check.h"

namespace halfpipe::websocket {
namespace {

constexpr uint8_t kTail[4] = {0x00, 0x00, 0xff, 0xff};

// zlib counts in unsigned int.
constexpr size_t kPieceBytesMax = size_t{1} << 30;

}  // namespace

bool Deflater::Start() {
  if (stream_ != nullptr) return true;
  stream_ = NewZlibStream(memory_);
  if (stream_ == nullptr) return false;
  const bool smallest = options_.window_bits == kMinWindowBits;
  const int code =
      deflateInit2(stream_, options_.level, Z_DEFLATED, smallest ? -9 : -int{options_.window_bits},
                   options_.mem_level, smallest ? Z_RLE : Z_DEFAULT_STRATEGY);
  if (code == Z_OK) return true;
  HALFPIPE_CHECK(code == Z_MEM_ERROR);
  DeleteZlibStream(stream_);
  stream_ = nullptr;
  return false;
}

Deflater::Result Deflater::Deflate(absl::Span<const uint8_t> in, bool last,
                                   absl::Span<uint8_t> out) {
  HALFPIPE_CHECK(out.size() >= kOutputBytesMin);
  Result result;
  if (!in_message_ && in.empty()) {
    if (!last) return result;
    // zlib would not flush where there is nothing: the header of an empty block, made by hand.
    out[0] = 0x00;
    return {Status::kDone, 0, 1};
  }
  if (!Start()) {
    result.status = Status::kNoMemory;
    return result;
  }
  in_message_ = true;
  const absl::Span<const uint8_t> piece = in.first(std::min(in.size(), kPieceBytesMax));
  const bool flush = last && piece.size() == in.size();
  std::memcpy(out.data(), held_, held_count_);
  stream_->next_in = const_cast<uint8_t*>(piece.data());
  stream_->avail_in = static_cast<unsigned>(piece.size());
  stream_->next_out = out.data() + held_count_;
  stream_->avail_out = static_cast<unsigned>(std::min(out.size() - held_count_, kPieceBytesMax));
  const int code = deflate(stream_, flush ? Z_SYNC_FLUSH : Z_NO_FLUSH);
  // Z_BUF_ERROR: there was nothing to do.
  HALFPIPE_CHECK(code == Z_OK || code == Z_BUF_ERROR);
  result.consumed = piece.size() - stream_->avail_in;

  const size_t total = static_cast<size_t>(stream_->next_out - out.data());
  held_count_ = static_cast<uint8_t>(std::min(total, sizeof(held_)));
  result.produced = total - held_count_;
  std::memcpy(held_, out.data() + result.produced, held_count_);
  if (stream_->avail_out == 0) {
    result.status = Status::kNeedOutput;
  } else if (flush) {
    HALFPIPE_CHECK(held_count_ == sizeof(kTail) && std::memcmp(held_, kTail, sizeof(kTail)) == 0);
    EndMessage();
    result.status = Status::kDone;
  } else if (result.consumed < in.size()) {
    result.status = Status::kNeedOutput;
  }
  return result;
}

void Deflater::EndMessage() {
  in_message_ = false;
  held_count_ = 0;
  if (!options_.context_takeover) Release();
}

void Deflater::Reset() {
  in_message_ = false;
  held_count_ = 0;
  // One that has seen nothing yet is fresh; to clear its tables costs more than a short message.
  if (stream_ == nullptr || stream_->total_in == 0) return;
  HALFPIPE_CHECK(deflateReset(stream_) == Z_OK);
}

void Deflater::Release() {
  in_message_ = false;
  held_count_ = 0;
  if (stream_ == nullptr) return;
  // Z_DATA_ERROR, where a message was not finished, is no failure.
  static_cast<void>(deflateEnd(stream_));
  DeleteZlibStream(stream_);
  stream_ = nullptr;
}

}  // namespace halfpipe::websocket
