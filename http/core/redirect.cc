#include "http/core/redirect.h"

#include <cstddef>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "http/core/authority.h"
#include "http/core/grammar.h"
#include "http/core/scheme.h"

namespace halfpipe::http {
namespace {

// Whether `text` begins with a scheme and its colon (RFC 3986 section 4.1).
bool HasScheme(absl::string_view text) {
  const size_t colon = text.find(':');
  return colon != absl::string_view::npos && IsValidScheme(text.substr(0, colon));
}

// RFC 3986 section 5.2.2 for a reference without a scheme and without a fragment.
std::string Resolve(const Url& base, absl::string_view reference) {
  const std::string scheme = absl::StrCat(SchemeName(base.scheme), ":");
  if (absl::StartsWith(reference, "//")) return absl::StrCat(scheme, reference);
  const size_t question = reference.find('?');
  const absl::string_view path = reference.substr(0, question);
  absl::string_view query =
      question == absl::string_view::npos ? absl::string_view() : reference.substr(question);
  const std::string front = absl::StrCat(scheme, "//", HostField(base));
  if (path.empty()) {
    if (question != absl::string_view::npos) return absl::StrCat(front, base.path, query);
    return absl::StrCat(front, base.path, base.has_query ? "?" : "", base.query);
  }
  if (path.front() == '/') return absl::StrCat(front, path, query);
  // Section 5.2.3: behind the last slash of the base, which has an authority.
  const size_t slash = base.path.rfind('/');
  const absl::string_view directory =
      slash == absl::string_view::npos ? absl::string_view("/") : base.path.substr(0, slash + 1);
  return absl::StrCat(front, directory, path, query);
}

Scheme WebSocketScheme(Scheme scheme) {
  switch (scheme) {
    case Scheme::kHttp:
      return Scheme::kWs;
    case Scheme::kHttps:
      return Scheme::kWss;
    default:
      return scheme;
  }
}

}  // namespace

std::string RemoveDotSegments(absl::string_view path) {
  std::string out;
  while (!path.empty()) {
    if (absl::StartsWith(path, "../")) {
      path.remove_prefix(3);
    } else if (absl::StartsWith(path, "./") || absl::StartsWith(path, "/./")) {
      path.remove_prefix(2);
    } else if (path == "/.") {
      path = "/";
    } else if (absl::StartsWith(path, "/../") || path == "/..") {
      // What is searched is taken away, so that no byte is searched twice.
      const size_t slash = out.rfind('/');
      out.resize(slash == std::string::npos ? 0 : slash);
      if (path.size() == 3) {
        path = "/";
      } else {
        path.remove_prefix(3);
      }
    } else if (path == "." || path == "..") {
      path = absl::string_view();
    } else {
      const size_t next = path.find('/', 1);
      const absl::string_view segment = path.substr(0, next);
      out.append(segment.data(), segment.size());
      path.remove_prefix(segment.size());
    }
  }
  return out;
}

absl::string_view RedirectErrorText(RedirectError error) {
  switch (error) {
    case RedirectError::kNone:
      return "no error";
    case RedirectError::kNotARedirect:
      return "the response is no redirect";
    case RedirectError::kNoLocation:
      return "the redirect has no single Location";
    case RedirectError::kBadLocation:
      return "the Location of the redirect is not a URL that can be asked";
    case RedirectError::kBadScheme:
      return "the redirect leads to a scheme other than ws, wss, http and https";
    case RedirectError::kDowngrade:
      return "the redirect leads from a secured connection to one that is not";
    case RedirectError::kTooMany:
      return "too many redirects";
  }
  return "unknown error";
}

RedirectError ResolveRedirect(const Url& base, absl::string_view location, Redirect* redirect) {
  if (location.empty()) return RedirectError::kNoLocation;
  const absl::string_view reference = location.substr(0, location.find('#'));
  const std::string text = HasScheme(reference) ? std::string(reference) : Resolve(base, reference);
  Url url;
  const UrlError error = ParseUrl(text, &url);
  if (error == UrlError::kBadScheme) return RedirectError::kBadScheme;
  if (error != UrlError::kNone) return RedirectError::kBadLocation;
  url.scheme = WebSocketScheme(url.scheme);
  if (base.secure() && !url.secure()) return RedirectError::kDowngrade;
  const std::string path = RemoveDotSegments(url.path);
  url.path = path;
  redirect->url = UrlText(url);
  redirect->same_origin = url.secure() == base.secure() && url.port() == base.port() &&
                          IsSameHost(url.authority, base.authority);
  return RedirectError::kNone;
}

RedirectError RedirectChain::Follow(int status, absl::string_view location) {
  if (!IsRedirectStatus(status)) return RedirectError::kNotARedirect;
  Url base;
  if (ParseUrl(url_, &base) != UrlError::kNone) return RedirectError::kBadLocation;
  Redirect redirect;
  const RedirectError error = ResolveRedirect(base, location, &redirect);
  if (error != RedirectError::kNone) return error;
  if (hops_left_ <= 0) return RedirectError::kTooMany;
  --hops_left_;
  credentials_allowed_ = credentials_allowed_ && redirect.same_origin;
  url_ = std::move(redirect.url);
  return RedirectError::kNone;
}

}  // namespace halfpipe::http
