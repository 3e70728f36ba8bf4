// The server's side of the opening handshake, and plain requests on the same connection.

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/net/stream_info.h"
#include "http/core/content.h"
#include "http/core/head_error.h"
#include "http/core/http_date.h"
#include "http/core/upgrade.h"
#include "http/head_io.h"
#include "websocket/core/role.h"
#include "websocket/handshake/deflate_terms.h"
#include "websocket/handshake/server_handshake.h"
#include "websocket/handshake/subprotocol.h"
#include "websocket/upgrade.h"
#include "websocket/upgrade_internal.h"

namespace halfpipe::websocket {
namespace {

using upgrade_internal::Scratch;
using upgrade_internal::WithoutCleanEnd;

// Enough for each of WriteRefusal()'s.
constexpr size_t kRefusalBytesMax = 256;

constexpr absl::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

// One connection up to its upgrade or its end.
class ServerSide {
 public:
  ServerSide(Runtime* runtime, Bytestream* stream, const ServerUpgradeOptions& options,
             UpgradeHook hook, const PlainHook* plain, Deadline deadline,
             ServerUpgradeResult* result)
      : runtime_(runtime),
        stream_(stream),
        options_(options),
        hook_(hook),
        plain_(plain),
        deadline_(deadline),
        result_(result) {}

  absl::Status Run();

 private:
  // The views of a head, and what to consume of the stream when they are no longer needed.
  struct Request {
    http::RequestHead head;
    size_t size = 0;
  };

  Deadline Within(absl::Duration time) const { return std::min(deadline_, Deadline::In(time)); }
  Deadline AnswerDeadline() const { return Within(options_.answer_time_max); }
  bool IsPlain(const http::RequestHead& head) const {
    if (plain_ == nullptr) return false;
    return head.method == "HEAD" ||
           (head.method == "GET" && !http::AsksForUpgrade(head, "websocket"));
  }

  // Of a 405.
  absl::string_view Allow() const { return plain_ != nullptr ? "GET, HEAD" : "GET"; }

  http::HttpDate Now() const {
    return options_.unix_seconds != nullptr ? http::HttpDate(options_.unix_seconds())
                                            : http::HttpDate();
  }

  // Asks the system too, so that it is called only where something depends on it.
  bool IsSecure() const { return options_.secure || GetStreamInfo(*stream_).secured; }
  bool IsOurs(const http::RequestAddress& address) const {
    const bool depends = address.asks_for_tls() || !options_.hosts.hosts.empty();
    return IsHostAccepted(options_.hosts, address, depends && IsSecure());
  }

  absl::Status HeadFailed(absl::Status status);
  absl::Status SendRefusal(int status, absl::string_view head, absl::string_view body, int error,
                           absl::string_view why);
  absl::Status Refuse(int status, int error, absl::string_view why);
  absl::Status Misdirected();
  absl::Status RefuseAs(UpgradeDecision decision);
  absl::Status OutOfMemory();
  absl::Status Misused(absl::string_view what);
  absl::Status AnswerPlain(const Request& request, bool* goes_on);
  absl::Status SendPlain(const http::RequestHead& head, const http::Response& response,
                         http::Persistence persistence);
  absl::Status AwaitNextRequest(bool* goes_on);
  absl::Status PlainEnd();
  UpgradeTerms TermsOf(const http::RequestHead& head) const;
  absl::Status Upgrade(const Request& request);
  absl::Status Accept(const Request& request, const ServerJudgement& judgement,
                      const UpgradeDecision& decision);
  absl::Status Write(absl::string_view head, absl::string_view body, Deadline deadline);

  void Note(int status) {
    if (result_ != nullptr) result_->status = status;
  }

  Runtime* const runtime_;
  Bytestream* const stream_;
  const ServerUpgradeOptions& options_;
  const UpgradeHook hook_;
  const PlainHook* const plain_;
  const Deadline deadline_;
  ServerUpgradeResult* const result_;
  size_t plain_requests_ = 0;
};

absl::Status ServerSide::Run() {
  if (!IsValid(options_.deflate)) return ErrnoStatus(EINVAL, "compression is out of range");
  if (!IsValid(options_.origin)) return ErrnoStatus(EINVAL, "an allowed origin is malformed");
  if (!IsValid(options_.hosts)) return ErrnoStatus(EINVAL, "a host of ours is malformed");
  if (absl::Status limits = http::CheckHeadLimits(options_.limits); !limits.ok()) return limits;
  if (options_.plain_requests_max == 0) return ErrnoStatus(EINVAL, "plain_requests_max is 0");
  for (;;) {
    Request request;
    http::HeadResult read;
    absl::Status status = http::ReadRequestHead(stream_, options_.limits, &request.head, &read,
                                                Within(options_.head_time_max));
    if (!status.ok()) return HeadFailed(std::move(status));
    if (read.error != http::HeadError::kNone) {
      return Refuse(http::HeadErrorStatus(read.error), EPROTO, http::HeadErrorText(read.error));
    }
    request.size = read.size;
    if (!IsPlain(request.head)) return Upgrade(request);
    bool goes_on = false;
    status = AnswerPlain(request, &goes_on);
    if (status.ok() && goes_on && options_.one_request) {
      return ErrnoStatus(EAGAIN, "a plain request was answered, and the next one is to come");
    }
    if (status.ok() && goes_on) status = AwaitNextRequest(&goes_on);
    if (!status.ok()) return status;
    if (!goes_on) return PlainEnd();
  }
}

// A head that has begun and did not come in time is answered with 408 (RFC 9110 section 15.5.9); a
// peer that said nothing gets nothing, since what it opened the connection for may be no request.
absl::Status ServerSide::HeadFailed(absl::Status status) {
  if (StatusErrno(status) != ETIMEDOUT || stream_->buffered() == 0) {
    return WithoutCleanEnd(std::move(status));
  }
  char answer[kRefusalBytesMax];
  const absl::Status sent = Write(WriteRefusal(408, absl::MakeSpan(answer), {.date = Now().text()}),
                                  "", Deadline::Immediately());
  if (sent.ok()) Note(408);
  http::EndAfterAnswer(stream_);
  return status;
}

absl::Status ServerSide::Write(absl::string_view head, absl::string_view body, Deadline deadline) {
  const IoSlice slices[] = {IoSlice(head), IoSlice(body)};
  return stream_->Write(absl::MakeConstSpan(slices, body.empty() ? 1 : 2), /*more=*/false,
                        deadline);
}

// Sends an answer that refuses, and says why the handshake failed. The answer is a courtesy:
// whether it can be sent does not change the outcome, but for the end of the time there is. The
// caller closes next.
absl::Status ServerSide::SendRefusal(int status, absl::string_view head, absl::string_view body,
                                     int error, absl::string_view why) {
  const absl::Status sent = Write(head, body, AnswerDeadline());
  const int send_error = StatusErrno(sent);
  if (send_error == ETIMEDOUT || send_error == ECANCELED) return sent;
  if (sent.ok()) Note(status);
  absl::Status refused =
      ErrnoStatus(error, absl::StrCat("upgrade refused with ", status, ": ", why));
  http::EndAfterAnswer(stream_);  // ends the life of what views of the head point to
  return refused;
}

absl::Status ServerSide::Refuse(int status, int error, absl::string_view why) {
  char answer[kRefusalBytesMax];
  const absl::string_view head =
      WriteRefusal(status, absl::MakeSpan(answer), {.allow = Allow(), .date = Now().text()});
  return SendRefusal(status, head, "", error, why);
}

absl::Status ServerSide::Misdirected() {
  return Refuse(421, EACCES, "the request is for another host");
}

// The answer to a good request cannot be put together; this one needs no memory.
absl::Status ServerSide::OutOfMemory() { return Refuse(503, ENOMEM, "no memory for a head"); }

// What a hook wants said cannot be said: the client is told that the fault is ours.
absl::Status ServerSide::Misused(absl::string_view what) { return Refuse(500, EINVAL, what); }

// As Refuse(), with fields and content of the hook's.
absl::Status ServerSide::RefuseAs(UpgradeDecision decision) {
  http::Response response = {.status = decision.status,
                             .fields = std::move(decision.fields),
                             .body = std::move(decision.body),
                             .close = true};
  CompleteRefusal(&response, Allow());
  Scratch scratch(&runtime_->buffer_pool());
  if (!scratch.ok()) return OutOfMemory();
  absl::string_view head;
  const http::ResponseError error = http::WriteResponseHead(response, http::Persistence::kClose,
                                                            scratch.chars(), &head, Now().text());
  if (error != http::ResponseError::kNone) return Misused(http::ResponseErrorText(error));
  return SendRefusal(response.status, head, response.body, EACCES, "by the server's own choice");
}

absl::Status ServerSide::AnswerPlain(const Request& request, bool* goes_on) {
  http::RequestAddress address;
  const http::UpgradeError error = http::CheckRequestAddress(request.head, &address);
  if (error != http::UpgradeError::kNone) {
    return Refuse(http::UpgradeErrorStatus(error), EPROTO, http::UpgradeErrorText(error));
  }
  http::ContentFraming framing;
  const http::ContentError content = http::JudgeRequestContent(request.head, &framing);
  if (content != http::ContentError::kNone) {
    return Refuse(http::ContentErrorStatus(content), EPROTO, http::ContentErrorText(content));
  }
  if (framing.kind != http::ContentKind::kNone) {
    return Refuse(413, EPROTO, "a plain request has content");
  }
  if (!IsOurs(address)) return Misdirected();
  const http::Response response = (*plain_)(request.head);
  http::Persistence persistence = http::PersistenceOf(request.head);
  if (response.close || plain_requests_ + 1 >= options_.plain_requests_max) {
    persistence = http::Persistence::kClose;
  }
  absl::Status sent = SendPlain(request.head, response, persistence);
  if (!sent.ok()) return sent;
  ++plain_requests_;
  Note(response.status);
  if (result_ != nullptr) result_->plain_requests = plain_requests_;
  *goes_on = persistence != http::Persistence::kClose;
  stream_->Consume(request.size);
  return absl::OkStatus();
}

absl::Status ServerSide::SendPlain(const http::RequestHead& head, const http::Response& response,
                                   http::Persistence persistence) {
  Scratch scratch(&runtime_->buffer_pool());
  if (!scratch.ok()) return OutOfMemory();
  absl::string_view answer;
  const http::ResponseError error =
      http::WriteResponseHead(response, persistence, scratch.chars(), &answer, Now().text());
  if (error != http::ResponseError::kNone) return Misused(http::ResponseErrorText(error));
  return Write(answer, head.method == "HEAD" ? "" : response.body, AnswerDeadline());
}

// Waits for the first byte of another request.
absl::Status ServerSide::AwaitNextRequest(bool* goes_on) {
  const absl::StatusOr<absl::Span<uint8_t>> next =
      stream_->Peek(1, Within(options_.keep_alive_time_max));
  *goes_on = next.ok() && !next->empty();
  return StatusErrno(next.status()) == ETIMEDOUT ? absl::OkStatus() : next.status();
}

absl::Status ServerSide::PlainEnd() {
  http::EndAfterAnswer(stream_);
  return ErrnoStatus(ENOTSUP, "plain requests were answered, and the connection has ended");
}

// What `head` is judged by. A bad one will be refused whatever that is.
UpgradeTerms ServerSide::TermsOf(const http::RequestHead& head) const {
  http::RequestAddress address;
  const UpgradeTerms* terms = nullptr;
  if (options_.terms && http::CheckRequestAddress(head, &address) == http::UpgradeError::kNone) {
    terms = options_.terms(address.resource);
  }
  if (terms != nullptr) return *terms;
  return {.subprotocols = options_.subprotocols,
          .deflate = options_.deflate,
          .origin = options_.origin};
}

absl::Status ServerSide::Upgrade(const Request& request) {
  const UpgradeTerms terms = TermsOf(request.head);
  if (!IsValid(terms.deflate) || !IsValid(terms.origin)) return Misused("terms are out of range");
  const DeflatePolicy policy = PolicyOf(terms.deflate);
  const ServerJudgement judgement = JudgeClientRequest(request.head, terms.subprotocols,
                                                       terms.deflate.enabled ? &policy : nullptr);
  if (!judgement.accepted()) return Refuse(judgement.status, EPROTO, judgement.what);
  if (!IsOurs(judgement.address)) return Misdirected();
  const bool compares = terms.origin.kind == OriginPolicy::Kind::kSameOrigin;
  const OriginVerdict origin = JudgeOrigin(terms.origin, request.head.fields,
                                           judgement.address.authority, compares && IsSecure());
  if (origin != OriginVerdict::kAllowed) {
    const int status = OriginVerdictStatus(origin);
    return Refuse(status, status == 400 ? EPROTO : EACCES, OriginVerdictText(origin));
  }
  std::optional<DeflateParams> deflate;
  if (judgement.deflate.verdict == DeflateVerdict::kAgreed) deflate = judgement.deflate.params;
  UpgradeDecision decision =
      hook_(UpgradeRequest{request.head, judgement.address.resource, judgement.address.host,
                           judgement.subprotocol, deflate});
  if (decision.status == 101) {
    if (result_ != nullptr) result_->deflate_options = terms.deflate;
    return Accept(request, judgement, decision);
  }
  if (decision.status < 300) return Misused("a decision has a status other than 101 and 300..599");
  return RefuseAs(std::move(decision));
}

absl::Status ServerSide::Accept(const Request& request, const ServerJudgement& judgement,
                                const UpgradeDecision& decision) {
  absl::string_view subprotocol = judgement.subprotocol;
  if (decision.subprotocol.has_value()) {
    subprotocol = *decision.subprotocol;
    if (!subprotocol.empty() && !IsOffered(request.head.fields, subprotocol)) {
      return Misused("a decision has a subprotocol that was not offered");
    }
  }
  if (!decision.body.empty()) return Misused("a decision to accept has content");
  const bool compressed = judgement.deflate.verdict == DeflateVerdict::kAgreed;
  const std::string extension = compressed ? WriteDeflateAnswer(judgement.deflate) : std::string();
  absl::InlinedVector<http::Field, 8> fields;
  for (const http::OwnedField& field : decision.fields) {
    fields.push_back(http::Field{field.name, field.value});
  }
  Scratch scratch(&runtime_->buffer_pool());
  if (!scratch.ok()) return OutOfMemory();
  const absl::string_view answer =
      WriteAcceptance(judgement.key, subprotocol, fields, scratch.chars(), extension);
  if (answer.empty()) return Misused("a decision has fields that may not be sent, or too many");
  if (result_ != nullptr) {
    result_->resource = std::string(judgement.address.resource);
    result_->host = std::string(judgement.address.host);
    result_->subprotocol = std::string(subprotocol);
    if (compressed) result_->deflate = judgement.deflate.params;
  }
  const bool expected = http::ExpectsContinue(request.head);
  stream_->Consume(request.size);
  absl::Status sent =
      expected ? Write(kContinue, answer, AnswerDeadline()) : Write(answer, "", AnswerDeadline());
  if (sent.ok()) Note(101);
  return sent;
}

}  // namespace

UpgradeDecision UpgradeDecision::Refuse(int status, std::string body) {
  UpgradeDecision decision;
  decision.status = status;
  if (!body.empty()) decision.fields.push_back({"Content-Type", "text/plain; charset=utf-8"});
  decision.body = std::move(body);
  return decision;
}

absl::Status ServerUpgrade(Runtime* runtime, Bytestream* stream,
                           const ServerUpgradeOptions& options, UpgradeHook hook, Deadline deadline,
                           ServerUpgradeResult* result) {
  if (result != nullptr) *result = ServerUpgradeResult();
  return ServerSide(runtime, stream, options, hook, nullptr, deadline, result).Run();
}

absl::Status ServerUpgradeOrPlain(Runtime* runtime, Bytestream* stream,
                                  const ServerUpgradeOptions& options, UpgradeHook hook,
                                  PlainHook plain, Deadline deadline, ServerUpgradeResult* result) {
  if (result != nullptr) *result = ServerUpgradeResult();
  return ServerSide(runtime, stream, options, hook, &plain, deadline, result).Run();
}

Options StreamOptions(const ServerUpgradeOptions& served, const ServerUpgradeResult& result,
                      const Options& base) {
  Options options = base;
  options.role = Role::kServer;
  options.deflate = result.deflate ? result.deflate_options : served.deflate;
  options.deflate_params = result.deflate;
  return options;
}

}  // namespace halfpipe::websocket
