#include "bytestream/testing/allocation_faults.h"

#include <cerrno>
#include <cstddef>
#include <new>
#include <utility>

namespace halfpipe {
namespace {

thread_local AllocationFault* current_fault = nullptr;

bool Fails() { return current_fault != nullptr && current_fault->Fails(); }

}  // namespace

AllocationFault::AllocationFault(int nth)
    : left_(nth), previous_(std::exchange(current_fault, this)) {}

AllocationFault::~AllocationFault() { current_fault = previous_; }

bool AllocationFault::Fails() {
  if (!armed_) return false;
  if (left_ < 0) return goes_on_;
  return left_-- == 0;
}

}  // namespace halfpipe

using halfpipe::Fails;

// __wrap_NAME is what a call of NAME comes to, __real_NAME what it would have come to.
extern "C" {

void* __real_malloc(size_t size);
void* __wrap_malloc(size_t size) {
  if (!Fails()) return __real_malloc(size);
  errno = ENOMEM;
  return nullptr;
}

void* __real_calloc(size_t count, size_t size);
void* __wrap_calloc(size_t count, size_t size) {
  if (!Fails()) return __real_calloc(count, size);
  errno = ENOMEM;
  return nullptr;
}

void* __real_realloc(void* memory, size_t size);
void* __wrap_realloc(void* memory, size_t size) {
  if (!Fails()) return __real_realloc(memory, size);
  errno = ENOMEM;
  return nullptr;
}

// operator new(size_t, const std::nothrow_t&), and that of arrays.
void* __real__ZnwmRKSt9nothrow_t(size_t size, const std::nothrow_t& tag);
void* __wrap__ZnwmRKSt9nothrow_t(size_t size, const std::nothrow_t& tag) {
  return Fails() ? nullptr : __real__ZnwmRKSt9nothrow_t(size, tag);
}
void* __real__ZnamRKSt9nothrow_t(size_t size, const std::nothrow_t& tag);
void* __wrap__ZnamRKSt9nothrow_t(size_t size, const std::nothrow_t& tag) {
  return Fails() ? nullptr : __real__ZnamRKSt9nothrow_t(size, tag);
}

}  // extern "C"
