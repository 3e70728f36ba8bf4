// The C calls for coroutines and bundles.

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <new>

#include "bytestream/base/deadline.h"
#include "bytestream/c_call.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/handle/handle_type.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#define DILL_DISABLE_RAW_NAMES
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

constexpr HandleType kBundleType{"bundle"};

// A bundle behind a handle.
class BundleObject final : public HandleObject {
 public:
  BundleObject(Runtime* runtime, bool in_callers_storage)
      : bundle_(runtime), in_callers_storage_(in_callers_storage) {}

  void* Query(const void* type) override { return type == &kBundleType ? &bundle_ : nullptr; }

  bool in_callers_memory() const override { return in_callers_storage_; }

  int CheckClose() override { return bundle_.JoinIsDeadlock() ? EDEADLK : 0; }

  void TakenOver() noexcept override { bundle_.TakeOwnership(); }

  void Close() noexcept override { bundle_.CancelAndJoin(); }

  void Dispose() noexcept override {
    if (in_callers_storage_) {
      this->~BundleObject();
    } else {
      delete this;
    }
  }

  // Coroutines that are left will never run, and refer to their bundle: it is left with them.
  bool Abandon() noexcept override {
    if (!bundle_.empty()) return false;
    Dispose();
    return true;
  }

  Bundle* bundle() { return &bundle_; }

 private:
  Bundle bundle_;
  const bool in_callers_storage_;
};

static_assert(sizeof(BundleObject) <= sizeof(dill_bundle_storage), "public size");
static_assert(alignof(BundleObject) <= alignof(dill_bundle_storage), "public alignment");

// A number for a new bundle object, at `place` or (null) on the heap; or a negative errno.
int MakeBundle(void* place, BundleObject** object) {
  HandleTable& table = HandleTable::Current();
  if (const int error = table.runtime()->CheckCancelled()) return -error;
  *object = place != nullptr ? new (place) BundleObject(table.runtime(), true)
                             : new (std::nothrow) BundleObject(table.runtime(), false);
  if (*object == nullptr) return -ENOMEM;
  const int number = table.Make(*object);
  if (number < 0) (*object)->Dispose();
  return number;
}

using Placement = Bundle::Placement;

Placement On(void* stack, size_t size) {
  Placement placement;
  placement.memory = stack;
  placement.memory_size = size;
  return placement;
}

int StartIn(Bundle* bundle, void (*function)(void*), void* argument, const Placement& stack) {
  return bundle->Start([function, argument] { function(argument); }, stack);
}

// Handle or negative errno. A bundle that is made for a stack of the caller lives at its top.
int Go(void (*function)(void*), void* argument, Placement stack) {
  if (function == nullptr) return -EINVAL;
  void* place = nullptr;
  if (stack.memory != nullptr) {
    if (stack.memory_size < sizeof(BundleObject) + alignof(BundleObject)) return -ENOMEM;
    const uintptr_t bottom = reinterpret_cast<uintptr_t>(stack.memory);
    const uintptr_t top = (bottom + stack.memory_size - sizeof(BundleObject)) &
                          ~(uintptr_t{alignof(BundleObject)} - 1);
    place = reinterpret_cast<void*>(top);
    stack.memory_size = top - bottom;
  }
  BundleObject* object = nullptr;
  const int number = MakeBundle(place, &object);
  if (number < 0) return number;
  const int error = StartIn(object->bundle(), function, argument, stack);
  if (error == 0) return number;
  int released = 0;
  HandleTable::Current().Release(number, &released);
  object->Dispose();
  return -error;
}

int BundleGo(int h, void (*function)(void*), void* argument, const Placement& stack) {
  HandleObject* const object = HandleTable::Current().Find(h);
  if (object == nullptr) return EBADF;
  Bundle* const bundle = static_cast<Bundle*>(object->Query(&kBundleType));
  if (bundle == nullptr) return ENOTSUP;
  if (function == nullptr) return EINVAL;
  // The object is not pinned: once the coroutine runs, the bundle is not touched here any more, and
  // the coroutine may well own or close it elsewhere.
  return StartIn(bundle, function, argument, stack);
}

int WaitForBundle(int h, int64_t deadline) {
  PinnedHandle pin(h);
  if (!pin) return EBADF;
  Bundle* const bundle = pin.Query<Bundle>(kBundleType);
  if (bundle == nullptr) return ENOTSUP;
  if (bundle->Contains(bundle->runtime()->current())) return EDEADLK;
  const int error = bundle->Wait(Deadline::FromMillis(deadline));
  // hclose() of another coroutine joined what we waited for.
  return error == 0 && pin.closed() ? EBADF : error;
}

// As the form of the call that `go` stands for.
int GoNamed(const dill_go_call& go) {
  if (go.on_stack && go.stack == nullptr) return -EINVAL;
  Placement placement = On(go.stack, go.size);
  placement.name = go.name;
  return go.in_bundle ? -BundleGo(go.h, go.function, go.argument, placement)
                      : Go(go.function, go.argument, placement);
}

int Result(int result) { return result >= 0 ? result : FailCall(-result); }

}  // namespace
}  // namespace halfpipe

using halfpipe::EndCall;
using halfpipe::FailCall;

int dill_yield(void) {
  const int error = halfpipe::Runtime::Current().Yield();
  return error == 0 ? 0 : FailCall(error);
}

int dill_bundle(void) {
  halfpipe::BundleObject* object = nullptr;
  return halfpipe::Result(halfpipe::MakeBundle(nullptr, &object));
}

int dill_bundle_mem(struct dill_bundle_storage* mem) {
  if (mem == nullptr) return FailCall(EINVAL);
  halfpipe::BundleObject* object = nullptr;
  return halfpipe::Result(halfpipe::MakeBundle(mem, &object));
}

int dill_bundle_wait(int h, int64_t deadline) {
  return EndCall(halfpipe::WaitForBundle(h, deadline));
}

int dill_go_fn(void (*function)(void*), void* argument) {
  return halfpipe::Result(halfpipe::Go(function, argument, halfpipe::Placement()));
}

int dill_go_mem_fn(void (*function)(void*), void* argument, void* stack, size_t size) {
  if (stack == nullptr) return FailCall(EINVAL);
  return halfpipe::Result(halfpipe::Go(function, argument, halfpipe::On(stack, size)));
}

int dill_bundle_go_fn(int h, void (*function)(void*), void* argument) {
  return halfpipe::Result(-halfpipe::BundleGo(h, function, argument, halfpipe::Placement()));
}

int dill_bundle_go_mem_fn(int h, void (*function)(void*), void* argument, void* stack,
                          size_t size) {
  if (stack == nullptr) return FailCall(EINVAL);
  return halfpipe::Result(-halfpipe::BundleGo(h, function, argument, halfpipe::On(stack, size)));
}

int dill_go_named(const struct dill_go_call* call) {
  return halfpipe::Result(halfpipe::GoNamed(*call));
}
