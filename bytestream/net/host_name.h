#ifndef HALFPIPE_BYTESTREAM_NET_HOST_NAME_H_
#define HALFPIPE_BYTESTREAM_NET_HOST_NAME_H_

#include <cstddef>

#include "absl/strings/string_view.h"

namespace halfpipe {

// The longest name that can be asked for, without a final dot, and the longest part of it between
// dots (RFC 1035 section 2.3.4: 255 bytes on the wire, which has a length before each label and an
// empty one at the end).
inline constexpr size_t kHostNameBytesMax = 253;
inline constexpr size_t kHostLabelBytesMax = 63;

// Whether a name server can be asked for `name`: labels of letters, digits, "-" and "_", none of
// them empty, within both limits. A final dot does not count. Pure.
bool IsHostName(absl::string_view name);

// "localhost" and names below it: the loopback addresses, whoever is asked (RFC 6761 section 6.3).
bool IsLocalhostName(absl::string_view name);

// "invalid" and names below it: have no address, and nobody is to be asked (RFC 6761 section 6.4).
bool IsInvalidName(absl::string_view name);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_HOST_NAME_H_
