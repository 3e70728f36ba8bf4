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

// Waits in the thread, whatever coroutines there are, until poll(2) reports one of `events` for `fd`;
// an error or a hang-up counts too, and alone if `events` is 0. For what the loopback carries, which
// on a busy machine arrives later than it was sent. False if nothing came within a minute.
bool AwaitEvents(int fd, short events);  // NOLINT: the type that poll() has

// Likewise until `count` connections are there for a TCP listener to accept.
bool AwaitConnections(int listener, size_t count);

// Sends to the socket until its buffer is so full that not a byte goes, even if the system moves
// some of it on to the peer, who does not read. Returns how many bytes went.
size_t FillSocket(int fd);

// Descriptors that this process has open.
size_t OpenDescriptorCount();

// `size` bytes that differ from place to place, so that a lost or doubled piece shows.
std::string Pattern(size_t size);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_NET_TEST_SUPPORT_H_
