#ifndef HALFPIPE_BYTESTREAM_BASE_SET_ASIDE_H_
#define HALFPIPE_BYTESTREAM_BASE_SET_ASIDE_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "bytestream/base/io_slice.h"

namespace halfpipe {

// The beginning of a message whose receive was interrupted, kept until a receive has come to its end.
// Also the storage in which a message is put together that cannot be viewed in the read buffer.
//
// Bytes that the interrupted call had skipped (null slices) are not here; their place and number
// are, so that a call with the same list finds everything where it belongs. No memory while empty.
//
// A receive that goes on leaves room for what is here at the front of its list, receives what is
// missing behind that, and has the rest restored when the message is complete. So each byte is copied
// twice at the most, however often the receives of one message are interrupted.
class SetAside {
 public:
  SetAside() = default;
  ~SetAside() { Clear(); }
  SetAside(const SetAside&) = delete;
  SetAside& operator=(const SetAside&) = delete;

  // Bytes of the message that are accounted for, skipped ones included.
  uint64_t message_bytes() const { return byte_count_ + skipped_count_; }
  bool empty() const { return message_bytes() == 0; }
  bool has_gaps() const { return skipped_count_ > 0; }

  // The bytes that are here; the message's beginning if there are no gaps.
  absl::Span<uint8_t> bytes() { return absl::MakeSpan(bytes_, byte_count_); }

  // Keeps what a receive has delivered so far, `message_bytes` bytes of the message, in all receives
  // of it: those that are not here yet are taken from their place in `slices`, null ones counted.
  // False when memory fails; nothing is kept then.
  [[nodiscard]] bool Save(absl::Span<const IoSpan> slices, uint64_t message_bytes);

  // Keeps the number of bytes of the message that calls have dropped, in place of what was here.
  void SaveDiscarded(uint64_t message_bytes);

  // Whether Restore() can deliver into `slices`: false if they want bytes that were skipped. The
  // slices must be large enough for message_bytes().
  bool Fits(absl::Span<const IoSpan> slices) const;

  // Copies what is here to where it belongs in `slices` and clears. Only if Fits(), or empty().
  void Restore(absl::Span<const IoSpan> slices);

  // Room for `count` bytes behind bytes(), to be filled and reported with Commit(). Grows by
  // doubling, and never to more than `message_bytes_max` in all: memory follows what has arrived,
  // not what was announced. Empty when memory fails or the bound is reached. Not with gaps.
  absl::Span<uint8_t> Room(uint64_t count, uint64_t message_bytes_max);
  void Commit(size_t count) { byte_count_ += count; }

  // Forgets everything and gives the memory back.
  void Clear();

 private:
  // Neighbouring bytes, or a gap.
  struct Run {
    uint64_t size;
    bool skipped;
  };

  absl::Span<const Run> Runs(Run* only) const;
  bool AddRun(Run run);
  bool PushRun(Run run);
  bool Grow(size_t capacity);

  uint8_t* bytes_ = nullptr;  // from malloc
  size_t byte_count_ = 0;
  size_t capacity_ = 0;
  uint64_t skipped_count_ = 0;
  Run* runs_ = nullptr;  // from malloc: the order of bytes and gaps; null if there is but one kind
  size_t run_count_ = 0;
  size_t run_capacity_ = 0;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_BASE_SET_ASIDE_H_
