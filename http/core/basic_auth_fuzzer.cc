// Fields from anywhere, as a request's head accepts them.  Holds for each input: credentials that are
// read may be written, and are read again as the same; what may be written is a field's value.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "http/core/basic_auth.h"
#include "http/core/grammar.h"
#include "http/core/header_list.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

void RequireRoundTrip(const halfpipe::http::BasicCredentials& credentials) {
  using namespace halfpipe::http;  // NOLINT
  const std::optional<std::string> value = BasicAuthorization(credentials);
  if (!value.has_value()) return;
  Require(IsValidFieldValue(*value));
  const std::string section = absl::StrCat("Authorization: ", *value, "\r\n");
  const std::optional<OwnedBasicCredentials> again = ReadBasicCredentials(HeaderList(section));
  Require(again.has_value() && again->user == credentials.user &&
          again->password == credentials.password);
  Require(!BearerToken(HeaderList(section)).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace halfpipe::http;  // NOLINT: the entry point cannot be in the namespace.
  const absl::string_view text = AsText(absl::MakeConstSpan(data, size));
  const HeaderList fields(text);
  if (const auto basic = ReadBasicCredentials(fields)) {
    Require(BasicAuthorization({basic->user, basic->password}).has_value());
    RequireRoundTrip({basic->user, basic->password});
  }
  if (const std::optional<absl::string_view> token = BearerToken(fields)) {
    Require(IsValidBearerToken(*token) && IsValidFieldValue(*token));
  }
  // The input as credentials of its own.
  const size_t half = size / 2;
  RequireRoundTrip({text.substr(0, half), text.substr(half)});
  if (const std::optional<std::string> value = BearerAuthorization(text)) {
    const std::string section = absl::StrCat("Authorization: ", *value, "\r\n");
    Require(BearerToken(HeaderList(section)) == text);
  }
  Require(IsValidFieldValue(BasicChallenge(text).value));
  Require(IsValidFieldValue(BearerChallenge(text).value));
  return 0;
}
