#define DILL_DISABLE_RAW_NAMES
#include "bytestream/udp.h"

#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <new>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bytestream/base/check.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/c_call.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/handle/handle_type.h"
#include "bytestream/iolist_convert.h"
#include "bytestream/message_socket.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/udp.h"
#include "bytestream/sockets_convert.h"
#include "bytestream/sockets_object.h"
#include "bytestream/stream_info_source.h"

namespace halfpipe {
namespace {

inline constexpr HandleType kUdpType{"UDP socket"};

// A UDP socket behind a handle.
class UdpObject final : public UdpSocket, public HandleObject {
 public:
  UdpObject(Runtime* runtime, const UdpDescriptor& opened, bool in_callers_storage)
      : UdpSocket(runtime, opened), in_callers_storage_(in_callers_storage) {}

  void* Query(const void* type) override {
    if (type == &kUdpType) return static_cast<UdpSocket*>(this);
    if (type == &kMessageSocketType) return static_cast<MessageSocket*>(this);
    if (type == &kStreamInfoType) return static_cast<StreamInfoSource*>(this);
    return nullptr;
  }
  bool in_callers_memory() const override { return in_callers_storage_; }
  void Close() noexcept override { Abort(); }
  void Dispose() noexcept override {
    if (in_callers_storage_) {
      this->~UdpObject();
    } else {
      delete this;
    }
  }

 private:
  const bool in_callers_storage_;
};

static_assert(sizeof(UdpObject) <= sizeof(dill_udp_storage), "public size");
static_assert(alignof(UdpObject) <= alignof(dill_udp_storage), "public alignment");

// The address, in *place, if there is one; EINVAL for what is none.
int Convert(const dill_ipaddr* addr, std::optional<IpAddress>* place) {
  if (addr == nullptr) return 0;
  *place = FromIpaddr(addr);
  return place->has_value() ? 0 : EINVAL;
}

IpAddress* OrNull(std::optional<IpAddress>& address) {
  return address.has_value() ? &*address : nullptr;
}

// A handle or a negative errno.
int Open(dill_ipaddr* local, const dill_ipaddr* remote, void* memory) {
  std::optional<IpAddress> from, to;
  if (const int error = Convert(local, &from)) return -error;
  if (const int error = Convert(remote, &to)) return -error;
  if (const int error = CheckNewHandle()) return -error;
  const absl::StatusOr<UdpDescriptor> opened = UdpOpenFd(OrNull(from), OrNull(to), UdpOptions());
  if (!opened.ok()) return -StatusErrno(opened.status());
  HandleTable& table = HandleTable::Current();
  UdpObject* const object = memory != nullptr
                                ? new (memory) UdpObject(table.runtime(), *opened, true)
                                : new (std::nothrow) UdpObject(table.runtime(), *opened, false);
  if (object == nullptr) {
    close(opened->fd);
    return -ENOMEM;
  }
  // CheckNewHandle() has seen to it that there is room; nothing has switched since.
  const int number = table.Make(object);
  HALFPIPE_CHECK(number > 0);
  if (local != nullptr) ToIpaddr(*from, local);
  return number;
}

// Runs function(socket), which returns a result or a negative errno, on the UDP socket `s`.
template <typename Function>
ssize_t WithSocket(int s, Function function) {
  PinnedHandle pin(s);
  if (!pin) return -EBADF;
  UdpSocket* const socket = pin.Query<UdpSocket>(kUdpType);
  return socket != nullptr ? function(socket) : -ENOTSUP;
}

int Send(int s, const dill_ipaddr* addr, absl::Span<const IoSlice> slices) {
  return static_cast<int>(WithSocket(s, [&](UdpSocket* socket) -> ssize_t {
    std::optional<IpAddress> to;
    if (const int error = Convert(addr, &to)) return -error;
    return -StatusErrno(socket->Send(OrNull(to), slices));
  }));
}

ssize_t Receive(int s, dill_ipaddr* addr, absl::Span<const IoSpan> slices, int64_t deadline) {
  IpAddress from;
  const ssize_t result = WithSocket(s, [&](UdpSocket* socket) -> ssize_t {
    const absl::StatusOr<size_t> size =
        socket->ReceiveFrom(slices, &from, Deadline::FromMillis(deadline));
    return size.ok() ? static_cast<ssize_t>(*size) : -StatusErrno(size.status());
  });
  if (result >= 0 && addr != nullptr) ToIpaddr(from, addr);
  return result;
}

ssize_t EndReceive(ssize_t result) {
  return EndCallWithResult(static_cast<int>(result));  // a datagram's size fits
}

}  // namespace
}  // namespace halfpipe

using halfpipe::EndCallWithResult;
using halfpipe::FailCall;

int dill_udp_open(struct dill_ipaddr* local, const struct dill_ipaddr* remote) {
  return EndCallWithResult(halfpipe::Open(local, remote, nullptr));
}

int dill_udp_open_mem(struct dill_ipaddr* local, const struct dill_ipaddr* remote,
                      struct dill_udp_storage* mem) {
  if (mem == nullptr) return FailCall(EINVAL);
  return EndCallWithResult(halfpipe::Open(local, remote, mem));
}

int dill_udp_send(int s, const struct dill_ipaddr* addr, const void* buf, size_t len) {
  if (buf == nullptr && len > 0) {
    return EndCallWithResult(static_cast<int>(
        halfpipe::WithSocket(s, [](halfpipe::UdpSocket*) -> ssize_t { return -EINVAL; })));
  }
  const halfpipe::IoSlice slice(buf, len);
  return EndCallWithResult(halfpipe::Send(s, addr, absl::MakeConstSpan(&slice, 1)));
}

int dill_udp_sendl(int s, const struct dill_ipaddr* addr, struct dill_iolist* first,
                   struct dill_iolist* last) {
  halfpipe::IolistSlices<halfpipe::IoSlice> list;
  if (const int invalid = list.Convert(first, last)) {
    return EndCallWithResult(static_cast<int>(
        halfpipe::WithSocket(s, [invalid](halfpipe::UdpSocket*) -> ssize_t { return -invalid; })));
  }
  return EndCallWithResult(halfpipe::Send(s, addr, list.slices()));
}

ssize_t dill_udp_recv(int s, struct dill_ipaddr* addr, void* buf, size_t len, int64_t deadline) {
  const halfpipe::IoSpan span(buf, len);
  return halfpipe::EndReceive(halfpipe::Receive(s, addr, absl::MakeConstSpan(&span, 1), deadline));
}

ssize_t dill_udp_recvl(int s, struct dill_ipaddr* addr, struct dill_iolist* first,
                       struct dill_iolist* last, int64_t deadline) {
  if (first == nullptr && last == nullptr) {
    return halfpipe::EndReceive(halfpipe::Receive(s, addr, {}, deadline));
  }
  halfpipe::IolistSlices<halfpipe::IoSpan> list;
  if (const int invalid = list.Convert(first, last)) {
    return halfpipe::EndReceive(
        halfpipe::WithSocket(s, [invalid](halfpipe::UdpSocket*) -> ssize_t { return -invalid; }));
  }
  return halfpipe::EndReceive(halfpipe::Receive(s, addr, list.slices(), deadline));
}
