#include "bytestream/sockets_object.h"

#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <new>
#include <optional>

#include "absl/status/statusor.h"
#include "bytestream/base/check.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/bytestream.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/stream_info_source.h"
#define DILL_DISABLE_RAW_NAMES
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

// Storage of the C calls holds our objects.
template <typename Storage, typename Object>
constexpr bool kFits = sizeof(Object) <= sizeof(Storage) && alignof(Object) <= alignof(Storage);

static_assert(kFits<dill_tcp_storage, SocketObject>, "public size");
static_assert(kFits<dill_ipc_storage, SocketObject>, "public size");
static_assert(kFits<dill_tcp_listener_storage, ListenerObject>, "public size");
static_assert(kFits<dill_ipc_listener_storage, ListenerObject>, "public size");
static_assert(sizeof(dill_ipc_pair_storage) >= 2 * sizeof(dill_ipc_storage), "public size");

template <typename Object>
void DisposeOf(Object* object, bool in_callers_storage) {
  if (in_callers_storage) {
    object->~Object();
  } else {
    delete object;
  }
}

template <typename Object>
int MakeHandle(const SocketFamily* family, int fd, void* memory) {
  if (const int error = CheckNewHandle()) return -error;
  HandleTable& table = HandleTable::Current();
  Object* const object = memory != nullptr ? new (memory) Object(table.runtime(), fd, family, true)
                                           : new (std::nothrow)
                                                 Object(table.runtime(), fd, family, false);
  if (object == nullptr) return -ENOMEM;
  // CheckNewHandle() has seen to it that there is room; nothing has switched since.
  const int number = table.Make(object);
  HALFPIPE_CHECK(number > 0);
  return number;
}

int OrClose(int result, int fd) {
  if (result < 0) close(fd);
  return result;
}

}  // namespace

void* SocketObject::Query(const void* type) {
  if (type == &kBytestreamType) return static_cast<Bytestream*>(this);
  if (type == &family_->stream) return static_cast<FdStream*>(this);
  return nullptr;
}

void SocketObject::Dispose() noexcept { DisposeOf(this, in_callers_storage_); }

void* ListenerObject::Query(const void* type) {
  if (type == &kStreamInfoType) return static_cast<StreamInfoSource*>(this);
  return type == &family_->listener ? static_cast<Listener*>(this) : nullptr;
}

void ListenerObject::Dispose() noexcept { DisposeOf(this, in_callers_storage_); }

int CheckNewHandle() {
  HandleTable& table = HandleTable::Current();
  if (const int error = table.runtime()->CheckCancelled()) return error;
  return table.CheckRoom();
}

int MakeStreamHandle(const SocketFamily* family, int fd, void* memory) {
  return MakeHandle<SocketObject>(family, fd, memory);
}

int MakeListenerHandle(const SocketFamily* family, int fd, void* memory) {
  return MakeHandle<ListenerObject>(family, fd, memory);
}

int MakeStreamHandleOrClose(const SocketFamily* family, int fd, void* memory) {
  return OrClose(MakeStreamHandle(family, fd, memory), fd);
}

int MakeListenerHandleOrClose(const SocketFamily* family, int fd, void* memory) {
  return OrClose(MakeListenerHandle(family, fd, memory), fd);
}

namespace {

// Accepts, and makes the connection's object at `place`: the handle, or a negative errno.
int AcceptInto(const SocketFamily* family, int s, std::optional<IpAddress>* peer, void* place,
               bool in_callers_storage, HandleReservation* reservation, int64_t deadline) {
  absl::StatusOr<int> fd(-1);
  {
    PinnedHandle pin(s);
    if (!pin) return -EBADF;
    Listener* const listener = pin.Query<Listener>(family->listener);
    if (listener == nullptr) return -ENOTSUP;
    fd = listener->Accept(Deadline::FromMillis(deadline), peer);
    if (!fd.ok()) return -StatusErrno(fd.status());
  }
  // Whether the coroutine has been cancelled meanwhile is not asked: the connection would be lost.
  return reservation->Fill(new (place)
                               SocketObject(&Runtime::Current(), *fd, family, in_callers_storage));
}

}  // namespace

int AcceptHandle(const SocketFamily* family, int s, std::optional<IpAddress>* peer, void* memory,
                 int64_t deadline) {
  HandleTable& table = HandleTable::Current();
  if (const int error = table.runtime()->CheckCancelled()) return -error;
  // Number and memory first, for what has been accepted cannot be put back.
  HandleReservation reservation(&table);
  if (const int error = reservation.error()) return -error;
  const bool in_callers_storage = memory != nullptr;
  void* const place =
      in_callers_storage ? memory : ::operator new(sizeof(SocketObject), std::nothrow);
  if (place == nullptr) return -ENOMEM;
  const int number = AcceptInto(family, s, peer, place, in_callers_storage, &reservation, deadline);
  if (number < 0 && !in_callers_storage) ::operator delete(place);
  return number;
}

int DoneHandle(const SocketFamily* family, int s, int64_t deadline) {
  PinnedHandle pin(s);
  if (!pin) return EBADF;
  FdStream* const stream = pin.Query<FdStream>(family->stream);
  if (stream == nullptr) return ENOTSUP;
  return StatusErrno(stream->Done(Deadline::FromMillis(deadline)));
}

int CloseSocketHandle(const SocketFamily* family, int s, int64_t deadline) {
  HandleTable& table = HandleTable::Current();
  HandleObject* const object = table.Find(s);
  if (object == nullptr) return EBADF;
  if (object->Query(&family->listener) != nullptr) return table.Close(s);
  FdStream* const stream = static_cast<FdStream*>(object->Query(&family->stream));
  if (stream == nullptr) return ENOTSUP;
  if (HandleTable::Pinned(object)) return EBUSY;
  // The number stays until the end has been seen, so that hclose() can cut the wait short.
  PinnedHandle pin(object);
  const int error = StatusErrno(stream->Close(Deadline::FromMillis(deadline)));
  if (pin.closed()) return EBADF;
  static_cast<void>(table.Close(s));
  return error;
}

}  // namespace halfpipe
