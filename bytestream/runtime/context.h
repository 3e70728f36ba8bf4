#ifndef HALFPIPE_BYTESTREAM_RUNTIME_CONTEXT_H_
#define HALFPIPE_BYTESTREAM_RUNTIME_CONTEXT_H_

#include <cstddef>

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
  void SwitchTo(Context* to);

  // As SwitchTo(), but this flow is over: it never resumes, and its stack may be reused as soon as
  // `to` runs.
  [[noreturn]] void Exit(Context* to);

 private:
  struct Exceptions {
    void* caught = nullptr;
    unsigned int uncaught = 0;
  };

  void Jump(Context* to, bool exit);
  static void Start(void* transfer_data, void* from_context);

  friend struct ContextTrampoline;

  void* position_ = nullptr;  // where it stands while suspended
  Entry entry_ = nullptr;
  void* argument_ = nullptr;
  Exceptions exceptions_;
  // For the sanitizers; unused without them.
  const void* stack_bottom_ = nullptr;
  size_t stack_size_ = 0;
  void* fake_stack_ = nullptr;
  void* fiber_ = nullptr;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_RUNTIME_CONTEXT_H_
