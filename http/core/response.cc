#include "http/core/response.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "http/core/grammar.h"

namespace halfpipe::http {
namespace {

constexpr absl::string_view kWritersFields[] = {"Connection",        "Keep-Alive", "Content-Length",
                                                "Transfer-Encoding", "Trailer",    "Upgrade"};

bool IsWritersField(absl::string_view name) {
  return std::any_of(std::begin(kWritersFields), std::end(kWritersFields),
                     [name](absl::string_view own) { return absl::EqualsIgnoreCase(own, name); });
}

// The field that a response of that status must have and that only its maker can say; else empty.
absl::string_view NeededField(int status) {
  switch (status) {
    case 401:
      return "WWW-Authenticate";
    case 405:
      return "Allow";
    case 407:
      return "Proxy-Authenticate";
    default:
      return absl::string_view();
  }
}

ResponseError Check(const Response& response) {
  if (response.status < 200 || !IsValidStatus(response.status)) return ResponseError::kBadStatus;
  for (const OwnedField& field : response.fields) {
    if (!IsValidFieldName(field.name) || !IsValidFieldValue(field.value)) {
      return ResponseError::kBadField;
    }
    if (IsWritersField(field.name)) return ResponseError::kOwnField;
  }
  // A 205 has content of length 0 (RFC 9110 section 15.3.6), where 204 and 304 have none.
  if ((!StatusHasContent(response.status) || response.status == 205) && !response.body.empty()) {
    return ResponseError::kHasContent;
  }
  const absl::string_view needed = NeededField(response.status);
  if (!needed.empty() && !HasField(response.fields, needed)) return ResponseError::kMissingField;
  return ResponseError::kNone;
}

struct Reason {
  int status;
  absl::string_view phrase;
};

// In ascending order (RFC 9110 section 15, RFC 6585).
constexpr Reason kReasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {305, "Use Proxy"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {511, "Network Authentication Required"},
};

}  // namespace

std::vector<OwnedField> OwnedFields(const HeaderList& fields) {
  std::vector<OwnedField> owned;
  for (const Field& field : fields) {
    owned.push_back(OwnedField{std::string(field.name), std::string(field.value)});
  }
  return owned;
}

bool HasField(absl::Span<const OwnedField> fields, absl::string_view name) {
  return std::any_of(fields.begin(), fields.end(), [name](const OwnedField& field) {
    return absl::EqualsIgnoreCase(field.name, name);
  });
}

const std::string* FindOnly(absl::Span<const OwnedField> fields, absl::string_view name) {
  const std::string* found = nullptr;
  for (const OwnedField& field : fields) {
    if (!absl::EqualsIgnoreCase(field.name, name)) continue;
    if (found != nullptr) return nullptr;
    found = &field.value;
  }
  return found;
}

Response TextResponse(int status, std::string body, absl::string_view content_type) {
  Response response;
  response.status = status;
  response.fields.push_back(OwnedField{"Content-Type", std::string(content_type)});
  response.body = std::move(body);
  return response;
}

absl::string_view ReasonPhrase(int status) {
  const auto found =
      std::lower_bound(std::begin(kReasons), std::end(kReasons), status,
                       [](const Reason& reason, int wanted) { return reason.status < wanted; });
  return found != std::end(kReasons) && found->status == status ? found->phrase
                                                                : absl::string_view();
}

absl::string_view ResponseErrorText(ResponseError error) {
  switch (error) {
    case ResponseError::kNone:
      return "no error";
    case ResponseError::kBadStatus:
      return "status of a response is not 200..599";
    case ResponseError::kBadField:
      return "field of a response has a byte that may not be sent";
    case ResponseError::kOwnField:
      return "field of a response belongs to the connection";
    case ResponseError::kHasContent:
      return "response has content, which its status forbids";
    case ResponseError::kMissingField:
      return "response lacks the field that its status must have";
    case ResponseError::kNoSpace:
      return "head of a response is too long";
  }
  return "unknown error";
}

Persistence PersistenceOf(const RequestHead& request) {
  if (request.fields.HasToken("Connection", "close")) return Persistence::kClose;
  if (request.version_minor >= 1) return Persistence::kImplied;
  return request.fields.HasToken("Connection", "keep-alive") ? Persistence::kKeepAlive
                                                             : Persistence::kClose;
}

ResponseError WriteResponseHead(const Response& response, Persistence persistence,
                                absl::Span<char> out, absl::string_view* head,
                                absl::string_view date) {
  const ResponseError error = Check(response);
  if (error != ResponseError::kNone) return error;
  HeadSerializer writer(out);
  writer.WriteStatusLine(response.status, ReasonPhrase(response.status));
  if (!date.empty() && !HasField(response.fields, "Date")) writer.WriteField("Date", date);
  for (const OwnedField& field : response.fields) writer.WriteField(field.name, field.value);
  const bool upgrade = response.status == 426;
  if (upgrade) writer.WriteField("Upgrade", "websocket");
  switch (persistence) {
    case Persistence::kClose:
      writer.WriteField("Connection", upgrade ? "Upgrade, close" : "close");
      break;
    case Persistence::kKeepAlive:
      writer.WriteField("Connection", upgrade ? "Upgrade, keep-alive" : "keep-alive");
      break;
    case Persistence::kImplied:
      if (upgrade) writer.WriteField("Connection", "Upgrade");
      break;
  }
  if (StatusHasContent(response.status)) {
    const absl::AlphaNum digits(response.body.size());
    writer.WriteField("Content-Length", digits.Piece());
  }
  if (writer.WriteEnd() != WriteStatus::kOk) {
    return writer.status() == WriteStatus::kNoSpace ? ResponseError::kNoSpace
                                                    : ResponseError::kBadField;
  }
  *head = writer.written();
  return ResponseError::kNone;
}

}  // namespace halfpipe::http
