#include "bytestream/testing/heap_counter.h"

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "absl/base/config.h"

#if defined(ABSL_HAVE_ADDRESS_SANITIZER) || defined(ABSL_HAVE_THREAD_SANITIZER) || \
    defined(ABSL_HAVE_MEMORY_SANITIZER)
#define HALFPIPE_HAS_ALLOCATOR_HOOKS 1
#endif

namespace halfpipe {
namespace {

std::atomic<int64_t> held_bytes{0};
std::atomic<int64_t> peak_bytes_held{0};
std::atomic<uint64_t> request_count{0};

void Took(int64_t bytes) {
  const int64_t held = held_bytes.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  request_count.fetch_add(1, std::memory_order_relaxed);
  int64_t peak = peak_bytes_held.load(std::memory_order_relaxed);
  while (held > peak && !peak_bytes_held.compare_exchange_weak(peak, held)) {
  }
}

void Gave(int64_t bytes) { held_bytes.fetch_sub(bytes, std::memory_order_relaxed); }

}  // namespace
}  // namespace halfpipe

#ifdef HALFPIPE_HAS_ALLOCATOR_HOOKS

extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void*,
                                                                             size_t),
                                                         void (*free_hook)(const volatile void*));
extern "C" size_t __sanitizer_get_allocated_size(const volatile void* memory);

namespace halfpipe {
namespace {

void OnMalloc(const volatile void*, size_t size) { Took(static_cast<int64_t>(size)); }

void OnFree(const volatile void* memory) {
  if (memory != nullptr) Gave(static_cast<int64_t>(__sanitizer_get_allocated_size(memory)));
}

void InstallHooks() {
  static const int installed = __sanitizer_install_malloc_and_free_hooks(&OnMalloc, &OnFree);
  static_cast<void>(installed);
}

}  // namespace
}  // namespace halfpipe

#ifdef ABSL_HAVE_THREAD_SANITIZER

// The thread sanitizer's hooks hear of what these take only when it is given back.
extern "C" void* __interceptor_memalign(size_t alignment, size_t size);
extern "C" void* __interceptor_aligned_alloc(size_t alignment, size_t size);
extern "C" int __interceptor_posix_memalign(void** memory, size_t alignment, size_t size);

extern "C" void* memalign(size_t alignment, size_t size) {
  void* const memory = __interceptor_memalign(alignment, size);
  if (memory != nullptr) halfpipe::OnMalloc(memory, size);
  return memory;
}

extern "C" void* aligned_alloc(size_t alignment, size_t size) {
  void* const memory = __interceptor_aligned_alloc(alignment, size);
  if (memory != nullptr) halfpipe::OnMalloc(memory, size);
  return memory;
}

extern "C" int posix_memalign(void** memory, size_t alignment, size_t size) {
  const int error = __interceptor_posix_memalign(memory, alignment, size);
  if (error == 0) halfpipe::OnMalloc(*memory, size);
  return error;
}

#endif  // ABSL_HAVE_THREAD_SANITIZER

#else

extern "C" void* __libc_malloc(size_t size);
extern "C" void* __libc_calloc(size_t count, size_t size);
extern "C" void* __libc_realloc(void* memory, size_t size);
extern "C" void* __libc_memalign(size_t alignment, size_t size);
extern "C" void __libc_free(void* memory);

namespace halfpipe {
namespace {

void* Count(void* memory) {
  if (memory != nullptr) Took(static_cast<int64_t>(malloc_usable_size(memory)));
  return memory;
}

void InstallHooks() {}

}  // namespace
}  // namespace halfpipe

extern "C" void* malloc(size_t size) { return halfpipe::Count(__libc_malloc(size)); }

extern "C" void* calloc(size_t count, size_t size) {
  return halfpipe::Count(__libc_calloc(count, size));
}

extern "C" void* realloc(void* memory, size_t size) {
  const auto before = static_cast<int64_t>(memory != nullptr ? malloc_usable_size(memory) : 0);
  void* const moved = __libc_realloc(memory, size);
  if (moved != nullptr || size == 0) halfpipe::Gave(before);
  return halfpipe::Count(moved);
}

extern "C" void* memalign(size_t alignment, size_t size) {
  return halfpipe::Count(__libc_memalign(alignment, size));
}

extern "C" void* aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

extern "C" int posix_memalign(void** memory, size_t alignment, size_t size) {
  void* const made = memalign(alignment, size);
  if (made == nullptr) return ENOMEM;
  *memory = made;
  return 0;
}

extern "C" void free(void* memory) {
  if (memory != nullptr) halfpipe::Gave(static_cast<int64_t>(malloc_usable_size(memory)));
  __libc_free(memory);
}

#endif  // HALFPIPE_HAS_ALLOCATOR_HOOKS

namespace halfpipe {
namespace {

int64_t BeginCounting() {
  InstallHooks();
  const int64_t held = held_bytes.load();
  peak_bytes_held.store(held);
  return held;
}

size_t Above(int64_t bytes, int64_t before) {
  return static_cast<size_t>(std::max<int64_t>(bytes - before, 0));
}

}  // namespace

HeapCounter::HeapCounter()
    : bytes_before_(BeginCounting()), requests_before_(request_count.load()) {}

size_t HeapCounter::peak_bytes() const { return Above(peak_bytes_held.load(), bytes_before_); }

size_t HeapCounter::bytes() const { return Above(held_bytes.load(), bytes_before_); }

uint64_t HeapCounter::requests() const { return request_count.load() - requests_before_; }

}  // namespace halfpipe
