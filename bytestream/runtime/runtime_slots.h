#ifndef HALFPIPE_BYTESTREAM_RUNTIME_RUNTIME_SLOTS_H_
#define HALFPIPE_BYTESTREAM_RUNTIME_RUNTIME_SLOTS_H_

#include <memory>

#include "bytestream/runtime/runtime.h"

namespace halfpipe {

// What several libraries hang on a runtime, each in a place of its own: Runtime::extension() has one
// place only, and the runtime knows none of them.
//
// Example:
//   std::unique_ptr<RuntimeExtension>& mine = RuntimeSlots::Of(runtime, RuntimeSlots::kResolver);
//   if (mine == nullptr) mine = std::make_unique<MyExtension>();
class RuntimeSlots final : public RuntimeExtension {
 public:
  // Whose it is: the handle table of the C calls, the resolver of names. What is in them is
  // destroyed with the runtime, in this order.
  enum Slot { kHandles, kResolver, kSlotCount };

  ~RuntimeSlots() override {
    for (std::unique_ptr<RuntimeExtension>& slot : slots_) slot.reset();
  }

  // Empty at first. Lives as long as the runtime.
  static std::unique_ptr<RuntimeExtension>& Of(Runtime* runtime, Slot slot) {
    std::unique_ptr<RuntimeExtension>& all = runtime->extension();
    if (all == nullptr) all = std::make_unique<RuntimeSlots>();
    return static_cast<RuntimeSlots&>(*all).slots_[slot];
  }

 private:
  std::unique_ptr<RuntimeExtension> slots_[kSlotCount];
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_RUNTIME_RUNTIME_SLOTS_H_
