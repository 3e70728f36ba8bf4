#include "websocket/handshake/client_handshake.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "http/core/authority.h"
#include "http/core/grammar.h"
#include "http/core/head_serializer.h"
#include "http/core/upgrade.h"
#include "websocket/handshake/accept_key.h"
#include "websocket/handshake/extension_fields.h"
#include "websocket/handshake/handshake_fields.h"
#include "websocket/handshake/origin_policy.h"
#include "websocket/handshake/subprotocol.h"

namespace halfpipe::websocket {
namespace {

// True for fields that decide whether, and as what, the handshake is understood.
bool IsOwnField(absl::string_view name) {
  return IsHandshakeField(name) || absl::EqualsIgnoreCase(name, "Host");
}

bool IsWindow(uint8_t bits) { return bits >= kMinWindowBits && bits <= kMaxWindowBits; }

bool IsValidDeflateOffer(const DeflateOffer& offer) {
  return (offer.server_max_window_bits == 0 || IsWindow(offer.server_max_window_bits)) &&
         (offer.client_max_window_bits == 0 || IsWindow(offer.client_max_window_bits));
}

// Fields that a request may have once, and that an option may say already.
ClientRequestError CheckExtraFields(const ClientRequest& request) {
  struct Single {
    absl::string_view name;
    bool taken;
  };
  Single singles[] = {{"Origin", !request.origin.empty()},
                      {"Cookie", !request.cookies.empty()},
                      {"Authorization", request.basic.has_value() || !request.bearer.empty()}};
  for (const http::Field& field : request.extra_fields) {
    if (!http::IsValidFieldName(field.name) || !http::IsValidFieldValue(field.value) ||
        IsOwnField(field.name)) {
      return ClientRequestError::kBadField;
    }
    for (Single& single : singles) {
      if (!absl::EqualsIgnoreCase(field.name, single.name)) continue;
      if (single.taken) return ClientRequestError::kBadField;
      single.taken = true;
    }
  }
  return ClientRequestError::kNone;
}

ClientRequestError CheckRequest(const ClientRequest& request) {
  if (!absl::StartsWith(request.target, "/") || !http::IsValidTarget(request.target)) {
    return ClientRequestError::kBadTarget;
  }
  http::Authority authority;
  if (!http::ParseAuthority(request.host, &authority)) return ClientRequestError::kBadHost;
  if (!IsValidKey(request.key)) return ClientRequestError::kBadKey;
  if (!IsValidOffer(request.subprotocols)) return ClientRequestError::kBadSubprotocol;
  if (!std::all_of(request.deflate_offers.begin(), request.deflate_offers.end(),
                   IsValidDeflateOffer)) {
    return ClientRequestError::kBadDeflateOffer;
  }
  if (!request.origin.empty() && !IsValidOriginField(request.origin)) {
    return ClientRequestError::kBadOrigin;
  }
  return CheckExtraFields(request);
}

// The value of the Authorization field, empty for none; nullopt for credentials that may not be sent.
std::optional<std::string> Authorization(const ClientRequest& request) {
  if (request.basic.has_value()) {
    if (!request.bearer.empty()) return std::nullopt;
    return http::BasicAuthorization(*request.basic);
  }
  if (request.bearer.empty()) return std::string();
  return http::BearerAuthorization(request.bearer);
}

ClientJudgement Invalid(absl::string_view what) { return {ClientVerdict::kInvalid, what, {}}; }

}  // namespace

ClientRequestError WriteClientRequest(const ClientRequest& request, absl::Span<char> out,
                                      absl::string_view* head) {
  const ClientRequestError error = CheckRequest(request);
  if (error != ClientRequestError::kNone) return error;
  const std::optional<std::string> cookies = http::CookieFieldValue(request.cookies);
  if (!cookies.has_value()) return ClientRequestError::kBadCookie;
  const std::optional<std::string> authorization = Authorization(request);
  if (!authorization.has_value()) return ClientRequestError::kBadCredentials;

  http::HeadSerializer writer(out);
  writer.WriteRequestLine("GET", request.target);
  writer.WriteField("Host", request.host);
  writer.WriteField("Upgrade", "websocket");
  writer.WriteField("Connection", "Upgrade");
  writer.WriteField("Sec-WebSocket-Key", request.key);
  writer.WriteField("Sec-WebSocket-Version", "13");
  // One field each: the same list to the receiver, and no memory is needed to join the names.
  for (absl::string_view name : request.subprotocols) {
    writer.WriteField("Sec-WebSocket-Protocol", name);
  }
  if (!request.deflate_offers.empty()) {
    writer.WriteField(kExtensionsField,
                      absl::StrJoin(request.deflate_offers, ", ",
                                    [](std::string* list, const DeflateOffer& offer) {
                                      list->append(WriteDeflateOffer(offer));
                                    }));
  }
  if (!request.origin.empty()) writer.WriteField("Origin", request.origin);
  if (!authorization->empty()) writer.WriteField("Authorization", *authorization);
  if (!cookies->empty()) writer.WriteField("Cookie", *cookies);
  for (const http::Field& field : request.extra_fields) writer.WriteField(field.name, field.value);
  // Everything was checked above, so only space can be lacking.
  if (writer.WriteEnd() != http::WriteStatus::kOk) return ClientRequestError::kNoSpace;
  *head = writer.written();
  return ClientRequestError::kNone;
}

const char* ClientRequestErrorText(ClientRequestError error) {
  switch (error) {
    case ClientRequestError::kNone:
      return "no error";
    case ClientRequestError::kBadTarget:
      return "resource does not begin with / or has a byte that may not be in it";
    case ClientRequestError::kBadHost:
      return "host is not host[:port]";
    case ClientRequestError::kBadKey:
      return "key is not 16 bytes in base64";
    case ClientRequestError::kBadSubprotocol:
      return "subprotocol is not a token, or is offered twice";
    case ClientRequestError::kBadDeflateOffer:
      return "a window of compression has 8..15 bits";
    case ClientRequestError::kBadOrigin:
      return "origin is neither null nor scheme://host[:port], in lower case and without its own "
             "port";
    case ClientRequestError::kBadCookie:
      return "cookie has a name that is no token, or a byte that may not be in its value";
    case ClientRequestError::kBadCredentials:
      return "credentials are both Basic and Bearer, or have a byte that may not be sent";
    case ClientRequestError::kBadField:
      return "field is malformed, belongs to the handshake, or is there twice";
    case ClientRequestError::kNoSpace:
      return "request head is too long";
  }
  return "unknown error";
}

ClientJudgement JudgeServerResponse(const http::ResponseHead& head, absl::string_view key,
                                    absl::Span<const absl::string_view> offered,
                                    absl::Span<const DeflateOffer> deflate_offers) {
  if (head.status >= 100 && head.status < 200 && head.status != 101) {
    return {ClientVerdict::kInterim, "interim response", {}};
  }
  const http::UpgradeError error = http::JudgeUpgradeResponse(head, "websocket");
  if (error == http::UpgradeError::kNotSwitching) {
    return {ClientVerdict::kRefused, http::UpgradeErrorText(error), {}};
  }
  if (error != http::UpgradeError::kNone) return Invalid(http::UpgradeErrorText(error));

  const std::optional<absl::string_view> accept = head.fields.FindOnly("Sec-WebSocket-Accept");
  if (!accept.has_value()) return Invalid("response has no single Sec-WebSocket-Accept");
  if (!AcceptMatches(*accept, key)) return Invalid("Sec-WebSocket-Accept does not fit the key");
  const DeflateJudgement deflate =
      JudgeDeflateAnswer(ExtensionFields(head.fields).values(), deflate_offers);
  if (deflate.verdict == DeflateVerdict::kInvalid) return Invalid(deflate.what);
  ClientJudgement accepted = {ClientVerdict::kAccepted, "", {}};
  if (deflate.verdict == DeflateVerdict::kAgreed) accepted.deflate = deflate.params;
  if (!head.fields.Has("Sec-WebSocket-Protocol")) return accepted;
  const std::optional<absl::string_view> chosen = head.fields.FindOnly("Sec-WebSocket-Protocol");
  if (!chosen.has_value()) return Invalid("response has several Sec-WebSocket-Protocol");
  const auto found = std::find(offered.begin(), offered.end(), *chosen);
  if (found == offered.end()) return Invalid("response has a subprotocol that was not offered");
  accepted.subprotocol = *found;
  return accepted;
}

}  // namespace halfpipe::websocket
