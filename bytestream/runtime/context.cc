#include "bytestream/runtime/context.h"

#include <cxxabi.h>

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>

#include "absl/base/config.h"
#include "bytestream/base/check.h"

#ifdef ABSL_HAVE_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef ABSL_HAVE_THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
#endif
// --config=valgrind sets it; the header is valgrind's, and what it asks costs a few instructions
// where the program does not run under valgrind.
#ifdef HALFPIPE_VALGRIND
#include <valgrind/valgrind.h>

#include <cstdint>
#endif

namespace halfpipe {

using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

// The first code on a fresh stack.
struct ContextTrampoline {
  static void Run(transfer_t transfer) { Context::Start(transfer.fctx, transfer.data); }
};

Context::~Context() {
#ifdef ABSL_HAVE_THREAD_SANITIZER
  if (entry_ != nullptr && fiber_ != nullptr) __tsan_destroy_fiber(fiber_);
#endif
#ifdef HALFPIPE_VALGRIND
  if (entry_ != nullptr) VALGRIND_STACK_DEREGISTER(reinterpret_cast<uintptr_t>(fiber_));
#endif
}

void Context::Prepare(void* bottom, size_t size, Entry entry, void* argument) {
  entry_ = entry;
  argument_ = argument;
  stack_bottom_ = bottom;
  stack_size_ = size;
  FindGlobals();
  position_ = make_fcontext(static_cast<char*>(bottom) + size, size, &ContextTrampoline::Run);
#ifdef ABSL_HAVE_THREAD_SANITIZER
  fiber_ = __tsan_create_fiber(0);
#endif
#ifdef HALFPIPE_VALGRIND
  fiber_ = reinterpret_cast<void*>(
      uintptr_t{VALGRIND_STACK_REGISTER(bottom, static_cast<char*>(bottom) + size)});
#endif
}

void Context::FindGlobals() {
  static_assert(offsetof(Exceptions, uncaught) + sizeof(Exceptions::uncaught) == kExceptionsSize);
  globals_ = abi::__cxa_get_globals();
}

void Context::AnnounceLeaving([[maybe_unused]] Context* to, [[maybe_unused]] bool exit) {
#ifdef ABSL_HAVE_ADDRESS_SANITIZER
  __sanitizer_start_switch_fiber(exit ? nullptr : &fake_stack_, to->stack_bottom_, to->stack_size_);
#endif
#ifdef ABSL_HAVE_THREAD_SANITIZER
  if (fiber_ == nullptr) fiber_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(to->fiber_, 0);
#endif
}

void Context::AnnounceArrival([[maybe_unused]] Context* from) {
#ifdef ABSL_HAVE_ADDRESS_SANITIZER
  const void* bottom = nullptr;
  size_t size = 0;
  __sanitizer_finish_switch_fiber(fake_stack_, &bottom, &size);
  // Whoever switched for the first time from a thread's own stack learns its bounds here.
  if (from->stack_bottom_ == nullptr) {
    from->stack_bottom_ = bottom;
    from->stack_size_ = size;
  }
#endif
}

void Context::Start(void* position_of_from, void* leaving) noexcept {
  Context* const from = static_cast<Context*>(leaving);
  Context* const self = from->target_;
  from->position_ = position_of_from;
  if constexpr (kAnnounced) self->AnnounceArrival(from);
  self->entry_(self->argument_);
  HALFPIPE_CHECK(!"a coroutine's entry returned");
  __builtin_unreachable();
}

void Context::Exit(Context* to) {
  Jump(to, /*exit=*/true);
  HALFPIPE_CHECK(!"a finished coroutine was resumed");
  __builtin_unreachable();
}

}  // namespace halfpipe
