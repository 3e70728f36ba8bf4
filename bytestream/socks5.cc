// The C calls of SOCKS 5: arguments, handle, errno.

#define DILL_DISABLE_RAW_NAMES
#include "bytestream/socks5.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/bytestream.h"
#include "bytestream/c_call.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/handle/handle_type.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/resolve.h"
#include "bytestream/proxy/socks5.h"
#include "bytestream/proxy/socks5_codec.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/sockets_convert.h"

namespace halfpipe {
namespace {

static_assert(DILL_SOCKS5_CONNECT == kSocks5CommandConnect);
static_assert(DILL_SOCKS5_BIND == kSocks5CommandBind);
static_assert(DILL_SOCKS5_UDP_ASSOCIATE == kSocks5CommandUdpAssociate);
static_assert(DILL_SOCKS5_SUCCESS == kSocks5ReplySucceeded);
static_assert(DILL_SOCKS5_ADDRESS_TYPE_NOT_SUPPORTED == kSocks5ReplyAddressTypeNotSupported);

// Runs function(stream), which returns a number or a negative errno, on the bytestream `s`.
template <typename Function>
int WithBytestream(int s, Function function) {
  PinnedHandle pin(s);
  if (!pin) return -EBADF;
  Bytestream* const stream = pin.Query<Bytestream>(kBytestreamType);
  if (stream == nullptr) return -ENOTSUP;
  return function(stream);
}

std::optional<Socks5Address> FromIp(const dill_ipaddr* addr) {
  if (addr == nullptr) return std::nullopt;
  const std::optional<IpAddress> ip = FromIpaddr(addr);
  if (!ip.has_value()) return std::nullopt;
  if (ip->family() == IpFamily::kIpv4) {
    sockaddr_in v4;
    std::memcpy(&v4, ip->sockaddr_ptr(), sizeof(v4));
    const auto* const octets = reinterpret_cast<const uint8_t*>(&v4.sin_addr);
    return Socks5Address::Ip(absl::MakeConstSpan(octets, sizeof(v4.sin_addr)), ip->port());
  }
  sockaddr_in6 v6;
  std::memcpy(&v6, ip->sockaddr_ptr(), sizeof(v6));
  return Socks5Address::Ip(absl::MakeConstSpan(v6.sin6_addr.s6_addr), ip->port());
}

// `address` is not a name.
IpAddress ToIp(const Socks5Address& address) {
  sockaddr_in6 v6 = {};
  sockaddr_in v4 = {};
  const auto octets = address.octets();
  if (address.type() == Socks5AddressType::kIpv4) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port());
    std::memcpy(&v4.sin_addr, octets.data(), sizeof(v4.sin_addr));
    return *IpAddress::FromSockaddr(reinterpret_cast<const sockaddr*>(&v4), sizeof(v4));
  }
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(address.port());
  std::memcpy(&v6.sin6_addr, octets.data(), sizeof(v6.sin6_addr));
  return *IpAddress::FromSockaddr(reinterpret_cast<const sockaddr*>(&v6), sizeof(v6));
}

std::optional<Socks5Credentials> CredentialsOf(const char* username, const char* password) {
  if (username == nullptr || password == nullptr) return std::nullopt;
  return Socks5Credentials{username, password};
}

int Connect(int s, const char* username, const char* password, const dill_ipaddr* addr,
            int64_t deadline) {
  return WithBytestream(s, [&](Bytestream* stream) {
    const std::optional<Socks5Address> target = FromIp(addr);
    if (!target.has_value()) return -EINVAL;
    return -StatusErrno(Socks5Connect(stream, CredentialsOf(username, password), *target,
                                      Deadline::FromMillis(deadline)));
  });
}

int ConnectByName(int s, const char* username, const char* password, const char* hostname, int port,
                  int64_t deadline) {
  return WithBytestream(s, [&](Bytestream* stream) {
    if (hostname == nullptr || port < 1 || port > UINT16_MAX) return -EINVAL;
    return -StatusErrno(Socks5ConnectByName(stream, CredentialsOf(username, password), hostname,
                                            static_cast<uint16_t>(port),
                                            Deadline::FromMillis(deadline)));
  });
}

// The credentials as C strings, for as long as the user looks at them.
bool CallAuth(dill_socks5_auth_function* auth_fn, absl::string_view username,
              absl::string_view password) {
  char texts[2][kSocks5TextBytesMax + 1];
  username.copy(texts[0], username.size());
  texts[0][username.size()] = '\0';
  password.copy(texts[1], password.size());
  texts[1][password.size()] = '\0';
  const bool accepted = auth_fn(texts[0], texts[1]) != 0;
  explicit_bzero(texts, sizeof(texts));
  return accepted;
}

int Auth(int s, dill_socks5_auth_function* auth_fn, int64_t deadline) {
  return WithBytestream(s, [&](Bytestream* stream) {
    const Deadline until = Deadline::FromMillis(deadline);
    if (auth_fn == nullptr) return -StatusErrno(Socks5Accept(stream, until));
    const auto authenticate = [auth_fn](absl::string_view username, absl::string_view password) {
      return CallAuth(auth_fn, username, password);
    };
    return -StatusErrno(Socks5Accept(stream, authenticate, until));
  });
}

// The address asked for, whose name is looked up while the command is still in the stream, so that
// what did not get done in time can be done again.
int ReceiveCommand(Bytestream* stream, dill_ipaddr* addr, Deadline deadline) {
  size_t size = 0;
  const absl::StatusOr<Socks5Request> request = Socks5PeekRequest(stream, &size, deadline);
  if (!request.ok()) return -StatusErrno(request.status());
  const Socks5Address& target = request->address;
  if (target.type() != Socks5AddressType::kName) {
    stream->Consume(size);
    ToIpaddr(ToIp(target), addr);
    return request->command;
  }
  ResolveOptions options;
  options.choice = AddressChoice::kPreferIpv4;
  options.count_max = 1;
  const absl::StatusOr<std::vector<IpAddress>> addresses =
      ResolveRemotes(&Runtime::Current(), target.name(), target.port(), options, deadline);
  const int error = StatusErrno(addresses.status());
  if (error != 0 && error != EADDRNOTAVAIL && error != EHOSTUNREACH) return -error;
  // The buffer may have changed hands during the lookup. What was peeked at is still there, unless
  // another coroutine has taken it or closed the stream.
  const absl::StatusOr<absl::Span<uint8_t>> bytes = stream->Peek(0, deadline);
  if (!bytes.ok()) return -StatusErrno(bytes.status());
  if (bytes->size() < size) return -EBUSY;
  stream->Consume(size);
  if (error != 0) return -error;
  ToIpaddr(addresses->front(), addr);
  return request->command;
}

int ReceiveCommandByName(Bytestream* stream, char* host, int* port, Deadline deadline) {
  const absl::StatusOr<Socks5Request> request = Socks5ReadRequest(stream, deadline);
  if (!request.ok()) return -StatusErrno(request.status());
  const Socks5Address& target = request->address;
  if (target.type() == Socks5AddressType::kName) {
    target.name().copy(host, target.name().size());
    host[target.name().size()] = '\0';
  } else {
    const int family = target.type() == Socks5AddressType::kIpv4 ? AF_INET : AF_INET6;
    inet_ntop(family, target.octets().data(), host, kSocks5TextBytesMax + 1);
  }
  *port = target.port();
  return request->command;
}

int SendReply(int s, int reply, const dill_ipaddr* addr, int64_t deadline) {
  return WithBytestream(s, [&](Bytestream* stream) {
    const std::optional<Socks5Address> bound = FromIp(addr);
    if (!bound.has_value() || reply < 0 || reply > UINT8_MAX) return -EINVAL;
    return -StatusErrno(Socks5SendReply(stream, static_cast<uint8_t>(reply), *bound,
                                        Deadline::FromMillis(deadline)));
  });
}

}  // namespace
}  // namespace halfpipe

using halfpipe::EndCallWithResult;

int dill_socks5_client_connect(int s, const char* username, const char* password,
                               struct dill_ipaddr* addr, int64_t deadline) {
  return EndCallWithResult(halfpipe::Connect(s, username, password, addr, deadline));
}

int dill_socks5_client_connectbyname(int s, const char* username, const char* password,
                                     const char* hostname, int port, int64_t deadline) {
  return EndCallWithResult(
      halfpipe::ConnectByName(s, username, password, hostname, port, deadline));
}

int dill_socks5_proxy_auth(int s, dill_socks5_auth_function* auth_fn, int64_t deadline) {
  return EndCallWithResult(halfpipe::Auth(s, auth_fn, deadline));
}

int dill_socks5_proxy_recvcommand(int s, struct dill_ipaddr* addr, int64_t deadline) {
  return EndCallWithResult(halfpipe::WithBytestream(s, [&](halfpipe::Bytestream* stream) {
    if (addr == nullptr) return -EINVAL;
    return halfpipe::ReceiveCommand(stream, addr, halfpipe::Deadline::FromMillis(deadline));
  }));
}

int dill_socks5_proxy_recvcommandbyname(int s, char* host, int* port, int64_t deadline) {
  return EndCallWithResult(halfpipe::WithBytestream(s, [&](halfpipe::Bytestream* stream) {
    if (host == nullptr || port == nullptr) return -EINVAL;
    return halfpipe::ReceiveCommandByName(stream, host, port,
                                          halfpipe::Deadline::FromMillis(deadline));
  }));
}

int dill_socks5_proxy_sendreply(int s, int reply, struct dill_ipaddr* addr, int64_t deadline) {
  return EndCallWithResult(halfpipe::SendReply(s, reply, addr, deadline));
}
