#ifndef HALFPIPE_WEBSOCKET_HANDSHAKE_HOST_POLICY_H_
#define HALFPIPE_WEBSOCKET_HANDSHAKE_HOST_POLICY_H_

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "http/core/upgrade.h"

namespace halfpipe::websocket {

// Which names this server answers to. Pure; judging allocates nothing.
//
// A page of evil.com whose name is made to resolve to 127.0.0.1 or to an address of the inner network
// (DNS rebinding) is of the same origin as the server it reaches so; the Host field still says
// evil.com. A server that is not meant for every name lists its own.
//
// A request for another host is refused with 421, Misdirected Request, which says that this server
// is not the one to answer for that URI (RFC 9110 sections 7.4 and 15.5.20). Not with 400: nothing
// is wrong with the request's form.
struct HostPolicy {
  // "example.org" or "[::1]": with whatever port. "example.org:8080": with that port, which is 80,
  // or 443 if `secure`, where the request has none. Borrowed. None at all: every host.
  absl::Span<const absl::string_view> hosts = {};
};

// Whether all of them are hosts, each perhaps with a port.
[[nodiscard]] bool IsValid(const HostPolicy& policy);

// Whether the request is for a host of the policy, and, if it says that it wants a secured
// connection (an absolute target of https or wss), has come over one. `secure` as in JudgeOrigin().
// Names compare whole, without regard to case.
[[nodiscard]] bool IsHostAccepted(const HostPolicy& policy, const http::RequestAddress& address,
                                  bool secure);

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_HANDSHAKE_HOST_POLICY_H_
