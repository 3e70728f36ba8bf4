#ifndef HALFPIPE_HTTP_CORE_BASIC_AUTH_H_
#define HALFPIPE_HTTP_CORE_BASIC_AUTH_H_

// Credentials in the Authorization field: Basic (RFC 7617) and Bearer (RFC 6750), both ways. Pure.
// To compare what was received use SecretsEqual() (constant_time.h).

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "http/core/header_list.h"
#include "http/core/response.h"

namespace halfpipe::http {

// Views. The user-id has no colon, neither has control characters (RFC 7617 section 2); both are
// UTF-8 by convention.
struct BasicCredentials {
  absl::string_view user = {};
  absl::string_view password = {};
};

// "Basic ..." as the value of an Authorization field; nullopt for credentials that cannot be said.
[[nodiscard]] std::optional<std::string> BasicAuthorization(const BasicCredentials& credentials);

// 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=" (RFC 6750 section 2.1).
[[nodiscard]] bool IsValidBearerToken(absl::string_view token);

// "Bearer ..."; nullopt for a token that is not valid.
[[nodiscard]] std::optional<std::string> BearerAuthorization(absl::string_view token);

struct OwnedBasicCredentials {
  std::string user = {};
  std::string password = {};
};

// The Basic credentials of a request; nullopt if it has no Authorization field or several, one of
// another scheme, or one that is malformed: strict Base64, a colon, no control characters.
[[nodiscard]] std::optional<OwnedBasicCredentials> ReadBasicCredentials(const HeaderList& fields);

// The Bearer token of a request, a view of it; nullopt as above.
[[nodiscard]] std::optional<absl::string_view> BearerToken(const HeaderList& fields);

// The WWW-Authenticate field that a 401 must carry (RFC 9110 section 15.5.2). `realm` is what people
// are shown; a character that may not be in a field's value is left out.
OwnedField BasicChallenge(absl::string_view realm);
OwnedField BearerChallenge(absl::string_view realm);

}  // namespace halfpipe::http

#endif  // HALFPIPE_HTTP_CORE_BASIC_AUTH_H_
