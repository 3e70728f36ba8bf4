#ifndef HALFPIPE_BYTESTREAM_RUNTIME_STACK_POOL_H_
#define HALFPIPE_BYTESTREAM_RUNTIME_STACK_POOL_H_

#include <cstddef>
#include <cstdint>

namespace halfpipe {

// Stacks of one size for coroutines, each with a guard below it so that an overflow crashes instead
// of writing into a neighbour. Address space is taken in slabs; a stack costs the pages it touches.
//
// A stack that comes back is handed out again first. It keeps at most kResidentBytes of memory, save
// that the pool holds up to kWarmStacks with all that they have touched: to give memory back is a
// system call, and a server would make one for each message that wakes a connection.
// Guards: MADV_GUARD_INSTALL where the kernel has it (Linux 6.13; costs no mapping), else mprotect
// for the first kProtectedStacks stacks of the process, because it may have only 65,530 mappings;
// for the others the lowest word is a canary, which the scheduler checks at every switch.
//
// One pool for each runtime; not thread-safe. Every stack must be back before the pool is
// destroyed.
//
// Example:
//   StackPool::Stack stack = pool.Get();
//   if (stack.bottom == nullptr) return ENOMEM;
//   context.Prepare(stack.bottom, stack.size, &Run, this);
class StackPool {
 public:
  static constexpr size_t kDefaultStackBytes = 256 * 1024;
  static constexpr size_t kMinStackBytes = 16 * 1024;
  static constexpr size_t kResidentBytes = 16 * 1024;
  static constexpr size_t kWarmStacks = 128;
  // The most that a guard takes: an eighth of the stack, but at least a page. A frame larger than
  // the guard could step over it.
  static constexpr size_t kGuardBytesMax = 64 * 1024;
  static constexpr size_t kProtectedStacks = 20'000;
  static constexpr uint64_t kCanary = 0x5ca1ab1e0ddba115;

  // The strongest guard that a pool may use; less than the first is for tests.
  enum class Guard { kAdvice, kProtection, kCanary };

  // `stack_bytes`, guard included, is rounded up to whole pages, and to kMinStackBytes.
  explicit StackPool(size_t stack_bytes = kDefaultStackBytes, Guard guard = Guard::kAdvice);
  ~StackPool();
  StackPool(const StackPool&) = delete;
  StackPool& operator=(const StackPool&) = delete;

  struct Stack {
    void* bottom = nullptr;  // lowest usable address; null when memory failed
    size_t size = 0;
    bool canary = false;  // *bottom holds kCanary and nothing else guards the stack
  };

  // A stack, or one without a `bottom` (ENOMEM). Its contents are unspecified.
  Stack Get();

  // Gives back what Get() gave. No frame on it may be in use.
  void Put(const Stack& stack);

  // Finished frames leave marks in AddressSanitizer's shadow of the `size` bytes at `bottom`; takes
  // them off before the memory is used for something else. Nothing without the sanitizer.
  static void ForgetFrames(void* bottom, size_t size);

  // The stacks that are out will never run again: the destructor may take them away.
  void Abandon() { in_use_ = 0; }

  size_t stacks_in_use() const { return in_use_; }

  // What lies below `bottom` of each stack, and crashes when touched unless the stack has a canary.
  size_t guard_bytes() const { return guard_bytes_; }

 private:
  // Kept at the top of a free stack, in pages that stay resident.
  struct FreeStack {
    FreeStack* next;
    bool canary;
  };
  static void Push(FreeStack** list, FreeStack* header, bool canary) {
    *header = FreeStack{*list, canary};
    *list = header;
  }
  struct Slab {
    Slab* next;
    void* mapping;
    size_t size;
  };

  bool Grow();
  bool InstallGuard(void* start);
  FreeStack* Header(void* start) const;
  void* Start(FreeStack* header) const;

  const size_t stride_;        // guard and stack
  const size_t guard_bytes_;   // whole pages
  FreeStack* warm_ = nullptr;  // handed out first
  size_t warm_count_ = 0;
  FreeStack* free_ = nullptr;
  Slab* slabs_ = nullptr;
  size_t in_use_ = 0;
  size_t protected_ = 0;  // this pool's share of those of the process
  Guard guard_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_RUNTIME_STACK_POOL_H_
