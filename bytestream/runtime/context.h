#ifndef HALFPIPE_BYTESTREAM_RUNTIME_CONTEXT_H_
#define HALFPIPE_BYTESTREAM_RUNTIME_CONTEXT_H_

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <cstring>

#include "absl/base/attributes.h"
#include "absl/base/config.h"

namespace halfpipe {

// A flow of control with a stack of its own, suspended or running. The switch itself is
// Boost.Context's; this class adds what a switch must carry besides registers: the C++ runtime's
// list of exceptions being handled (so that a coroutine inside `catch` never sees another's), and
// the announcements without which AddressSanitizer and ThreadSanitizer take a switch for an error.
//
// Contexts belong to one thread. Neither copied nor moved.
class Context {
 public:
  using Entry = void (*)(void* argument);

  // The thread's own flow of control, running now.
  Context() = default;
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context();

  // Makes this a suspended flow that will call entry(argument) on the stack of `size` bytes that
  // begins at `bottom` (its lowest address; no alignment is needed). `entry` must not return: it
  // ends with Exit(). The stack is borrowed for as long as the flow lives.
  void Prepare(void* bottom, size_t size, Entry entry, void* argument);

  // Suspends this flow, which must be the one running, and resumes `to`. Returns when somebody
  // switches back.
  void SwitchTo(Context* to) { Jump(to, /*exit=*/false); }

  // As SwitchTo(), but this flow is over: it never resumes, and its stack may be reused as soon as
  // `to` runs.
  [[noreturn]] void Exit(Context* to);

 private:
  // As the C++ ABI lays out what it keeps for each thread.
  struct Exceptions {
    void* caught = nullptr;
    unsigned int uncaught = 0;
  };
  static constexpr size_t kExceptionsSize = sizeof(void*) + sizeof(unsigned int);

#if defined(ABSL_HAVE_ADDRESS_SANITIZER) || defined(ABSL_HAVE_THREAD_SANITIZER)
  static constexpr bool kAnnounced = true;
#else
  static constexpr bool kAnnounced = false;
#endif

  void Jump(Context* to, bool exit);
  void AnnounceLeaving(Context* to, bool exit);
  void AnnounceArrival(Context* from);
  void FindGlobals();
  // noexcept: an exception that leaves a coroutine's entry ends the process.
  [[noreturn]] static void Start(void* position_of_from, void* from) noexcept;

  friend struct ContextTrampoline;

  void* position_ = nullptr;  // where it stands while suspended
  Entry entry_ = nullptr;
  void* argument_ = nullptr;
  Context* target_ = nullptr;  // whom it switched to last
  void* globals_ = nullptr;    // the thread's Exceptions; the same for all contexts of a thread
  Exceptions exceptions_;      // its own, while suspended
  // For the sanitizers and valgrind; unused without them.
  const void* stack_bottom_ = nullptr;
  size_t stack_size_ = 0;
  [[maybe_unused]] void* fake_stack_ = nullptr;
  [[maybe_unused]] void* fiber_ = nullptr;
};

// Inline down to the jump: a processor predicts each return behind a switch wrongly, for the calls
// were made on the other stack. No local variable has its address taken here: with `exit`
// AddressSanitizer frees the frames that it keeps off the stack before the jump.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline void Context::Jump(Context* to, [[maybe_unused]] bool exit) {
  if (globals_ == nullptr) FindGlobals();
  std::memcpy(static_cast<void*>(&exceptions_), globals_, kExceptionsSize);
  std::memcpy(globals_, &to->exceptions_, kExceptionsSize);
  target_ = to;
  if constexpr (kAnnounced) AnnounceLeaving(to, exit);
  const auto back = boost::context::detail::jump_fcontext(to->position_, this);
  // Here again: somebody switched back, maybe somebody else than `to`.
  Context* const from = static_cast<Context*>(back.data);
  from->position_ = back.fctx;
  if constexpr (kAnnounced) AnnounceArrival(from);
}

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_RUNTIME_CONTEXT_H_
