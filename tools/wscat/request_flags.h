#ifndef HALFPIPE_TOOLS_WSCAT_REQUEST_FLAGS_H_
#define HALFPIPE_TOOLS_WSCAT_REQUEST_FLAGS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "http/core/basic_auth.h"
#include "http/core/response.h"
#include "tools/wsecho/flags.h"

namespace halfpipe::tools {

// What a client says in its request beside the handshake.
struct RequestOptions {
  std::vector<http::OwnedField> fields;
  std::vector<http::OwnedField> cookies;
  std::optional<http::OwnedBasicCredentials> basic;
  std::string bearer;
  std::string origin;
  // Go where a redirect leads.
  bool follow = false;

  bool empty() const {
    return fields.empty() && cookies.empty() && !basic.has_value() && bearer.empty() &&
           origin.empty() && !follow;
  }
};

// --header and what belongs to it. Pure.
class RequestFlags {
 public:
  // The object outlives `flags`.
  void Declare(FlagSet* flags);

  // What the flags say. EINVAL, with a line for people: what may not be sent.
  absl::StatusOr<RequestOptions> Options() const;

 private:
  std::vector<std::string> headers_;
  std::vector<std::string> cookies_;
  std::string user_;
  std::string bearer_;
  std::string origin_;
  bool follow_ = false;
};

}  // namespace halfpipe::tools

#endif  // HALFPIPE_TOOLS_WSCAT_REQUEST_FLAGS_H_
