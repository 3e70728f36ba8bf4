// A base URL and a Location, one on each line, from anywhere.  Holds for each input: where a redirect
// leads is a URL of ws or wss without dot segments, which resolved against itself and again is the
// same; TLS is not left; and "same origin" means the same host, port and security.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "http/core/authority.h"
#include "http/core/grammar.h"
#include "http/core/redirect.h"
#include "http/core/scheme.h"
#include "http/core/url.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

bool HasDotSegment(absl::string_view path) {
  const std::string closed = absl::StrCat(path, "/");
  return absl::StrContains(closed, "/./") || absl::StrContains(closed, "/../");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace halfpipe::http;  // NOLINT: the entry point cannot be in the namespace.
  const absl::string_view text = AsText(absl::MakeConstSpan(data, size));
  const std::string clean = RemoveDotSegments(text);
  Require(clean.size() <= text.size());
  if (absl::StartsWith(text, "/")) {
    Require(!HasDotSegment(clean) && RemoveDotSegments(clean) == clean);
  }

  const size_t line = text.find('\n');
  if (line == absl::string_view::npos) return 0;
  const absl::string_view location = text.substr(line + 1);
  Url base;
  if (ParseUrl(text.substr(0, line), &base) != UrlError::kNone) return 0;
  Redirect redirect;
  if (ResolveRedirect(base, location, &redirect) != RedirectError::kNone) {
    Require(redirect.url.empty());
    return 0;
  }
  Url url;
  Require(ParseUrl(redirect.url, &url) == UrlError::kNone);
  Require(url.scheme == Scheme::kWs || url.scheme == Scheme::kWss);
  Require(url.secure() || !base.secure());
  Require(!HasDotSegment(url.path));
  Require(redirect.same_origin == (url.secure() == base.secure() && url.port() == base.port() &&
                                   IsSameHost(url.authority, base.authority)));
  Redirect again;
  Require(ResolveRedirect(base, redirect.url, &again) == RedirectError::kNone);
  Require(again.url == redirect.url && again.same_origin == redirect.same_origin);
  Redirect itself;
  Require(ResolveRedirect(url, RequestTarget(url), &itself) == RedirectError::kNone ||
          absl::StartsWith(url.path, "//"));
  return 0;
}
