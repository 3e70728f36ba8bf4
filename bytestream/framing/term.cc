// The C calls of the terminal handshake: arguments, handle, errno.

#define DILL_DISABLE_RAW_NAMES
#include "bytestream/framing/term.h"

#include <cerrno>
#include <new>

#include "absl/types/span.h"
#include "bytestream/base/check.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/bytestream_handle.h"
#include "bytestream/c_call.h"
#include "bytestream/framing/term_socket.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/handle/handle_type.h"
#include "bytestream/message_socket.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {
namespace {

inline constexpr HandleType kTermType{"terminal handshake"};

// What a handle of term_attach() stands for. Owns the object below.
class TermObject final : public HandleObject {
 public:
  TermObject(Runtime* runtime, HandleObject* lower_object, MessageSocket* lower,
             absl::Span<const uint8_t> terminator, bool in_callers_storage)
      : socket(runtime, lower, terminator),
        lower_object_(lower_object),
        in_callers_storage_(in_callers_storage) {}

  void* Query(const void* type) override {
    if (type == &kTermType) return this;
    if (type == &kStreamInfoType) return FindStreamInfoSource(lower_object_);
    if (type == &kMessageSocketType) return static_cast<MessageSocket*>(&socket);
    return nullptr;
  }
  bool runs_user_code() const override { return lower_object_->runs_user_code(); }
  bool in_callers_memory() const override {
    return in_callers_storage_ || lower_object_->in_callers_memory();
  }
  void Close() noexcept override {
    socket.Close();
    lower_object_->Close();
  }
  void Dispose() noexcept override {
    if (lower_object_ != nullptr) lower_object_->Dispose();
    if (in_callers_storage_) {
      this->~TermObject();
    } else {
      delete this;
    }
  }

  // The object below is the caller's.
  HandleObject* ReleaseLower() {
    HandleObject* const lower = lower_object_;
    lower_object_ = nullptr;
    return lower;
  }

  TermSocket socket;

 private:
  ~TermObject() = default;

  HandleObject* lower_object_;
  const bool in_callers_storage_;
};

static_assert(DILL_TERM_MAXLEN == kTerminatorBytesMax, "public size");
static_assert(sizeof(TermObject) <= sizeof(dill_term_storage), "public size");
static_assert(alignof(TermObject) <= alignof(dill_term_storage), "public size");

void End(HandleObject* object) {
  object->Close();
  object->Dispose();
}

// What can be wrong with the arguments, once `s` is ours to close.
int CheckAttach(const void* buf, size_t len, bool in_callers_storage, const void* storage) {
  if (const int error = Runtime::Current().CheckCancelled()) return error;
  if ((buf == nullptr && len > 0) || len > kTerminatorBytesMax) return EINVAL;
  return in_callers_storage && storage == nullptr ? EINVAL : 0;
}

// A handle or a negative errno.
int Attach(int s, const void* buf, size_t len, bool in_callers_storage, void* storage) {
  HandleObject* lower_object = nullptr;
  MessageSocket* lower = nullptr;
  if (const int error = TakeMessageSocket(s, &lower_object, &lower)) return -error;
  int error = CheckAttach(buf, len, in_callers_storage, storage);
  void* memory = storage;
  if (error == 0 && !in_callers_storage) {
    memory = ::operator new(sizeof(TermObject), std::nothrow);
    if (memory == nullptr) error = ENOMEM;
  }
  if (error != 0) {
    End(lower_object);
    return -error;
  }
  const auto terminator = absl::MakeConstSpan(static_cast<const uint8_t*>(buf), len);
  TermObject* const object = new (memory)
      TermObject(&Runtime::Current(), lower_object, lower, terminator, in_callers_storage);
  const int handle = HandleTable::Current().Make(object);
  if (handle < 0) End(object);
  return handle;
}

int Done(int s, int64_t deadline) {
  PinnedHandle pin(s);
  if (!pin) return EBADF;
  TermObject* const object = pin.Query<TermObject>(kTermType);
  if (object == nullptr) return ENOTSUP;
  return StatusErrno(object->socket.Done(Deadline::FromMillis(deadline)));
}

// A handle or a negative errno; everything is closed then but for EBADF, ENOTSUP and EBUSY.
int Detach(int s, int64_t deadline) {
  HandleTable& table = HandleTable::Current();
  HandleObject* const object = table.Find(s);
  if (object == nullptr) return -EBADF;
  TermObject* const term = static_cast<TermObject*>(object->Query(&kTermType));
  if (term == nullptr) return -ENOTSUP;
  if (HandleTable::Pinned(object)) return -EBUSY;
  {
    // The number stays until the end, so that hclose() can cut the wait short.
    PinnedHandle pin(object);
    const int error = StatusErrno(term->socket.Finish(Deadline::FromMillis(deadline)));
    if (pin.closed()) return -EBADF;
    if (error != 0) {
      static_cast<void>(table.Close(s));
      return -error;
    }
  }
  // The socket has kept others out, so nobody else has pinned the object.
  int error = 0;
  HALFPIPE_CHECK(table.Release(s, &error) != nullptr);
  HandleObject* const lower = term->ReleaseLower();
  term->Dispose();
  const int handle = table.Make(lower);
  if (handle < 0) End(lower);
  return handle;
}

}  // namespace
}  // namespace halfpipe

using halfpipe::EndCall;
using halfpipe::EndCallWithResult;

int dill_term_attach(int s, const void* buf, size_t len) {
  return EndCallWithResult(halfpipe::Attach(s, buf, len, /*in_callers_storage=*/false, nullptr));
}

int dill_term_attach_mem(int s, const void* buf, size_t len, struct dill_term_storage* mem) {
  return EndCallWithResult(halfpipe::Attach(s, buf, len, /*in_callers_storage=*/true, mem));
}

int dill_term_done(int s, int64_t deadline) { return EndCall(halfpipe::Done(s, deadline)); }

int dill_term_detach(int s, int64_t deadline) {
  return EndCallWithResult(halfpipe::Detach(s, deadline));
}
