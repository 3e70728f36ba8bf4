#ifndef HALFPIPE_BYTESTREAM_NET_NET_TEST_SUPPORT_H_
#define HALFPIPE_BYTESTREAM_NET_NET_TEST_SUPPORT_H_

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace halfpipe {

// The transports that tests of sockets run over.
enum class Transport { kUnix, kTcp };
const char* TransportName(Transport transport);

// Two connected sockets. The first one's send buffer and the second one's receive buffer are small,
// so that a writer soon has to wait. Ends the test process where the system has none.
std::array<int, 2> ConnectedFds(Transport transport);

// Sends `bytes` to a Unix socket, with the descriptor `passed`. As sendmsg(2).
ssize_t SendDescriptor(int socket, absl::string_view bytes, int passed);

// Descriptors that this process has open.
size_t OpenDescriptorCount();

// `size` bytes that differ from place to place, so that a lost or doubled piece shows.
std::string Pattern(size_t size);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_NET_TEST_SUPPORT_H_
