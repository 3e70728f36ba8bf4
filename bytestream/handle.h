#ifndef HALFPIPE_BYTESTREAM_HANDLE_H_
#define HALFPIPE_BYTESTREAM_HANDLE_H_

#include <cerrno>

#include "absl/status/statusor.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/handle/handle_type.h"

namespace halfpipe {

// Handles for protocols written in C++, so that C calls work on them: what hmake() and hquery() in
// libdillimpl.h are for C. An object derives from HandleObject and says in Query() what else it is:
// a Bytestream (kBytestreamType) or a MessageSocket (kMessageSocketType), on which the calls of this
// library then work and its protocols stack, or something of its own with a HandleType of its own.
//
// Example:
//   class Upper final : public Bytestream, public HandleObject {
//     void* Query(const void* type) override {
//       return type == &kBytestreamType ? static_cast<Bytestream*>(this) : nullptr;
//     }
//     void Close() noexcept override { Abort(); }
//     void Dispose() noexcept override { delete this; }  // of both bases
//     ...
//   };
//   absl::StatusOr<int> h = MakeHandle(new Upper(...));

// Gives `object` a handle of this thread and takes it over. ECANCELED: the coroutine is being
// cancelled, or a close function of the user's runs. EMFILE, ENOMEM. The caller keeps the object
// after a failure.
inline absl::StatusOr<int> MakeHandle(HandleObject* object) {
  HandleTable& table = HandleTable::Current();
  const int cancelled = table.runtime()->CheckCancelled();
  const int handle = cancelled != 0 ? -cancelled : table.Make(object);
  if (handle < 0) return ErrnoStatus(-handle, "no handle can be made");
  return handle;
}

// The interface `type` of the object behind a handle, or EBADF (no such handle) or ENOTSUP (it has
// none). Interface must be the class that `type` stands for. Valid as long as the handle lives; for
// use across waits see PinnedHandle.
template <typename Interface>
absl::StatusOr<Interface*> QueryHandle(int handle, const HandleType& type) {
  HandleObject* const object = HandleTable::Current().Find(handle);
  if (object == nullptr) return ErrnoStatus(EBADF, "not a handle");
  void* const found = object->Query(&type);
  if (found == nullptr) return ErrnoStatus(ENOTSUP, "the object has no such interface");
  return static_cast<Interface*>(found);
}

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_HANDLE_H_
