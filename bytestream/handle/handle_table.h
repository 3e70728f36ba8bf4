#ifndef HALFPIPE_BYTESTREAM_HANDLE_HANDLE_TABLE_H_
#define HALFPIPE_BYTESTREAM_HANDLE_HANDLE_TABLE_H_

#include <cstdint>

#include "absl/base/attributes.h"
#include "bytestream/handle/handle_slots.h"
#include "bytestream/handle/handle_type.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {

// The handles of one thread: positive ints that stand for objects. A number carries a generation,
// so that one that was closed is EBADF, and is not given out again before kReuseDistance further
// handles. Each table begins at a random generation, so that another thread's number is EBADF but
// for a chance of 1 in 2048; builds without NDEBUG never give out a number that is alive in another
// thread, and so find every such mistake.
//
// Errors are errno values, 0 for none. Nothing here waits, except Close() of an object that joins
// coroutines.
//
// Example, a call of the C API:
//   PinnedHandle pin(s);
//   if (!pin) return Fail(EBADF);
//   Bytestream* stream = pin.Query<Bytestream>(kBytestreamType);
//   if (stream == nullptr) return Fail(ENOTSUP);
//   ... blocking calls on *stream: hclose() by others cannot free it ...
class HandleTable final : public RuntimeExtension {
 public:
  // 20 bits of index, 11 of generation. 8200 rather than 8192 slots stay free, so that the distance
  // is above 2^24.
  using Slots = HandleSlots<20, 11, 8200>;
  static constexpr uint32_t kLiveMax = Slots::kLiveMax;
  static constexpr uint64_t kReuseDistance = Slots::kReuseDistance;
  static_assert(kReuseDistance >= uint64_t{1} << 24, "the C API promises this");

  // The table of Runtime::Current(); made if there is none.
  static HandleTable& Current();

  explicit HandleTable(Runtime* runtime);
  // Closes the objects that are left, but those that suspended coroutines are in and, where the
  // runtime is ending by itself, those that are in memory of a caller: these are left alone, for
  // what would have to be woken or closed may be gone.
  ~HandleTable() override;
  HandleTable(const HandleTable&) = delete;
  HandleTable& operator=(const HandleTable&) = delete;

  // Takes `object` over and returns its number, or -EMFILE (kLiveMax handles are open) or -ENOMEM;
  // the caller keeps it then.
  ABSL_MUST_USE_RESULT int Make(HandleObject* object);

  // 0 if there is room for one more handle, else EMFILE or ENOMEM. To be asked before beginning
  // what could not be taken back. Where there is a wait in between, see HandleReservation.
  ABSL_MUST_USE_RESULT int CheckRoom();

  // The object of a handle, borrowed, or null. Only for use without a switch of coroutines in
  // between; else see PinnedHandle.
  HandleObject* Find(int handle) const { return static_cast<HandleObject*>(slots_.Find(handle)); }

  // Ends the handle: the number dies, HandleObject::Close() runs at once and wakes blocked callers,
  // Dispose() follows when the last call in progress has come out. EBADF, or what CheckClose()
  // says.
  ABSL_MUST_USE_RESULT int Close(int handle);

  // Gives the object another number and lets the old one die: *owned is set. EBADF; EBUSY (a call
  // is in progress), EMFILE, ENOMEM: nothing done. In a coroutine that is being cancelled the
  // object is closed: ECANCELED.
  ABSL_MUST_USE_RESULT int Own(int handle, int* owned);

  // Takes the object out without closing it; the caller owns it now. Null with *error set: EBADF,
  // or EBUSY (a call is in progress; nothing done).
  HandleObject* Release(int handle, int* error);

  // True while a call is in progress on an object that is in a table or was closed in it.
  static bool Pinned(const HandleObject* object) { return object->pin_count_ > 0; }

  // The bundle of coroutines that the library runs for objects of this thread. Those who start one
  // see to it that it ends; nobody waits for them.
  Bundle* background() { return &background_; }

  uint32_t live_count() const { return slots_.live_count(); }
  Runtime* runtime() { return runtime_; }

 private:
  friend class HandleReservation;
  friend class EveryNumber;  // For tests.

  int Reserve();
  void Unreserve(int number);
  void Fill(int number, HandleObject* object);
  void Forget(int handle);

  Runtime* const runtime_;
  Slots slots_;
  Bundle background_;
};

// A number that is kept for an object that is yet to come, so that making its handle cannot fail
// after a wait. Nobody finds it before.
//
// Example:
//   HandleReservation reservation(&table);
//   if (const int error = reservation.error()) return -error;
//   ... wait for a connection ...
//   return reservation.Fill(new Connection(...));
class HandleReservation {
 public:
  explicit HandleReservation(HandleTable* table) : table_(table), number_(table->Reserve()) {}
  ~HandleReservation() {
    if (number_ > 0) table_->Unreserve(number_);
  }
  HandleReservation(const HandleReservation&) = delete;
  HandleReservation& operator=(const HandleReservation&) = delete;

  // 0, EMFILE or ENOMEM.
  int error() const { return number_ < 0 ? -number_ : 0; }

  // As HandleTable::Make(), and does not fail. To be called once, without an error().
  int Fill(HandleObject* object) {
    const int number = number_;
    number_ = 0;
    table_->Fill(number, object);
    return number;
  }

 private:
  HandleTable* const table_;
  int number_;
};

// Holds the object of a handle in place for the length of a call, while others may close it.
class PinnedHandle {
 public:
  // Looks `handle` up in the table of this thread.
  explicit PinnedHandle(int handle) : PinnedHandle(HandleTable::Current().Find(handle)) {}
  // Pins an object that is known (may be null).
  explicit PinnedHandle(HandleObject* object) : object_(object) {
    if (object_ != nullptr) ++object_->pin_count_;
  }
  ~PinnedHandle() {
    if (object_ != nullptr && --object_->pin_count_ == 0 && object_->closed_) object_->Dispose();
  }
  PinnedHandle(const PinnedHandle&) = delete;
  PinnedHandle& operator=(const PinnedHandle&) = delete;

  // False: no such handle (EBADF).
  explicit operator bool() const { return object_ != nullptr; }

  HandleObject* object() const { return object_; }

  // True once the handle has been closed under us.
  bool closed() const { return object_->closed_; }

  // The interface of that type, or null (ENOTSUP). T must be the class that `type` stands for.
  template <typename T>
  T* Query(const HandleType& type) const {
    return static_cast<T*>(object_->Query(&type));
  }

 private:
  HandleObject* const object_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_HANDLE_HANDLE_TABLE_H_
