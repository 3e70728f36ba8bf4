#ifndef HALFPIPE_BYTESTREAM_TESTING_USER_PROTOCOL_H_
#define HALFPIPE_BYTESTREAM_TESTING_USER_PROTOCOL_H_

#include <cstddef>
#include <string>

namespace halfpipe {

// What a protocol below was asked for, and how its object ended. Outlives the protocol.
struct UserProtocolLog {
  int sends = 0;
  int receives = 0;
  size_t received_bytes = 0;
  size_t longest_receive = 0;
  int closes = 0;
};

// A protocol as a program for libdill would write it, with hmake() and bsock_vfs, in plain C calls
// over the bytestream `lower`, whatever that is: each byte goes over the wire flipped. It takes
// `lower` over and returns its own handle, or -1 with errno (`lower` is closed then). `log` may be
// null. It keeps the rules that libdillimpl.h asks for.
int FlipAttach(int lower, UserProtocolLog* log);

// Returns the handle of the lower bytestream, or -1 with errno (EBUSY: somebody is inside).
int FlipDetach(int s);

// A message protocol of the same kind, with msock_vfs over the message socket `lower`: each message
// has one more byte on the wire, '!'.
int MarkAttach(int lower, UserProtocolLog* log);
int MarkDetach(int s);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_USER_PROTOCOL_H_
