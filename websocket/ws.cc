// The C calls of WebSocket: each checks its arguments, finds the object, calls it and sets errno.

#include "websocket/ws.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/entropy.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/bytestream_handle.h"
#include "bytestream/c_call.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/handle/handle_type.h"
#include "bytestream/iolist_convert.h"
#include "bytestream/message_socket.h"
#include "bytestream/runtime/runtime.h"
#include "websocket/core/close_code.h"
#include "websocket/handshake/accept_key.h"
#include "websocket/stream.h"
#include "websocket/upgrade.h"

namespace halfpipe::websocket {
namespace {

constexpr int kAttachFlags = DILL_WS_TEXT | DILL_WS_NOHTTP | DILL_WS_GATHER;

inline constexpr HandleType kWebSocketType{"WebSocket"};

// What a WebSocket's handle stands for.
class WsSocket final : public HandleObject {
 public:
  // `lower_object` and `lower` are the same object; the stream owns it.
  WsSocket(Runtime* runtime, HandleObject* lower_object, BytestreamPtr lower,
           const Options& options, bool on_heap)
      : stream(runtime, std::move(lower), options), lower_object(lower_object), on_heap_(on_heap) {}

  void* Query(const void* type) override {
    if (type == &kWebSocketType) return this;
    if (type == &kMessageSocketType) return static_cast<MessageSocket*>(&stream);
    if (type == &kStreamInfoType) return FindStreamInfoSource(lower_object);
    return nullptr;
  }
  bool runs_user_code() const override { return lower_object->runs_user_code(); }
  bool in_callers_memory() const override { return !on_heap_ || lower_object->in_callers_memory(); }
  void Close() noexcept override { stream.Abort(); }
  void Dispose() noexcept override {
    if (on_heap_) {
      delete this;
    } else {
      this->~WsSocket();
    }
  }

  Stream stream;
  HandleObject* const lower_object;

 private:
  const bool on_heap_;
};

static_assert(sizeof(WsSocket) <= sizeof(dill_ws_storage), "make dill_ws_storage larger");
static_assert(alignof(WsSocket) <= alignof(dill_ws_storage));

struct AttachArguments {
  int s;
  int flags;
  Role role;
  bool in_storage;
  dill_ws_storage* storage;
};

// Takes the bytestream over, has `handshake(runtime, stream)` (which returns an errno) done on it,
// and makes the WebSocket's handle. Returns it, or a negative errno.
template <typename Handshake>
int Attach(const AttachArguments& arguments, Handshake handshake) {
  HandleObject* lower_object = nullptr;
  Bytestream* taken = nullptr;
  if (const int error = TakeBytestream(arguments.s, &lower_object, &taken)) return -error;
  BytestreamPtr lower(taken);
  if ((arguments.flags & ~kAttachFlags) != 0) return -EINVAL;
  if (arguments.in_storage && arguments.storage == nullptr) return -EINVAL;
  Runtime& runtime = Runtime::Current();
  if (const int error = runtime.CheckCancelled()) return -error;
  if ((arguments.flags & DILL_WS_NOHTTP) == 0) {
    if (const int error = handshake(&runtime, lower.get())) return -error;
  }
  Options options;
  options.role = arguments.role;
  options.message_bytes_max = kMaxFramePayload;  // the caller's own buffers are the bound
  options.answer_close = false;
  options.gather = (arguments.flags & DILL_WS_GATHER) != 0;
  options.text_messages = (arguments.flags & DILL_WS_TEXT) != 0;
  void* const place = arguments.in_storage ? static_cast<void*>(arguments.storage)
                                           : ::operator new(sizeof(WsSocket), std::nothrow);
  if (place == nullptr) return -ENOMEM;
  WsSocket* const socket = new (place)
      WsSocket(&runtime, lower_object, std::move(lower), options, !arguments.in_storage);
  const int handle = HandleTable::Current().Make(socket);
  if (handle < 0) socket->Dispose();
  return handle;
}

int AttachClient(const AttachArguments& arguments, const char* resource, const char* host,
                 int64_t deadline) {
  return EndCallWithResult(Attach(arguments, [&](Runtime* runtime, Bytestream* stream) {
    if (resource == nullptr || host == nullptr) return EINVAL;
    ClientUpgradeOptions options;
    options.target = resource;
    options.host = host;
    return StatusErrno(
        ClientUpgrade(runtime, stream, options, nullptr, Deadline::FromMillis(deadline)));
  }));
}

// Copies `text` and a NUL if there is a buffer; false if it is too small.
bool CopyText(absl::string_view text, char* buffer, size_t size) {
  if (buffer == nullptr) return true;
  if (text.size() >= size) return false;
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  return true;
}

int AttachServer(const AttachArguments& arguments, char* resource, size_t resource_size, char* host,
                 size_t host_size, int64_t deadline) {
  return EndCallWithResult(Attach(arguments, [&](Runtime* runtime, Bytestream* stream) {
    constexpr int kUriTooLong = 414;
    constexpr int kFieldsTooLarge = 431;
    bool fits = true;
    const auto hook = [&](const UpgradeRequest& request) {
      fits = CopyText(request.resource, resource, resource_size);
      if (!fits) return UpgradeDecision::Refuse(kUriTooLong);
      fits = CopyText(request.host, host, host_size);
      return fits ? UpgradeDecision::Accept() : UpgradeDecision::Refuse(kFieldsTooLarge);
    };
    // The caller's deadline is the only one.
    const ServerUpgradeOptions options = {.head_time_max = absl::InfiniteDuration(),
                                          .answer_time_max = absl::InfiniteDuration()};
    const absl::Status status =
        ServerUpgrade(runtime, stream, options, hook, Deadline::FromMillis(deadline));
    const int error = StatusErrno(status);
    return error == EACCES && !fits ? EMSGSIZE : error;
  }));
}

// Runs function(socket), which returns a number or a negative errno, on the WebSocket behind `s`.
template <typename Function>
ssize_t WithSocket(int s, Function function) {
  ssize_t result;
  {
    PinnedHandle pin(s);
    if (!pin) return FailCall(EBADF);
    WsSocket* const socket = pin.Query<WsSocket>(kWebSocketType);
    if (socket == nullptr) return FailCall(ENOTSUP);
    result = function(socket->stream);
  }
  return result >= 0 ? result : FailCall(static_cast<int>(-result));
}

int Send(int s, int flags, absl::Span<const IoSlice> slices, int64_t deadline) {
  return static_cast<int>(WithSocket(s, [&](Stream& stream) -> ssize_t {
    if ((flags & ~DILL_WS_TEXT) != 0) return -EINVAL;
    if (stream.sender_busy()) return -EBUSY;
    const MessageType type = flags == DILL_WS_TEXT ? MessageType::kText : MessageType::kBinary;
    return -StatusErrno(stream.Send(type, slices, Deadline::FromMillis(deadline)));
  }));
}

// `slices` null: drops the message.
ssize_t Receive(int s, int* flags, const absl::Span<const IoSpan>* slices, int64_t deadline) {
  return WithSocket(s, [&](Stream& stream) -> ssize_t {
    const Deadline until = Deadline::FromMillis(deadline);
    const auto message = slices != nullptr ? stream.Receive(*slices, until) : stream.Discard(until);
    if (!message.ok()) return -StatusErrno(message.status());
    if (!message->has_value()) return -EPIPE;
    if (flags != nullptr) {
      *flags = (*message)->type == MessageType::kText ? DILL_WS_TEXT : DILL_WS_BINARY;
    }
    return static_cast<ssize_t>((*message)->size);
  });
}

// How much a reason is too long says nothing, and a length that was a negative number is longer than
// a view may be.
absl::string_view Reason(const void* buf, size_t len) {
  return absl::string_view(static_cast<const char*>(buf), std::min(len, kMaxCloseReason + 1));
}

// Ends the WebSocket and gives the lower stream a number again. Returns that, or a negative errno;
// everything is closed then but for EBADF, ENOTSUP and EBUSY.
int Detach(int s, int status, const void* buf, size_t len, int64_t deadline) {
  HandleTable& table = HandleTable::Current();
  HandleObject* const object = table.Find(s);
  if (object == nullptr) return -EBADF;
  WsSocket* const socket = static_cast<WsSocket*>(object->Query(&kWebSocketType));
  if (socket == nullptr) return -ENOTSUP;
  if (HandleTable::Pinned(object)) return -EBUSY;
  HandleObject* const lower_object = socket->lower_object;
  absl::StatusOr<BytestreamPtr> lower = BytestreamPtr();
  {
    // The number stays until the end, so that hclose() can cut the wait short.
    PinnedHandle pin(object);
    if (buf == nullptr && len > 0) {
      lower = ErrnoStatus(EINVAL, "a null reason with a length");
    } else {
      lower = socket->stream.Detach(status, Reason(buf, len), Deadline::FromMillis(deadline));
    }
    if (pin.closed()) return -EBADF;
    // Also a stream that was detached from has come to its end, and goes with the last pin.
    static_cast<void>(table.Close(s));
    if (!lower.ok()) return -StatusErrno(lower.status());
  }
  const int handle = MakeBytestreamHandle(lower_object);
  if (handle >= 0) static_cast<void>(lower->release());
  return handle;
}

}  // namespace
}  // namespace halfpipe::websocket

extern "C" {

using halfpipe::Deadline;
using halfpipe::FailCall;
using halfpipe::IolistSlices;
using halfpipe::IoSlice;
using halfpipe::IoSpan;
namespace ws = halfpipe::websocket;

int dill_ws_attach_client(int s, int flags, const char* resource, const char* host,
                          int64_t deadline) {
  return ws::AttachClient({s, flags, ws::Role::kClient, false, nullptr}, resource, host, deadline);
}

int dill_ws_attach_client_mem(int s, int flags, const char* resource, const char* host,
                              struct dill_ws_storage* mem, int64_t deadline) {
  return ws::AttachClient({s, flags, ws::Role::kClient, true, mem}, resource, host, deadline);
}

int dill_ws_attach_server(int s, int flags, char* resource, size_t resourcelen, char* host,
                          size_t hostlen, int64_t deadline) {
  return ws::AttachServer({s, flags, ws::Role::kServer, false, nullptr}, resource, resourcelen,
                          host, hostlen, deadline);
}

int dill_ws_attach_server_mem(int s, int flags, char* resource, size_t resourcelen, char* host,
                              size_t hostlen, struct dill_ws_storage* mem, int64_t deadline) {
  return ws::AttachServer({s, flags, ws::Role::kServer, true, mem}, resource, resourcelen, host,
                          hostlen, deadline);
}

int dill_ws_send(int s, int flags, const void* buf, size_t len, int64_t deadline) {
  if (buf == nullptr && len > 0) return FailCall(EINVAL);
  const IoSlice slice(buf, len);
  return ws::Send(s, flags, absl::MakeConstSpan(&slice, 1), deadline);
}

int dill_ws_sendl(int s, int flags, struct dill_iolist* first, struct dill_iolist* last,
                  int64_t deadline) {
  IolistSlices<IoSlice> list;
  if (const int error = list.Convert(first, last)) return FailCall(error);
  return ws::Send(s, flags, list.slices(), deadline);
}

ssize_t dill_ws_recv(int s, int* flags, void* buf, size_t len, int64_t deadline) {
  const IoSpan slice(buf, len);
  const absl::Span<const IoSpan> slices(&slice, 1);
  return ws::Receive(s, flags, &slices, deadline);
}

ssize_t dill_ws_recvl(int s, int* flags, struct dill_iolist* first, struct dill_iolist* last,
                      int64_t deadline) {
  if (first == nullptr && last == nullptr) return ws::Receive(s, flags, nullptr, deadline);
  IolistSlices<IoSpan> list;
  if (const int error = list.Convert(first, last)) return FailCall(error);
  const absl::Span<const IoSpan> slices = list.slices();
  return ws::Receive(s, flags, &slices, deadline);
}

int dill_ws_done(int s, int status, const void* buf, size_t len, int64_t deadline) {
  return static_cast<int>(ws::WithSocket(s, [&](ws::Stream& stream) -> ssize_t {
    if (buf == nullptr && len > 0) return -EINVAL;
    if (stream.sender_busy()) return -EBUSY;
    return -halfpipe::StatusErrno(
        stream.Done(status, ws::Reason(buf, len), Deadline::FromMillis(deadline)));
  }));
}

int dill_ws_detach(int s, int status, const void* buf, size_t len, int64_t deadline) {
  return halfpipe::EndCallWithResult(ws::Detach(s, status, buf, len, deadline));
}

ssize_t dill_ws_status(int s, int* status, void* buf, size_t len) {
  return ws::WithSocket(s, [&](ws::Stream& stream) -> ssize_t {
    const std::optional<ws::CloseInfo> close = stream.peer_close();
    if (!close.has_value()) return -(stream.failure() != 0 ? stream.failure() : EAGAIN);
    if (close->reason.size() > len) return -EMSGSIZE;
    if (buf == nullptr && !close->reason.empty()) return -EMSGSIZE;
    if (!close->reason.empty()) std::memcpy(buf, close->reason.data(), close->reason.size());
    if (status != nullptr) *status = close->code == ws::kCloseNoStatus ? 0 : close->code;
    return static_cast<ssize_t>(close->reason.size());
  });
}

int dill_ws_request_key(char* request_key) {
  if (request_key == nullptr) return FailCall(EINVAL);
  const ws::HandshakeKey key = ws::MakeKey(halfpipe::Entropy::System());
  std::memset(request_key, 0, DILL_WS_KEY_SIZE);
  std::memcpy(request_key, key.data(), key.size());
  return 0;
}

int dill_ws_response_key(const char* request_key, char* response_key) {
  if (request_key == nullptr || response_key == nullptr || !ws::IsValidKey(request_key)) {
    return FailCall(EINVAL);
  }
  const ws::HandshakeAccept accept = ws::AcceptValue(request_key);
  std::memset(response_key, 0, DILL_WS_KEY_SIZE);
  std::memcpy(response_key, accept.data(), accept.size());
  return 0;
}

}  // extern "C"
