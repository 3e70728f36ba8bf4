#include "bytestream/runtime/stack_pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <new>

#include "absl/base/config.h"
#include "bytestream/base/check.h"
#include "bytestream/base/mapped_memory.h"

#ifdef ABSL_HAVE_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

namespace halfpipe {
namespace {

constexpr size_t kPageSize = 4096;
constexpr size_t kStacksPerSlab = 16;

// Stacks guarded by mprotect in all pools of the process.
std::atomic<size_t> protected_in_process = 0;

bool TakeProtection() {
  if (protected_in_process.fetch_add(1, std::memory_order_relaxed) < StackPool::kProtectedStacks) {
    return true;
  }
  protected_in_process.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

}  // namespace

StackPool::StackPool(size_t stack_bytes, Guard guard)
    : stride_((std::max(stack_bytes, kMinStackBytes) + kPageSize - 1) / kPageSize * kPageSize),
      guard_bytes_(std::clamp(stride_ / 8 / kPageSize * kPageSize, kPageSize, kGuardBytesMax)),
      guard_(guard) {}

void StackPool::ForgetFrames([[maybe_unused]] void* bottom, [[maybe_unused]] size_t size) {
#ifdef ABSL_HAVE_ADDRESS_SANITIZER
  ASAN_UNPOISON_MEMORY_REGION(bottom, size);
#endif
}

StackPool::~StackPool() {
  HALFPIPE_CHECK(in_use_ == 0);
  while (slabs_ != nullptr) {
    Slab* const slab = slabs_;
    slabs_ = slab->next;
    // Stacks that were abandoned still have frames.
    ForgetFrames(slab->mapping, slab->size);
    UnmapMemory(slab->mapping, slab->size);
    delete slab;
  }
  protected_in_process.fetch_sub(protected_, std::memory_order_relaxed);
}

StackPool::FreeStack* StackPool::Header(void* start) const {
  return reinterpret_cast<FreeStack*>(static_cast<char*>(start) + stride_ - sizeof(FreeStack));
}

void* StackPool::Start(FreeStack* header) const {
  return reinterpret_cast<char*>(header) + sizeof(FreeStack) - stride_;
}

bool StackPool::InstallGuard(void* start) {
  if (guard_ == Guard::kAdvice) {
    if (madvise(start, guard_bytes_, MADV_GUARD_INSTALL) == 0) return true;
    guard_ = Guard::kProtection;  // an older kernel
  }
  if (guard_ == Guard::kCanary || !TakeProtection()) return false;
  if (mprotect(start, guard_bytes_, PROT_NONE) != 0) {
    protected_in_process.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  ++protected_;
  return true;
}

bool StackPool::Grow() {
  const size_t size = stride_ * kStacksPerSlab;
  Slab* const slab = new (std::nothrow) Slab;
  if (slab == nullptr) return false;
  void* const mapping = MapMemory(size, MAP_NORESERVE | MAP_STACK, "halfpipe stacks");
  if (mapping == nullptr) {
    delete slab;
    return false;
  }
  // Huge pages would make a stack that touches one page cost two megabytes.
  madvise(mapping, size, MADV_NOHUGEPAGE);
  *slab = Slab{slabs_, mapping, size};
  slabs_ = slab;
  for (size_t i = kStacksPerSlab; i-- > 0;) {
    void* const start = static_cast<char*>(mapping) + i * stride_;
    const bool guarded = InstallGuard(start);
    Push(&free_, Header(start), !guarded);
  }
  return true;
}

StackPool::Stack StackPool::Get() {
  if (warm_ == nullptr && free_ == nullptr && !Grow()) return Stack{};
  FreeStack** const list = warm_ != nullptr ? &warm_ : &free_;
  if (list == &warm_) --warm_count_;
  FreeStack* const header = *list;
  *list = header->next;
  ++in_use_;
  const Stack stack = {static_cast<char*>(Start(header)) + guard_bytes_, stride_ - guard_bytes_,
                       header->canary};
  if (stack.canary) *static_cast<uint64_t*>(stack.bottom) = kCanary;
  return stack;
}

void StackPool::Put(const Stack& stack) {
  HALFPIPE_CHECK(in_use_ > 0);
  --in_use_;
  ForgetFrames(stack.bottom, stack.size);
  FreeStack* const header = Header(static_cast<char*>(stack.bottom) - guard_bytes_);
  if (warm_count_ < kWarmStacks) {
    ++warm_count_;
    return Push(&warm_, header, stack.canary);
  }
  if (stack.size > kResidentBytes) {
    madvise(stack.bottom, stack.size - kResidentBytes, MADV_DONTNEED);
  }
  Push(&free_, header, stack.canary);
}

}  // namespace halfpipe
