// The client's side of the opening handshake.

#include <algorithm>
#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "bytestream/base/errno_status.h"
#include "http/content_io.h"
#include "http/core/content.h"
#include "http/core/head_error.h"
#include "http/core/redirect.h"
#include "http/head_io.h"
#include "websocket/core/role.h"
#include "websocket/handshake/accept_key.h"
#include "websocket/handshake/client_handshake.h"
#include "websocket/handshake/deflate_terms.h"
#include "websocket/upgrade.h"
#include "websocket/upgrade_internal.h"

namespace halfpipe::websocket {
namespace {

using upgrade_internal::Scratch;
using upgrade_internal::WithoutCleanEnd;

absl::Status SendRequest(Runtime* runtime, Bytestream* stream, const ClientUpgradeOptions& options,
                         absl::string_view key, const DeflateOffers& deflate_offers,
                         Deadline deadline) {
  Scratch scratch(&runtime->buffer_pool());
  if (!scratch.ok()) return ErrnoStatus(ENOMEM, "no memory for a head");
  const ClientRequest request = {.target = options.target,
                                 .host = options.host,
                                 .key = key,
                                 .subprotocols = options.subprotocols,
                                 .deflate_offers = deflate_offers,
                                 .origin = options.origin,
                                 .cookies = options.cookies,
                                 .basic = options.basic,
                                 .bearer = options.bearer,
                                 .extra_fields = options.extra_fields};
  absl::string_view head;
  const ClientRequestError error = WriteClientRequest(request, scratch.chars(), &head);
  if (error != ClientRequestError::kNone) {
    return ErrnoStatus(EINVAL, ClientRequestErrorText(error));
  }
  return http::WriteText(stream, head, deadline);
}

void Note(const http::ResponseHead& head, ClientUpgradeResult* result) {
  result->status = head.status;
  result->fields = http::OwnedFields(head.fields);
  if (!http::IsRedirectStatus(head.status)) return;
  if (const std::string* const location = http::FindOnly(result->fields, "Location")) {
    result->location = *location;
  }
}

// Takes the rest of a refusal, whose head is still in front, and says what it was. Content that does
// not come, or is malformed, changes nothing about the refusal.
absl::Status Refused(Bytestream* stream, const http::ResponseHead& head, size_t head_size,
                     absl::string_view what, const ClientUpgradeOptions& options,
                     ClientUpgradeResult* result, Deadline deadline) {
  absl::Status refused =
      ErrnoStatus(EACCES, absl::StrCat("the server answered ", head.status, ": ", what));
  if (result == nullptr) return refused;
  http::ContentFraming framing;
  const http::ContentError error = http::JudgeResponseContent(head, &framing);
  stream->Consume(head_size);
  if (error != http::ContentError::kNone) return refused;
  const absl::Status read = http::ReadContent(
      stream, framing, options.refusal_body_bytes_max, &result->body, &result->body_complete,
      std::min(deadline, Deadline::In(options.refusal_time_max)));
  return StatusErrno(read) == ECANCELED ? read : refused;
}

}  // namespace

absl::Status ClientUpgrade(Runtime* runtime, Bytestream* stream,
                           const ClientUpgradeOptions& options, ClientUpgradeResult* result,
                           Deadline deadline) {
  if (!IsValid(options.deflate) || (options.deflate.enabled && result == nullptr)) {
    return ErrnoStatus(EINVAL, "compression is out of range, or has no place for its result");
  }
  if (absl::Status status = http::CheckHeadLimits(options.limits); !status.ok()) return status;
  if (result != nullptr) *result = ClientUpgradeResult();
  const DeflateOffers deflate_offers = OffersOf(options.deflate);
  const HandshakeKey key = MakeKey(*options.entropy);
  absl::Status sent = SendRequest(runtime, stream, options, AsView(key), deflate_offers, deadline);
  if (!sent.ok()) return sent;
  for (size_t interim = 0; interim <= options.interim_responses_max; ++interim) {
    http::ResponseHead head;
    http::HeadResult read;
    absl::Status status = http::ReadResponseHead(stream, options.limits, &head, &read, deadline);
    if (!status.ok()) return WithoutCleanEnd(std::move(status));
    if (read.error != http::HeadError::kNone) {
      return ErrnoStatus(EPROTO, http::HeadErrorText(read.error));
    }
    const ClientJudgement judgement =
        JudgeServerResponse(head, AsView(key), options.subprotocols, deflate_offers);
    if (result != nullptr && judgement.verdict != ClientVerdict::kInterim) Note(head, result);
    switch (judgement.verdict) {
      case ClientVerdict::kInterim:
        stream->Consume(read.size);
        break;
      case ClientVerdict::kAccepted:
        if (result != nullptr) {
          result->subprotocol = std::string(judgement.subprotocol);
          result->deflate = judgement.deflate;
        }
        stream->Consume(read.size);
        return absl::OkStatus();
      case ClientVerdict::kRefused:
        return Refused(stream, head, read.size, judgement.what, options, result, deadline);
      case ClientVerdict::kInvalid:
        return ErrnoStatus(EPROTO, judgement.what);
    }
  }
  return ErrnoStatus(EPROTO, "too many interim responses");
}

Options StreamOptions(const ClientUpgradeOptions& asked, const ClientUpgradeResult& result,
                      const Options& base) {
  Options options = base;
  options.role = Role::kClient;
  options.deflate = asked.deflate;
  options.deflate_params = result.deflate;
  options.entropy = asked.entropy;
  return options;
}

}  // namespace halfpipe::websocket
