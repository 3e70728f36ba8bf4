// URLs from anywhere.  Holds for each input: what is accepted consists of URL characters, gives a
// valid request-target and Host field, and, printed and parsed again, gives the same.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "http/core/authority.h"
#include "http/core/grammar.h"
#include "http/core/url.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace halfpipe::http;  // NOLINT: the entry point cannot be in the namespace.
  const absl::string_view text = AsText(absl::MakeConstSpan(data, size));
  Url url;
  if (ParseUrl(text, &url) != UrlError::kNone) return 0;

  Require(IsAllOfClass(text.substr(0, text.find('#')), kTargetChar));
  Require(url.port() != 0);
  const std::string target = RequestTarget(url);
  Require(IsValidTarget(target) && target[0] == '/');
  const std::string host = HostField(url);
  Require(IsValidFieldValue(host));
  Authority authority;
  Require(ParseAuthority(host, &authority));
  Require(authority.host == url.authority.host);
  Require(authority.host_kind == url.authority.host_kind);
  if (authority.has_port) Require(authority.port == url.port());

  const std::string printed = UrlText(url);
  Url again;
  Require(ParseUrl(printed, &again) == UrlError::kNone);
  Require(again.scheme == url.scheme && again.port() == url.port());
  Require(again.authority.host == url.authority.host);
  Require(RequestTarget(again) == target && HostField(again) == host);
  Require(UrlText(again) == printed);
  return 0;
}
