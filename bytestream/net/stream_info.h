#ifndef HALFPIPE_BYTESTREAM_NET_STREAM_INFO_H_
#define HALFPIPE_BYTESTREAM_NET_STREAM_INFO_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/stream_info_source.h"

namespace halfpipe {

// What is known about a connection, a listener or a datagram socket at this moment. A value; what
// does not apply, or is not known, is absent, 0 or empty.
struct StreamInfo {
  // The system's descriptor, still owned by the stream: for options that are not here. -1 for none,
  // as for a pair in memory, and once it is closed.
  int fd = -1;

  // The ends of an IP socket. The peer's is gone from the system once the connection has failed.
  std::optional<IpAddress> local;
  std::optional<IpAddress> peer;
  // The ends of a Unix socket, as unix.h spells names; empty for one without a name.
  std::string local_name;
  std::string peer_name;

  // Whether a layer of TLS is between us and the peer.
  bool secured = false;

  // Bytes that came from the layer below, and that it has taken, since the beginning.
  uint64_t bytes_received = 0;
  uint64_t bytes_sent = 0;
  // Of the received ones, those that nobody has consumed.
  size_t buffered_bytes = 0;
  // Bytes accepted from a writer that have not left (see Bytestream::Write()).
  size_t tail_bytes = 0;

  // TCP's estimate of the time from a segment to its acknowledgement, and of how much that varies
  // (RFC 6298).
  std::optional<absl::Duration> round_trip;
  std::optional<absl::Duration> round_trip_variation;

  // Options, see socket_options.h. Sizes as the system counts them.
  std::optional<bool> no_delay;
  std::optional<bool> keep_alive;
  std::optional<int> send_buffer_bytes;
  std::optional<int> receive_buffer_bytes;
};

// Example:
//   const StreamInfo info = GetStreamInfo(*stream);
//   if (info.peer.has_value()) Log(info.peer->ToString());
StreamInfo GetStreamInfo(const StreamInfoSource& source);

// For those who implement Describe() over a socket: fills in everything but the counters. `fd` may be
// -1. Keeps errno.
void DescribeSocket(int fd, StreamInfo* info);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_STREAM_INFO_H_
