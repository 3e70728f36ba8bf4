#ifndef HALFPIPE_BYTESTREAM_PROXY_SOCKS5_H_
#define HALFPIPE_BYTESTREAM_PROXY_SOCKS5_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bytestream/base/deadline.h"
#include "bytestream/bytestream.h"
#include "bytestream/proxy/socks5_codec.h"

namespace halfpipe {

// SOCKS version 5 (RFC 1928, RFC 1929) on any bytestream, both sides. Nothing is attached: when the
// talk is over, the same stream carries the connection, and its next byte is the first one of that.
//
// Common to all functions: `stream` is borrowed for the call. They take one coroutine at a time,
// and both directions of the stream (EBUSY, nothing done). A peer that breaks the protocol is
// EPROTO. The stream ending, or broken, inside the talk is ECONNRESET. Unless an error says
// otherwise, the stream is still the caller's after a failure, and good for nothing but to be ended:
// nobody knows where in the talk the peer is.

// A name, or the literal of an IPv4 or IPv6 address, which is sent as the address. Nothing unless 1
// to kSocks5TextBytesMax bytes without NUL.
std::optional<Socks5Address> Socks5AddressOf(absl::string_view host, uint16_t port);

// ---- Client ----

// Asks the proxy at the other end of `stream` to connect to `target`. With `credentials` it offers
// authentication by username and password as well as none; the proxy chooses. *bound (may be null)
// is set to the address that the proxy says it connected from.
//
// Errors:
//   EINVAL     empty credentials, or with a NUL; the port is 0: nothing was sent
//   EMSGSIZE   credentials over kSocks5TextBytesMax bytes: nothing was sent
//   EACCES     the proxy wants another authentication, refuses the credentials, or the target
//   EIO, ENETUNREACH, EHOSTUNREACH, ECONNREFUSED, EOPNOTSUPP, EAFNOSUPPORT
//              what the proxy says (Socks5ReplyErrno())
//   ETIMEDOUT  the deadline passed, or the proxy says so of the target
//   ECANCELED, EPROTO, ECONNRESET, EBUSY
//   EPIPE      the outbound direction is done
//
// Example:
//   std::optional<Socks5Address> target = Socks5AddressOf("www.example", 443);
//   absl::Status status = Socks5Connect(stream.get(), std::nullopt, *target, deadline);
absl::Status Socks5Connect(Bytestream* stream, const std::optional<Socks5Credentials>& credentials,
                           const Socks5Address& target, Deadline deadline,
                           Socks5Address* bound = nullptr);

// The same by name or literal. EINVAL and EMSGSIZE also for an empty host or one with a NUL, and
// for a longer one.
absl::Status Socks5ConnectByName(Bytestream* stream,
                                 const std::optional<Socks5Credentials>& credentials,
                                 absl::string_view host, uint16_t port, Deadline deadline,
                                 Socks5Address* bound = nullptr);

// ---- Proxy: one of the first two, then read the request, then reply ----

// Receives the client's greeting and lets it in without authentication.
//
//   EACCES   it does not offer that, and has been told
//   EPIPE    the stream ended before the first byte
//   ETIMEDOUT, ECANCELED, EPROTO, ECONNRESET, EBUSY
absl::Status Socks5Accept(Bytestream* stream, Deadline deadline);

// Whether the client that has these may go on. May wait; holds nothing of the stream meanwhile.
using Socks5Authenticator =
    absl::FunctionRef<bool(absl::string_view username, absl::string_view password)>;

// The same with a username and password, which `authenticate` decides on: EACCES if it says no, or
// the client does not offer them. The client has been told then, as far as that could be.
absl::Status Socks5Accept(Bytestream* stream, Socks5Authenticator authenticate, Deadline deadline);

// Receives the client's request. The command is one of the three of RFC 1928.
//
//   EPIPE      the stream ended before the first byte
//   EPROTO     also another command or address type; the client has been told (codes 7 and 8)
//   ETIMEDOUT, ECANCELED   nothing was consumed: call again
//   ECONNRESET, EBUSY
absl::StatusOr<Socks5Request> Socks5ReadRequest(Bytestream* stream, Deadline deadline);

// The same, but the request stays in the stream. *size is its bytes, for stream->Consume(): for who
// has to wait for something else before the request counts as received.
absl::StatusOr<Socks5Request> Socks5PeekRequest(Bytestream* stream, size_t* size,
                                                Deadline deadline);

// Answers the request. `code` is one of kSocks5Reply...; `bound` is for a CONNECT that succeeded
// the address that the proxy connected from, and of no interest where it failed. After a failure is
// told the proxy has to end the connection within 10 seconds (RFC 1928 section 6).
//
//   EINVAL   not an assigned code: nothing was sent
//   ETIMEDOUT, ECANCELED   nothing was sent: call again
//   ECONNRESET, EBUSY, EPIPE
absl::Status Socks5SendReply(Bytestream* stream, uint8_t code, const Socks5Address& bound,
                             Deadline deadline);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_PROXY_SOCKS5_H_
