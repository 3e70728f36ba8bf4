#ifndef HALFPIPE_HTTP_CORE_REDIRECT_H_
#define HALFPIPE_HTTP_CORE_REDIRECT_H_

// Where a redirect leads a client that asks for a WebSocket (RFC 9110 sections 10.2.2 and 15.4, RFC
// 3986 section 5). Pure. Whether redirects are followed at all is the caller's choice: RFC 6455
// section 4.1 leaves it to the client, and browsers do not.

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "http/core/url.h"

namespace halfpipe::http {

// 301, 302, 303, 307 and 308: look for the same thing there. Not 300, which gives a choice, 304 and
// 305.
constexpr bool IsRedirectStatus(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

enum class RedirectError : uint8_t {
  kNone,
  kNotARedirect,  // Of another status.
  kNoLocation,    // Empty: none, or several.
  kBadLocation,   // No URI reference, or one to what ParseUrl() refuses: a user name above all.
  kBadScheme,     // Not ws, wss, http or https.
  kDowngrade,     // From TLS to none: whoever can read the connection could have it all.
  kTooMany,
};

// One line for people. Static storage.
absl::string_view RedirectErrorText(RedirectError error);

// RFC 3986 section 5.2.4. Linear in the size of `path`.
std::string RemoveDotSegments(absl::string_view path);

struct Redirect {
  // The URL to ask next, as UrlText() prints it, ws or wss: http stands for ws and https for wss,
  // for servers redirect what to them is one resource. A fragment is dropped: a WebSocket has none
  // (RFC 6455 section 3).
  std::string url = {};
  // Whether it is of the same origin: same host, same port, TLS or not. What was meant for the first
  // one, credentials, cookies and the like, may go along only then.
  bool same_origin = false;
};

// Resolves `location`, the value of a Location field, against the URL that was asked (RFC 3986
// section 5.2.2, strict). Sets *redirect if it returns kNone; else one of kNoLocation to kDowngrade.
[[nodiscard]] RedirectError ResolveRedirect(const Url& base, absl::string_view location,
                                            Redirect* redirect);

// Redirects one after the other. Bounded, which ends loops too.
//
//   RedirectChain chain("ws://example.org/chat");
//   for (;;) {
//     <ask chain.url(), with credentials only if chain.credentials_allowed()>
//     if (<accepted>) break;
//     if (chain.Follow(result.status, result.location) != RedirectError::kNone) <give up>;
//   }
class RedirectChain {
 public:
  // What curl and browsers allow is 20 to 50, for pages; an endpoint that moved moved once or twice.
  static constexpr int kDefaultHopsMax = 5;

  // `url` is one that ParseUrl() accepts.
  explicit RedirectChain(absl::string_view url, int hops_max = kDefaultHopsMax)
      : url_(url), hops_left_(hops_max) {}

  // Goes on to where a response leads. An error leaves everything as it was.
  [[nodiscard]] RedirectError Follow(int status, absl::string_view location);

  // What to ask now.
  const std::string& url() const { return url_; }

  // False once a hop has left the origin, for good: a way back may be somebody else's doing.
  bool credentials_allowed() const { return credentials_allowed_; }

 private:
  std::string url_;
  int hops_left_;
  bool credentials_allowed_ = true;
};

}  // namespace halfpipe::http

#endif  // HALFPIPE_HTTP_CORE_REDIRECT_H_
