#ifndef HALFPIPE_BYTESTREAM_HOSTS_FILE_H_
#define HALFPIPE_BYTESTREAM_HOSTS_FILE_H_

#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "bytestream/net/ip_address.h"

namespace halfpipe {

// The addresses that the text of a hosts file (hosts(5)) gives for `name`, with `port`, in the
// order of its lines. Names compare without regard to case and to a final dot. A line is an address
// and names, with blanks between; "#" begins a comment; lines that are nothing of the kind are
// passed over. "localhost" and names that end in ".localhost" are 127.0.0.1 and ::1 where the text
// has no line for them (RFC 6761 section 6.3). Touches no file.
std::vector<IpAddress> FindInHosts(absl::string_view hosts, absl::string_view name, uint16_t port);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_HOSTS_FILE_H_
