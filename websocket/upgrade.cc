#include "websocket/upgrade.h"

#include <cerrno>
#include <string>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "bytestream/base/buffer_pool.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "http/core/head_error.h"
#include "http/core/head_serializer.h"
#include "http/core/upgrade.h"
#include "http/head_io.h"
#include "websocket/handshake/accept_key.h"
#include "websocket/handshake/client_handshake.h"
#include "websocket/handshake/server_handshake.h"

namespace halfpipe::websocket {
namespace {

// Interim responses before the final one, and that one.
constexpr int kMaxResponses = 16;

// A block of the runtime's pool for the length of a function, to put a head together in.
class Scratch {
 public:
  explicit Scratch(BufferPool* pool) : pool_(pool), block_(pool->Get()) {}
  ~Scratch() {
    if (block_ != nullptr) pool_->Put(block_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  bool ok() const { return block_ != nullptr; }
  absl::Span<char> chars() {
    return absl::MakeSpan(reinterpret_cast<char*>(block_), BufferPool::kBlockSize);
  }

 private:
  BufferPool* const pool_;
  uint8_t* const block_;
};

absl::Status NoMemory() { return ErrnoStatus(ENOMEM, "no memory for a head"); }

// What a client asks for, the most wanted first.
absl::InlinedVector<DeflateOffer, 2> OffersOf(const DeflateOptions& options) {
  absl::InlinedVector<DeflateOffer, 2> offers;
  if (!options.enabled) return offers;
  DeflateOffer offer;
  offer.client_no_context_takeover = options.client_no_context_takeover;
  offer.client_max_window_bits = options.client_max_window_bits;
  const DeflateOffer without_limits = offer;
  offer.server_no_context_takeover = options.server_no_context_takeover;
  if (options.server_max_window_bits < kMaxWindowBits) {
    offer.server_max_window_bits = options.server_max_window_bits;
  }
  offers.push_back(offer);
  if (options.fallback && !(offer == without_limits)) offers.push_back(without_limits);
  return offers;
}

DeflatePolicy PolicyOf(const DeflateOptions& options) {
  return {.server_no_context_takeover = options.server_no_context_takeover,
          .client_no_context_takeover = options.client_no_context_takeover,
          .server_max_window_bits = options.server_max_window_bits,
          .client_max_window_bits = options.client_max_window_bits};
}

// The end of the stream is no clean end while a handshake goes on.
absl::Status WithoutCleanEnd(absl::Status status) {
  if (StatusErrno(status) != EPIPE) return status;
  return ErrnoStatus(ECONNRESET, "the stream ended during the opening handshake");
}

// Answers with `status` and says why the handshake failed. The answer is a courtesy: whether it can
// be sent does not change the outcome, but for the end of the time there is. The caller closes next.
absl::Status Refuse(Bytestream* stream, int status, int error, absl::string_view why,
                    absl::Span<char> buffer, Deadline deadline) {
  absl::Status sent = http::WriteText(stream, WriteRefusal(status, buffer), deadline);
  const int send_error = StatusErrno(sent);
  if (send_error == ETIMEDOUT || send_error == ECANCELED) return sent;
  absl::Status refused =
      ErrnoStatus(error, absl::StrCat("upgrade refused with ", status, ": ", why));
  http::EndAfterAnswer(stream);  // ends the life of what views of the head point to
  return refused;
}

absl::Status SendPlain(Bytestream* stream, const http::RequestHead& head,
                       const PlainResponse& response, absl::Span<char> buffer, Deadline deadline) {
  http::HeadSerializer answer(buffer);
  answer.WriteStatusLine(response.status, response.status == 200 ? "OK" : "");
  answer.WriteField("Content-Type", response.content_type);
  answer.WriteField("Content-Length", absl::StrCat(response.body.size()));
  answer.WriteField("Connection", "close");
  if (answer.WriteEnd() != http::WriteStatus::kOk) {
    return ErrnoStatus(EINVAL, "the answer to a plain request cannot be sent");
  }
  const bool with_body = head.method != "HEAD";
  const IoSlice slices[] = {IoSlice(answer.written()),
                            IoSlice(with_body ? absl::string_view(response.body) : "")};
  absl::Status status = stream->Write(slices, /*more=*/false, deadline);
  if (!status.ok()) return status;
  http::EndAfterAnswer(stream);
  return ErrnoStatus(ENOTSUP, "a plain request was answered");
}

absl::Status Serve(Runtime* runtime, Bytestream* stream, const ServerUpgradeOptions& options,
                   UpgradeHook hook, const PlainHook* plain, Deadline deadline) {
  if (!IsValid(options.deflate)) return ErrnoStatus(EINVAL, "compression is out of range");
  http::RequestHead head;
  http::HeadResult result;
  absl::Status status = http::ReadRequestHead(stream, options.limits, &head, &result, deadline);
  if (!status.ok()) return WithoutCleanEnd(std::move(status));
  Scratch scratch(&runtime->buffer_pool());
  if (!scratch.ok()) return NoMemory();
  if (result.error != http::HeadError::kNone) {
    return Refuse(stream, http::HeadErrorStatus(result.error), EPROTO,
                  http::HeadErrorText(result.error), scratch.chars(), deadline);
  }
  if (plain != nullptr && (head.method == "GET" || head.method == "HEAD") &&
      !http::AsksForUpgrade(head)) {
    http::RequestAddress address;
    const http::UpgradeError error = http::CheckRequestAddress(head, &address);
    if (error == http::UpgradeError::kNone) {
      const PlainResponse response = (*plain)(head);
      return SendPlain(stream, head, response, scratch.chars(), deadline);
    }
  }
  const DeflatePolicy policy = PolicyOf(options.deflate);
  const ServerJudgement judgement =
      JudgeClientRequest(head, options.subprotocols, options.deflate.enabled ? &policy : nullptr);
  if (!judgement.accepted()) {
    return Refuse(stream, judgement.status, EPROTO, judgement.what, scratch.chars(), deadline);
  }
  std::optional<DeflateParams> deflate;
  std::string extension;
  if (judgement.deflate.verdict == DeflateVerdict::kAgreed) {
    deflate = judgement.deflate.params;
    extension = WriteDeflateAnswer(judgement.deflate);
  }
  const int refusal = hook(UpgradeRequest{head, judgement.address.resource, judgement.address.host,
                                          judgement.subprotocol, deflate});
  if (refusal != 0) {
    return Refuse(stream, refusal, EACCES, "by the server's own choice", scratch.chars(), deadline);
  }
  const absl::string_view answer =
      WriteAcceptance(judgement.key, judgement.subprotocol, {}, scratch.chars(), extension);
  stream->Consume(result.size);
  return http::WriteText(stream, answer, deadline);
}

}  // namespace

absl::Status ClientUpgrade(Runtime* runtime, Bytestream* stream,
                           const ClientUpgradeOptions& options, ClientUpgradeResult* result,
                           Deadline deadline) {
  if (!IsValid(options.deflate) || (options.deflate.enabled && result == nullptr)) {
    return ErrnoStatus(EINVAL, "compression is out of range, or has no place for its result");
  }
  const absl::InlinedVector<DeflateOffer, 2> deflate_offers = OffersOf(options.deflate);
  const HandshakeKey key = MakeKey(*options.entropy);
  {
    Scratch scratch(&runtime->buffer_pool());
    if (!scratch.ok()) return NoMemory();
    const ClientRequest request = {.target = options.target,
                                   .host = options.host,
                                   .key = AsView(key),
                                   .subprotocols = options.subprotocols,
                                   .deflate_offers = deflate_offers,
                                   .extra_fields = options.extra_fields};
    absl::string_view head;
    const ClientRequestError error = WriteClientRequest(request, scratch.chars(), &head);
    if (error != ClientRequestError::kNone) {
      return ErrnoStatus(EINVAL, ClientRequestErrorText(error));
    }
    absl::Status sent = http::WriteText(stream, head, deadline);
    if (!sent.ok()) return sent;
  }
  for (int responses = 0; responses < kMaxResponses; ++responses) {
    http::ResponseHead head;
    http::HeadResult read;
    absl::Status status = http::ReadResponseHead(stream, options.limits, &head, &read, deadline);
    if (!status.ok()) return WithoutCleanEnd(std::move(status));
    if (read.error != http::HeadError::kNone) {
      return ErrnoStatus(EPROTO, http::HeadErrorText(read.error));
    }
    const ClientJudgement judgement =
        JudgeServerResponse(head, AsView(key), options.subprotocols, deflate_offers);
    if (result != nullptr) result->status = head.status;
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
        return ErrnoStatus(EACCES,
                           absl::StrCat("the server answered ", head.status, ": ", judgement.what));
      case ClientVerdict::kInvalid:
        return ErrnoStatus(EPROTO, judgement.what);
    }
  }
  return ErrnoStatus(EPROTO, "too many interim responses");
}

absl::Status ServerUpgrade(Runtime* runtime, Bytestream* stream,
                           const ServerUpgradeOptions& options, UpgradeHook hook,
                           Deadline deadline) {
  return Serve(runtime, stream, options, hook, nullptr, deadline);
}

absl::Status ServerUpgradeOrPlain(Runtime* runtime, Bytestream* stream,
                                  const ServerUpgradeOptions& options, UpgradeHook hook,
                                  PlainHook plain, Deadline deadline) {
  return Serve(runtime, stream, options, hook, &plain, deadline);
}

}  // namespace halfpipe::websocket
