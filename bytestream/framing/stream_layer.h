#ifndef HALFPIPE_BYTESTREAM_FRAMING_STREAM_LAYER_H_
#define HALFPIPE_BYTESTREAM_FRAMING_STREAM_LAYER_H_

#include <cerrno>
#include <new>
#include <utility>

#include "absl/status/statusor.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/bytestream.h"
#include "bytestream/bytestream_handle.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/handle/handle_type.h"
#include "bytestream/message_socket.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {

// What the C calls of a framing layer have in common. `Socket` is a MessageSocket that owns the
// bytestream below it, with Abort(), and is made from (Runtime*, BytestreamPtr, arguments).

// What a handle of such a layer stands for.
template <typename Socket>
class StreamLayer final : public HandleObject {
 public:
  // `lower_object` and `lower` are the same object; the socket owns it.
  template <typename... Arguments>
  StreamLayer(const HandleType* type, HandleObject* lower_object, bool in_callers_storage,
              Runtime* runtime, BytestreamPtr lower, Arguments&&... arguments)
      : socket(runtime, std::move(lower), std::forward<Arguments>(arguments)...),
        lower_object(lower_object),
        type_(type),
        in_callers_storage_(in_callers_storage) {}

  void* Query(const void* type) override {
    if (type == type_) return this;
    if (type == &kStreamInfoType) return FindStreamInfoSource(lower_object);
    if (type == &kMessageSocketType) return static_cast<MessageSocket*>(&socket);
    return nullptr;
  }
  bool runs_user_code() const override { return lower_object->runs_user_code(); }
  bool in_callers_memory() const override {
    return in_callers_storage_ || lower_object->in_callers_memory();
  }
  void Close() noexcept override { socket.Abort(); }
  void Dispose() noexcept override {
    if (in_callers_storage_) {
      this->~StreamLayer();
    } else {
      delete this;
    }
  }

  Socket socket;
  HandleObject* const lower_object;

 private:
  ~StreamLayer() = default;

  const HandleType* const type_;
  const bool in_callers_storage_;
};

// Where a layer's object is to live.
struct LayerPlace {
  bool in_callers_storage = false;
  void* storage = nullptr;  // null where it should not be: EINVAL
};

// Takes over the bytestream `s`; a handle or a negative errno. With `valid` false, EINVAL.
template <typename Socket, typename... Arguments>
int AttachStreamLayer(const HandleType* type, int s, LayerPlace place, bool valid,
                      Arguments&&... arguments) {
  HandleObject* lower_object = nullptr;
  Bytestream* taken = nullptr;
  if (const int error = TakeBytestream(s, &lower_object, &taken)) return -error;
  BytestreamPtr lower(taken);
  Runtime& runtime = Runtime::Current();
  if (const int error = runtime.CheckCancelled()) return -error;
  if (!valid || (place.in_callers_storage && place.storage == nullptr)) return -EINVAL;
  void* const memory = place.in_callers_storage
                           ? place.storage
                           : ::operator new(sizeof(StreamLayer<Socket>), std::nothrow);
  if (memory == nullptr) return -ENOMEM;
  auto* const layer =
      new (memory) StreamLayer<Socket>(type, lower_object, place.in_callers_storage, &runtime,
                                       std::move(lower), std::forward<Arguments>(arguments)...);
  const int handle = HandleTable::Current().Make(layer);
  if (handle < 0) layer->Dispose();
  return handle;
}

// Gives the bytestream below `s` a handle again: that or a negative errno, everything closed but for
// EBADF, ENOTSUP and EBUSY. detach(socket) returns the stream.
template <typename Socket, typename Detach>
int DetachStreamLayer(const HandleType* type, int s, Detach detach) {
  HandleTable& table = HandleTable::Current();
  HandleObject* const object = table.Find(s);
  if (object == nullptr) return -EBADF;
  auto* const layer = static_cast<StreamLayer<Socket>*>(object->Query(type));
  if (layer == nullptr) return -ENOTSUP;
  if (HandleTable::Pinned(object)) return -EBUSY;
  absl::StatusOr<BytestreamPtr> lower = BytestreamPtr();
  HandleObject* const lower_object = layer->lower_object;
  {
    // The number stays until the end, so that hclose() can cut a wait short.
    PinnedHandle pin(object);
    lower = detach(&layer->socket);
    if (pin.closed()) return -EBADF;
    // Also a layer that was detached from has come to its end, and goes with the last pin.
    static_cast<void>(table.Close(s));
  }
  if (!lower.ok()) return -StatusErrno(lower.status());
  const int handle = MakeBytestreamHandle(lower_object);
  if (handle >= 0) static_cast<void>(lower->release());
  return handle;
}

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_FRAMING_STREAM_LAYER_H_
