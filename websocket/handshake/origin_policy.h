#ifndef HALFPIPE_WEBSOCKET_HANDSHAKE_ORIGIN_POLICY_H_
#define HALFPIPE_WEBSOCKET_HANDSHAKE_ORIGIN_POLICY_H_

// Which web pages may open a WebSocket here (RFC 6454, RFC 6455 sections 4.2.2 and 10.2). Pure;
// judging allocates nothing.
//
// A browser lets any page connect to any host and sends that host's cookies along; the Origin field
// is the only thing that tells a server whose page it is. Programs that are no browsers send what
// they like, or nothing: a policy protects a user from a page, not a server from a program.

#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "http/core/authority.h"
#include "http/core/header_list.h"

namespace halfpipe::websocket {

// An origin: scheme, host and port. Views of the text that was parsed.
struct Origin {
  absl::string_view scheme;
  http::Authority authority;

  // The port given, else 80 for http and ws, 443 for https and wss, else 0.
  uint16_t port() const;
};

// Parses the whole of `text`: scheme "://" host [":" port], no path, no user name (RFC 6454 section
// 6.2). Returns false, and leaves *out alone, for anything else; so for "null".
[[nodiscard]] bool ParseOrigin(absl::string_view text, Origin* out);

// Schemes and hosts without regard to case, ports with the schemes' own filled in (RFC 6454 section
// 5), IPv6 addresses in whatever spelling. "example.org." is another host than "example.org".
[[nodiscard]] bool IsSameOrigin(const Origin& a, const Origin& b);

// May be sent by a client: "null", or an origin as RFC 6454 sections 4 and 6.2 have it written: in
// lower case, with a port only if that is not the scheme's own. Servers may compare byte by byte.
[[nodiscard]] bool IsValidOriginField(absl::string_view text);

struct OriginPolicy {
  enum class Kind : uint8_t {
    kAny,         // Everybody's: for what is public and knows no cookies. Not even looked at.
    kSameOrigin,  // That of the host the request is addressed to, and those in `allowed`.
    kAllowList,   // Those in `allowed`.
  };
  Kind kind = Kind::kAny;

  // Whole origins such as "https://example.org" or "http://localhost:8080"; borrowed. Nothing is
  // matched in part: neither "example.org.evil.com" nor "evil-example.org" nor a subdomain is
  // "example.org".
  absl::Span<const absl::string_view> allowed = {};

  // Whether kSameOrigin and kAllowList let pass a request without Origin: not from a web page then,
  // for browsers always send it with a WebSocket (RFC 6455 section 4.1). No by default; yes where
  // programs are to connect too.
  bool allow_missing = false;

  // The same for "null", what a browser sends for sandboxed frames, local files and pages it will
  // not name (RFC 6454 section 7.3). Any page can make its browser send that.
  bool allow_null = false;
};

// Whether all of `allowed` are origins.
[[nodiscard]] bool IsValid(const OriginPolicy& policy);

enum class OriginVerdict : uint8_t {
  kAllowed,
  kSeveral,    // More than one Origin field, whatever the policy: 400.
  kMissing,    // 403, as all that follow.
  kNull,       // "null".
  kMalformed,  // Not one origin; so for a list of several.
  kOther,      // An origin that is not welcome.
};

// One line for people. Static storage.
const char* OriginVerdictText(OriginVerdict verdict);

// The status code of the refusal, 400 or 403; 0 for kAllowed.
int OriginVerdictStatus(OriginVerdict verdict);

// `host` is what the request is addressed to (RequestAddress::authority), `secure` whether clients
// reach this server by https and wss, be it that a proxy in front ends TLS.
[[nodiscard]] OriginVerdict JudgeOrigin(const OriginPolicy& policy, const http::HeaderList& fields,
                                        const http::Authority& host, bool secure);

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_HANDSHAKE_ORIGIN_POLICY_H_
