#ifndef HALFPIPE_BYTESTREAM_SOCKETS_OBJECT_H_
#define HALFPIPE_BYTESTREAM_SOCKETS_OBJECT_H_

#include <cstdint>
#include <optional>

#include "bytestream/handle/handle_type.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/listener.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {

// What the socket calls of one family (TCP, Unix) tell their own handles by. A handle's Query()
// gives a FdStream* for `stream`, a Listener* for `listener`.
struct SocketFamily {
  HandleType stream;
  HandleType listener;
  bool passes_descriptors;
};

inline constexpr SocketFamily kTcpFamily{{"TCP connection"}, {"TCP listener"}, false};
inline constexpr SocketFamily kIpcFamily{{"Unix connection"}, {"Unix listener"}, true};

// A connection behind a handle. Also an ordinary bytestream, so that a layer above can own it.
class SocketObject final : public FdStream, public HandleObject {
 public:
  // Takes over `fd`. In storage of the caller (placement new) Dispose() only destructs.
  SocketObject(Runtime* runtime, int fd, const SocketFamily* family, bool in_callers_storage)
      : FdStream(runtime, fd, StreamOptions(family)),
        family_(family),
        in_callers_storage_(in_callers_storage) {}

  void* Query(const void* type) override;
  bool in_callers_memory() const override { return in_callers_storage_; }
  void Close() noexcept override { Abort(); }
  void Dispose() noexcept override;

 private:
  static Options StreamOptions(const SocketFamily* family) {
    Options options;
    options.keep_descriptors = family->passes_descriptors;
    return options;
  }

  const SocketFamily* const family_;
  const bool in_callers_storage_;
};

// A listener behind a handle.
class ListenerObject final : public Listener, public HandleObject {
 public:
  ListenerObject(Runtime* runtime, int fd, const SocketFamily* family, bool in_callers_storage)
      : Listener(runtime, fd), family_(family), in_callers_storage_(in_callers_storage) {}

  void* Query(const void* type) override;
  bool in_callers_memory() const override { return in_callers_storage_; }
  void Close() noexcept override { Abort(); }
  void Dispose() noexcept override;

 private:
  const SocketFamily* const family_;
  const bool in_callers_storage_;
};

// 0 if a handle may be made now: ECANCELED, EMFILE or ENOMEM. For calls that would otherwise begin
// something that then has no handle.
int CheckNewHandle();

// Gives a connected (listening) socket a handle and takes it over: the number. `memory` is storage
// of the caller, or null for the heap. A negative errno: ECANCELED, EMFILE, ENOMEM; `fd` is the
// caller's then.
int MakeStreamHandle(const SocketFamily* family, int fd, void* memory);
int MakeListenerHandle(const SocketFamily* family, int fd, void* memory);

// The same, but `fd` is closed on failure.
int MakeStreamHandleOrClose(const SocketFamily* family, int fd, void* memory);
int MakeListenerHandleOrClose(const SocketFamily* family, int fd, void* memory);

// tcp_accept() and ipc_accept(): a handle or a negative errno. *peer (may be null) gets the
// address.
int AcceptHandle(const SocketFamily* family, int s, std::optional<IpAddress>* peer, void* memory,
                 int64_t deadline);

// tcp_done() and so on, as documented in sockets.h: an errno, or 0.
int DoneHandle(const SocketFamily* family, int s, int64_t deadline);
int CloseSocketHandle(const SocketFamily* family, int s, int64_t deadline);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_SOCKETS_OBJECT_H_
