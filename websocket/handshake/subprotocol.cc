#include "websocket/handshake/subprotocol.h"

#include <algorithm>
#include <cstddef>

#include "http/core/grammar.h"

namespace halfpipe::websocket {
namespace {

constexpr absl::string_view kProtocolField = "Sec-WebSocket-Protocol";

// More names than a sane client offers; it bounds the quadratic search for duplicates.
constexpr size_t kMaxOffered = 64;

}  // namespace

bool IsValidOffer(absl::Span<const absl::string_view> names) {
  for (size_t i = 0; i < names.size(); ++i) {
    if (!http::IsValidToken(names[i])) return false;
    if (std::find(names.begin(), names.begin() + i, names[i]) != names.begin() + i) return false;
  }
  return true;
}

bool HasValidOffer(const http::HeaderList& fields) {
  if (!fields.Has(kProtocolField)) return true;
  absl::string_view names[kMaxOffered];
  size_t count = 0;
  for (absl::string_view name : fields.Members(kProtocolField)) {
    if (count == kMaxOffered) return false;
    names[count++] = name;
  }
  return count > 0 && IsValidOffer(absl::MakeConstSpan(names, count));
}

bool IsOffered(const http::HeaderList& fields, absl::string_view name) {
  for (const absl::string_view offered : fields.Members(kProtocolField)) {
    if (offered == name) return true;
  }
  return false;
}

absl::string_view ChooseSubprotocol(const http::HeaderList& fields,
                                    absl::Span<const absl::string_view> supported) {
  for (absl::string_view name : fields.Members(kProtocolField)) {
    const auto found = std::find(supported.begin(), supported.end(), name);
    if (found != supported.end()) return *found;
  }
  return absl::string_view();
}

}  // namespace halfpipe::websocket
