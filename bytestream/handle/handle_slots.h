#ifndef HALFPIPE_BYTESTREAM_HANDLE_HANDLE_SLOTS_H_
#define HALFPIPE_BYTESTREAM_HANDLE_HANDLE_SLOTS_H_

#include <cstddef>
#include <cstdint>
#include <new>

namespace halfpipe {

// Gives out positive numbers for pointers and finds the pointer of a number. Pure: knows nothing of
// what is stored.
//
// A number is a slot's index in its low kIndexBits and the slot's generation above them. Slots that
// are free wait in a queue, first in, first out, and the queue is drawn from only while at least
// kFreeMin slots are in it; otherwise a slot that was never used is taken. A slot therefore comes
// back after at least kFreeMin further numbers, save once in its life (what was freed before the
// queue first filled has fewer in front of it), so a number is not repeated before
//   (2^kGenerationBits - 1) * kFreeMin
// further numbers have been given out: kReuseDistance.
//
// Memory grows by chunks and neither moves nor shrinks.
template <int kIndexBits, int kGenerationBits, uint32_t kFreeMin>
class HandleSlots {
 public:
  static_assert(kIndexBits + kGenerationBits <= 31, "numbers are positive ints");
  static_assert(kFreeMin < (uint32_t{1} << kIndexBits), "there must be room for live numbers");

  static constexpr uint32_t kGenerationCount = uint32_t{1} << kGenerationBits;
  // Index 0 is not used, so that no number is 0.
  static constexpr uint32_t kSlotCount = (uint32_t{1} << kIndexBits) - 1;
  static constexpr uint32_t kLiveMax = kSlotCount - kFreeMin + 1;
  static constexpr uint64_t kReuseDistance = uint64_t{kGenerationCount - 1} * kFreeMin;

  enum class Error { kNone, kFull, kNoMemory };

  // All slots begin at generation `first_generation` (modulo kGenerationCount).
  explicit HandleSlots(uint32_t first_generation)
      : first_generation_(first_generation % kGenerationCount) {}
  ~HandleSlots() {
    for (Slot* const chunk : chunks_) delete[] chunk;
  }
  HandleSlots(const HandleSlots&) = delete;
  HandleSlots& operator=(const HandleSlots&) = delete;

  // A number for `value` (not null), or 0 with *error set: kFull at kLiveMax live numbers.
  int Acquire(void* value, Error* error) {
    const int number = Reserve(error);
    if (number > 0) Fill(number, value, /*note=*/0);
    return number;
  }

  // The same in two steps. A reserved number counts for kLiveMax and finds nothing; it is to be
  // filled, or given back as if it had never been asked for. `note` is kept for ReleaseNext().
  int Reserve(Error* error) {
    *error = Prepare();
    if (*error != Error::kNone) return 0;
    uint32_t index = 0;
    if (free_count_ >= kFreeMin) {
      index = free_head_;
      free_head_ = At(index)->next_free;
      --free_count_;
    } else {
      // While fewer than kLiveMax are taken and fewer than kFreeMin free, one was never used.
      index = fresh_++;
      At(index)->generation = first_generation_;
    }
    ++taken_count_;
    ++reserved_count_;
    return static_cast<int>(At(index)->generation << kIndexBits | index);
  }
  void Fill(int number, void* value, uint32_t note) {
    Slot* const slot = At(static_cast<uint32_t>(number) & kIndexMask);
    slot->value = value;
    slot->note = note;
    --reserved_count_;
  }
  void Unreserve(int number) {
    const uint32_t index = static_cast<uint32_t>(number) & kIndexMask;
    --taken_count_;
    --reserved_count_;
    if (index + 1 == fresh_ && At(index)->generation == first_generation_) {
      --fresh_;
      return;
    }
    // To the front: the number was in nobody's hands, and may come next.
    if (free_count_ == 0) {
      free_tail_ = index;
    } else {
      At(index)->next_free = free_head_;
    }
    free_head_ = index;
    ++free_count_;
  }

  // Counts as reserved all that is left up to kLiveMax, no numbers in particular, and returns how
  // many that is: until they are given back the numbers that are taken are as many as there may be.
  uint32_t WithholdRest() {
    const uint32_t rest = kLiveMax - taken_count_;
    taken_count_ += rest;
    reserved_count_ += rest;
    return rest;
  }
  void GiveBack(uint32_t withheld) {
    taken_count_ -= withheld;
    reserved_count_ -= withheld;
  }

  // What the next Acquire() or Reserve() would fail with; if it says kNone, that succeeds.
  Error Prepare() {
    if (taken_count_ >= kLiveMax) return Error::kFull;
    if (free_count_ >= kFreeMin) return Error::kNone;
    Slot*& chunk = chunks_[fresh_ >> kChunkBits];
    if (chunk == nullptr) chunk = new (std::nothrow) Slot[kChunkSlots];
    return chunk == nullptr ? Error::kNoMemory : Error::kNone;
  }

  // The value of a live number, else null. Any int may be asked for.
  void* Find(int number) const {
    const Slot* const slot = Lookup(number);
    return slot != nullptr ? slot->value : nullptr;
  }

  // Ends the number, which must be live.
  void Release(int number) {
    Slot* const slot = Lookup(number);
    slot->value = nullptr;
    slot->generation = (slot->generation + 1) % kGenerationCount;
    const uint32_t index = static_cast<uint32_t>(number) & kIndexMask;
    if (free_count_ == 0) {
      free_head_ = index;
    } else {
      At(free_tail_)->next_free = index;
    }
    free_tail_ = index;
    ++free_count_;
    --taken_count_;
  }

  // For the end of a table: ends the next live number in the order of slots, returns its value and
  // sets *number and *note; null when there is none left. *cursor is 0 at first.
  void* ReleaseNext(uint32_t* cursor, int* number, uint32_t* note) {
    while (live_count() > 0 && *cursor + 1 < fresh_) {
      const uint32_t index = ++*cursor;
      Slot* const slot = At(index);
      void* const value = slot->value;
      if (value == nullptr) continue;
      *number = static_cast<int>(slot->generation << kIndexBits | index);
      *note = slot->note;
      Release(*number);
      return value;
    }
    return nullptr;
  }

  uint32_t live_count() const { return taken_count_ - reserved_count_; }

 private:
  struct Slot {
    void* value = nullptr;  // null while free or reserved
    uint32_t generation = 0;
    union {
      uint32_t next_free = 0;  // only while queued, and not of the last one
      uint32_t note;           // only while live
    };
  };

  static constexpr uint32_t kIndexMask = (uint32_t{1} << kIndexBits) - 1;
  static constexpr int kChunkBits = kIndexBits < 10 ? kIndexBits : 10;
  static constexpr uint32_t kChunkSlots = uint32_t{1} << kChunkBits;
  static constexpr size_t kChunkCount = size_t{1} << (kIndexBits - kChunkBits);

  Slot* At(uint32_t index) const {
    return &chunks_[index >> kChunkBits][index & (kChunkSlots - 1)];
  }

  Slot* Lookup(int number) const {
    if (number <= 0) return nullptr;
    const uint32_t bits = static_cast<uint32_t>(number);
    const uint32_t index = bits & kIndexMask;
    if (index >= fresh_ || index == 0) return nullptr;
    Slot* const slot = At(index);
    if (slot->generation != bits >> kIndexBits || slot->value == nullptr) return nullptr;
    return slot;
  }

  const uint32_t first_generation_;
  uint32_t fresh_ = 1;  // this slot and all after it were never used
  uint32_t free_head_ = 0;
  uint32_t free_tail_ = 0;
  uint32_t free_count_ = 0;
  uint32_t taken_count_ = 0;     // live or reserved
  uint32_t reserved_count_ = 0;  // of these
  Slot* chunks_[kChunkCount] = {};
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_HANDLE_HANDLE_SLOTS_H_
