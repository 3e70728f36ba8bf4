#include "http/core/upgrade.h"

#include <cstddef>
#include <optional>

#include "absl/strings/match.h"
#include "http/core/content.h"
#include "http/core/grammar.h"
#include "http/core/header_list.h"
#include "http/core/scheme.h"

namespace halfpipe::http {
namespace {

constexpr absl::string_view kUpgrade = "Upgrade";
constexpr absl::string_view kConnection = "Connection";
constexpr absl::string_view kContentLength = "Content-Length";
constexpr absl::string_view kTransferEncoding = "Transfer-Encoding";

bool HasMember(const HeaderList& fields, absl::string_view name) {
  return fields.Members(name).begin() != HeaderList::MemberRange::Sentinel();
}

// Whether there is content, or nobody can tell.
bool RequestHasContent(const RequestHead& head) {
  ContentFraming framing;
  return JudgeRequestContent(head, &framing) != ContentError::kNone ||
         framing.kind != ContentKind::kNone;
}

}  // namespace

bool RequestAddress::asks_for_tls() const {
  const std::optional<Scheme> known = FindScheme(scheme);
  return known.has_value() && IsSecure(*known);
}

UpgradeError CheckRequestAddress(const RequestHead& head, RequestAddress* address) {
  const size_t hosts = head.fields.Count("Host");
  if (hosts == 0 && head.version_minor >= 1) return UpgradeError::kMissingHost;
  if (hosts > 1) return UpgradeError::kSeveralHosts;
  RequestAddress found;
  if (hosts == 1) {
    found.host = head.fields.Find("Host").value_or("");
    if (!ParseAuthority(found.host, &found.authority)) return UpgradeError::kBadHost;
  }
  found.resource = head.target;
  if (const std::optional<Scheme> scheme = TakeScheme(&found.resource)) {
    found.scheme = head.target.substr(0, SchemeName(*scheme).size());
    const size_t authority_size = found.resource.find_first_of("/?");
    found.host = found.resource.substr(0, authority_size);
    if (!ParseAuthority(found.host, &found.authority)) return UpgradeError::kBadTarget;
    found.resource.remove_prefix(found.host.size());
    if (found.resource.empty()) found.resource = "/";
  }
  if (!IsValidTarget(found.resource) || found.resource.front() != '/') {
    return UpgradeError::kBadTarget;
  }
  *address = found;
  return UpgradeError::kNone;
}

bool AsksForUpgrade(const RequestHead& head, absl::string_view protocol) {
  return head.version_minor >= 1 && head.fields.HasToken(kUpgrade, protocol);
}

bool ExpectsContinue(const RequestHead& head) {
  return head.version_minor >= 1 && head.fields.HasToken("Expect", "100-continue");
}

UpgradeError JudgeUpgradeRequest(const RequestHead& head, absl::string_view protocol,
                                 RequestAddress* address) {
  if (head.version_minor < 1) return UpgradeError::kVersionTooOld;
  RequestAddress found;
  const UpgradeError error = CheckRequestAddress(head, &found);
  if (error != UpgradeError::kNone) return error;
  if (!HasMember(head.fields, kUpgrade)) return UpgradeError::kNoUpgrade;
  if (!head.fields.HasToken(kUpgrade, protocol)) return UpgradeError::kOtherProtocol;
  if (!head.fields.HasToken(kConnection, "upgrade")) return UpgradeError::kNotInConnection;
  if (RequestHasContent(head)) return UpgradeError::kHasContent;
  *address = found;
  return UpgradeError::kNone;
}

UpgradeError JudgeUpgradeResponse(const ResponseHead& head, absl::string_view protocol) {
  if (head.status != 101) return UpgradeError::kNotSwitching;
  if (head.version_minor < 1) return UpgradeError::kVersionTooOld;
  if (!HasMember(head.fields, kUpgrade)) return UpgradeError::kNoUpgrade;
  size_t members = 0;
  for (absl::string_view member : head.fields.Members(kUpgrade)) {
    if (!absl::EqualsIgnoreCase(member, protocol)) return UpgradeError::kOtherProtocol;
    ++members;
  }
  if (members != 1) return UpgradeError::kOtherProtocol;
  if (!head.fields.HasToken(kConnection, "upgrade")) return UpgradeError::kNotInConnection;
  if (head.fields.Has(kContentLength) || head.fields.Has(kTransferEncoding)) {
    return UpgradeError::kHasContent;
  }
  return UpgradeError::kNone;
}

absl::string_view UpgradeErrorText(UpgradeError error) {
  switch (error) {
    case UpgradeError::kNone:
      return "no error";
    case UpgradeError::kVersionTooOld:
      return "an upgrade needs HTTP/1.1";
    case UpgradeError::kMissingHost:
      return "request has no Host field";
    case UpgradeError::kSeveralHosts:
      return "request has more than one Host field";
    case UpgradeError::kBadHost:
      return "Host field is not a host and an optional port";
    case UpgradeError::kBadTarget:
      return "request-target is not a path or an absolute URL with a path";
    case UpgradeError::kNoUpgrade:
      return "no Upgrade field";
    case UpgradeError::kOtherProtocol:
      return "Upgrade field is for another protocol";
    case UpgradeError::kNotInConnection:
      return "Connection field does not name upgrade";
    case UpgradeError::kHasContent:
      return "upgrade with content";
    case UpgradeError::kNotSwitching:
      return "the server did not switch protocols";
  }
  return "unknown error";
}

int UpgradeErrorStatus(UpgradeError error) {
  switch (error) {
    case UpgradeError::kNone:
      return 0;
    case UpgradeError::kVersionTooOld:
      return 505;
    case UpgradeError::kNoUpgrade:
    case UpgradeError::kOtherProtocol:
      return 426;
    default:
      return 400;
  }
}

}  // namespace halfpipe::http
