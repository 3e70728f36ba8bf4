#ifndef HALFPIPE_HTTP_CORE_URL_H_
#define HALFPIPE_HTTP_CORE_URL_H_

// URLs with the schemes ws, wss, http and https (RFC 3986 as narrowed by RFC 6455 section 3 and RFC
// 9110 section 4.2). Pure. Parsing allocates nothing; the functions that put text together return
// std::string.

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "http/core/authority.h"
#include "http/core/scheme.h"

namespace halfpipe::http {

enum class UrlError : uint8_t {
  kNone,
  kBadScheme,
  kUserinfo,
  kBadHost,
  kBadPort,
  kBadPath,
  kBadQuery,
  kFragment,
};

// The parts of a URL: views of the text that was parsed.
struct Url {
  Scheme scheme = Scheme::kWs;
  Authority authority;
  absl::string_view path;   // Empty, or begins with "/".
  bool has_query = false;   // "/?" has one, which is empty.
  absl::string_view query;  // Without the "?".

  // The port to connect to, 1..65535: the one given, else 80 for ws and http, 443 for the others.
  uint16_t port() const { return authority.has_port ? authority.port : DefaultPort(secure()); }

  // Whether the connection is to use TLS.
  bool secure() const { return IsSecure(scheme); }
};

// Parses `text` whole: nothing round it, no white space or control characters in it,
// percent-encoded octets complete. The scheme is matched without regard to case. Refused besides
// what the grammar refuses:
//   - userinfo: the schemes have none (RFC 9110 section 4.2.4), and a password in a URL gets about;
//   - a fragment with ws and wss (RFC 6455 section 3). With http and https it is checked, and is no
//     part of what is sent, so *url has no trace of it;
//   - port 0.
// Returns kNone and sets *url, or says what is wrong and leaves *url alone.
[[nodiscard]] UrlError ParseUrl(absl::string_view text, Url* url);

// One line for people. Static storage.
absl::string_view UrlErrorText(UrlError error);

// What goes into the request line: path, "/" if that is empty, and query (RFC 9112 section 3.2.1).
// An empty query is none with ws and wss (RFC 6455 section 3), and a lone "?" with http and https.
std::string RequestTarget(const Url& url);

// What goes into the Host field: the host, in brackets if it is an IPv6 address, and the port if it
// is not the scheme's own (RFC 9110 section 7.2).
std::string HostField(const Url& url);

// The URL again, with RequestTarget() and without the scheme's own port.
std::string UrlText(const Url& url);

}  // namespace halfpipe::http

#endif  // HALFPIPE_HTTP_CORE_URL_H_
