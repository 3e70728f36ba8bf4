#include "bytestream/handle/handle_table.h"

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>

#include "absl/types/span.h"
#include "bytestream/base/check.h"
#include "bytestream/base/entropy.h"
#include "bytestream/runtime/runtime_slots.h"

#ifndef NDEBUG
#include <mutex>

#include "absl/container/flat_hash_set.h"
#endif

namespace halfpipe {
namespace {

// What is left alone at the end of a runtime stays reachable, so that leak checkers know that it is
// meant.
struct Abandoned {
  HandleObject* object;
  Abandoned* next;
};
std::atomic<Abandoned*> all_abandoned{nullptr};

// What the slots keep of an object, so that the end of the table need not ask it.
enum Note : uint32_t { kInOwnMemory, kInCallersMemory };

void KeepAbandoned(HandleObject* object) {
  Abandoned* const entry = new Abandoned{object, all_abandoned.load(std::memory_order_relaxed)};
  while (!all_abandoned.compare_exchange_weak(entry->next, entry)) {
  }
}

int ErrorNumber(HandleTable::Slots::Error error) {
  switch (error) {
    case HandleTable::Slots::Error::kNone:
      return 0;
    case HandleTable::Slots::Error::kFull:
      return EMFILE;
    case HandleTable::Slots::Error::kNoMemory:
      return ENOMEM;
  }
  return EINVAL;
}

uint32_t RandomGeneration() {
  uint8_t bytes[2];
  Entropy::System().Fill(absl::MakeSpan(bytes));
  return uint32_t{bytes[0]} << 8 | bytes[1];
}

#ifndef NDEBUG

// The numbers that are alive in all threads of the process. Never destroyed: threads may end after
// the statics have gone.
struct Registry {
  std::mutex mutex;
  absl::flat_hash_set<int> numbers;
};

Registry& GlobalRegistry() {
  static Registry* const registry = new Registry;
  return *registry;
}

bool Register(int number) {
  Registry& registry = GlobalRegistry();
  std::lock_guard<std::mutex> lock(registry.mutex);
  return registry.numbers.insert(number).second;
}

void Unregister(int number) {
  Registry& registry = GlobalRegistry();
  std::lock_guard<std::mutex> lock(registry.mutex);
  registry.numbers.erase(number);
}

#else

bool Register(int) { return true; }
void Unregister(int) {}

#endif

}  // namespace

HandleTable& HandleTable::Current() {
  Runtime& runtime = Runtime::Current();
  std::unique_ptr<RuntimeExtension>& table = RuntimeSlots::Of(&runtime, RuntimeSlots::kHandles);
  if (table == nullptr) table = std::make_unique<HandleTable>(&runtime);
  return static_cast<HandleTable&>(*table);
}

HandleTable::HandleTable(Runtime* runtime)
    : runtime_(runtime), slots_(RandomGeneration()), background_(runtime) {}

// The memory of a caller is touched only where a Runtime object ends, within the caller's reach.
HandleTable::~HandleTable() {
  uint32_t cursor = 0;
  int number = 0;
  uint32_t note = 0;
  while (void* const value = slots_.ReleaseNext(&cursor, &number, &note)) {
    HandleObject* const object = static_cast<HandleObject*>(value);
    Unregister(number);
    if (note == kInCallersMemory && runtime_->ending()) {
      KeepAbandoned(object);
      continue;
    }
    const bool in_use = Pinned(object);
    object->closed_ = true;
    if (in_use || !object->Abandon()) KeepAbandoned(object);
  }
}

int HandleTable::CheckRoom() { return ErrorNumber(slots_.Prepare()); }

// A number that is nobody's yet, or a negative errno.
int HandleTable::Reserve() {
  for (;;) {
    Slots::Error error = Slots::Error::kNone;
    const int number = slots_.Reserve(&error);
    if (error != Slots::Error::kNone) return -ErrorNumber(error);
    if (Register(number)) return number;
    slots_.Fill(number, this, kInOwnMemory);
    slots_.Release(number);  // to its next generation
  }
}

void HandleTable::Unreserve(int number) {
  slots_.Unreserve(number);
  Unregister(number);
}

void HandleTable::Fill(int number, HandleObject* object) {
  HALFPIPE_CHECK(!object->closed_);
  slots_.Fill(number, object, object->in_callers_memory() ? kInCallersMemory : kInOwnMemory);
}

int HandleTable::Make(HandleObject* object) {
  const int number = Reserve();
  if (number > 0) Fill(number, object);
  return number;
}

void HandleTable::Forget(int handle) {
  slots_.Release(handle);
  Unregister(handle);
}

int HandleTable::Close(int handle) {
  HandleObject* const object = Find(handle);
  if (object == nullptr) return EBADF;
  if (const int error = object->CheckClose()) return error;
  Forget(handle);
  // Close() may switch coroutines (a bundle joins); the pin keeps the object until it has returned.
  PinnedHandle pin(object);
  object->closed_ = true;
  object->Close();
  return 0;
}

int HandleTable::Own(int handle, int* owned) {
  HandleObject* const object = Find(handle);
  if (object == nullptr) return EBADF;
  if (Pinned(object)) return EBUSY;
  if (runtime_->CheckCancelled() != 0) {
    const int error = Close(handle);
    return error != 0 ? error : ECANCELED;
  }
  const int number = Make(object);
  if (number < 0) return -number;
  Forget(handle);
  object->TakenOver();
  *owned = number;
  return 0;
}

HandleObject* HandleTable::Release(int handle, int* error) {
  HandleObject* const object = Find(handle);
  *error = object == nullptr ? EBADF : Pinned(object) ? EBUSY : 0;
  if (*error != 0) return nullptr;
  Forget(handle);
  return object;
}

}  // namespace halfpipe
