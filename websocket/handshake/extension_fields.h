#ifndef HALFPIPE_WEBSOCKET_HANDSHAKE_EXTENSION_FIELDS_H_
#define HALFPIPE_WEBSOCKET_HANDSHAKE_EXTENSION_FIELDS_H_

#include <cstddef>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "http/core/header_list.h"
#include "websocket/deflate/extension_header.h"

namespace halfpipe::websocket {

inline constexpr absl::string_view kExtensionsField = "Sec-WebSocket-Extensions";

// The values of a head's Sec-WebSocket-Extensions fields, which are one list (RFC 6455 section
// 11.3.2). Views of the head. Of too many, one more than ExtensionReader takes: it refuses them.
class ExtensionFields {
 public:
  explicit ExtensionFields(const http::HeaderList& fields) {
    for (const http::Field& field : fields) {
      if (count_ <= kMaxExtensionFields && absl::EqualsIgnoreCase(field.name, kExtensionsField)) {
        values_[count_++] = field.value;
      }
    }
  }

  absl::Span<const absl::string_view> values() const {
    return absl::MakeConstSpan(values_, count_);
  }

 private:
  absl::string_view values_[kMaxExtensionFields + 1];
  size_t count_ = 0;
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_HANDSHAKE_EXTENSION_FIELDS_H_
