#ifndef HALFPIPE_HTTP_CORE_UPGRADE_H_
#define HALFPIPE_HTTP_CORE_UPGRADE_H_

// What HTTP asks of any upgrade of a connection to another protocol (RFC 9110 section 7.8), on
// either side. What the protocol itself asks (the method, keys, versions) is checked by whoever
// speaks it. Pure; nothing allocates.

#include <cstdint>

#include "absl/strings/string_view.h"
#include "http/core/authority.h"
#include "http/core/message.h"

namespace halfpipe::http {

enum class UpgradeError : uint8_t {
  kNone,
  // A fault of the request in itself.
  kVersionTooOld,  // HTTP/1.0, where Upgrade is to be ignored.
  kMissingHost,    // RFC 9112 section 3.2.
  kSeveralHosts,
  kBadHost,
  kBadTarget,  // Neither origin-form nor absolute-form of http, https, ws or wss.
  // A request without a fault, but not one for this upgrade.
  kNoUpgrade,      // No Upgrade field, or an empty one.
  kOtherProtocol,  // The protocol is not among those offered.
  // A fault of the upgrade.
  kNotInConnection,  // Connection does not name upgrade.
  kHasContent,       // Content-Length other than 0, or Transfer-Encoding.
  // Of responses.
  kNotSwitching,  // The status is not 101: a refusal, well formed as far as seen here.
};

// One line for people. Static storage.
absl::string_view UpgradeErrorText(UpgradeError error);

// The status code a server answers a request with that has this error: 400, 426 or 505. 0 for
// kNone. A 426 must carry an Upgrade field (RFC 9110 section 15.5.22).
int UpgradeErrorStatus(UpgradeError error);

// Where a request is addressed to: views of its head.
struct RequestAddress {
  // Path and query, as the application knows it; begins with "/".
  absl::string_view resource;
  // host[:port] as written: of the Host field, or, if the target is in absolute-form, of that (RFC
  // 9112 section 3.2.2 has the target win).
  absl::string_view host;
  // The same in parts.
  Authority authority;
  // Of a target in absolute-form, as written: http, https, ws or wss in any case. Else empty.
  absl::string_view scheme;

  // Whether the target is in absolute-form and asks for a secured connection. A server whose
  // connection is not must refuse that with 421 (RFC 9110 section 7.4).
  bool asks_for_tls() const;
};

// Checks what every HTTP/1.1 request needs: exactly one Host field, well formed and not empty, and
// a target in origin-form or absolute-form. (CONNECT and OPTIONS * have other targets, and are
// refused here. So is an absolute target with a query and no path, whose resource is written
// nowhere in it.) Sets *address if it returns kNone; else kMissingHost, kSeveralHosts, kBadHost or
// kBadTarget. HTTP/1.0 has no Host field (section 3.2 of RFC 9112 asks for it since 1.1): without
// one, and with a target in origin-form, host and authority are empty.
[[nodiscard]] UpgradeError CheckRequestAddress(const RequestHead& head, RequestAddress* address);

// Whether the client asks to upgrade to `protocol`, well or badly: HTTP/1.1 with an Upgrade field that
// has it. For servers that serve plain requests too: what else a client offers there, such as h2c, is
// ignored (RFC 9110 section 7.8).
[[nodiscard]] bool AsksForUpgrade(const RequestHead& head, absl::string_view protocol);

// Whether the client waits for 100 (Continue): HTTP/1.1 with 100-continue in Expect. A server that
// accepts its upgrade must say that before the 101 (RFC 9110 sections 7.8 and 10.1.1); other
// expectations mean nothing.
[[nodiscard]] bool ExpectsContinue(const RequestHead& head);

// Judges a request to upgrade to `protocol`: a name, and perhaps "/" and a version, which is another
// protocol than the name alone (RFC 9110 section 7.8: nobody switches to what was not indicated).
// That of WebSocket has no version. In this order:
//   1. HTTP/1.1 or a later minor version                         else kVersionTooOld
//   2. CheckRequestAddress                                       else its errors
//   3. an Upgrade field                                          else kNoUpgrade
//   4. in it `protocol`, in any case                             else kOtherProtocol
//   5. in Connection the member `upgrade`, in any case           else kNotInConnection
//   6. no content: bytes after the head must be the new protocol's, and a request with content
//      would leave it open which are (RFC 9110 section 7.8 has the content read first). A single
//      Content-Length of 0 is let pass                           else kHasContent
// Sets *address if it returns kNone.
[[nodiscard]] UpgradeError JudgeUpgradeRequest(const RequestHead& head, absl::string_view protocol,
                                               RequestAddress* address);

// Judges the response to a request for `protocol` alone:
//   1. status 101                                                else kNotSwitching
//   2. HTTP/1.1 or a later minor version                         else kVersionTooOld
//   3. an Upgrade field                                          else kNoUpgrade
//   4. whose only member is `protocol`, in any case              else kOtherProtocol
//   5. in Connection the member `upgrade`, in any case           else kNotInConnection
//   6. neither Content-Length nor Transfer-Encoding, which a 1xx must not have (RFC 9110
//   section 8.6,
//      RFC 9112 section 6.1)                                     else kHasContent
[[nodiscard]] UpgradeError JudgeUpgradeResponse(const ResponseHead& head,
                                                absl::string_view protocol);

}  // namespace halfpipe::http

#endif  // HALFPIPE_HTTP_CORE_UPGRADE_H_
