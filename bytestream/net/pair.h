#ifndef HALFPIPE_BYTESTREAM_NET_PAIR_H_
#define HALFPIPE_BYTESTREAM_NET_PAIR_H_

#include <cstddef>
#include <utility>

#include "bytestream/bytestream.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {

struct PairOptions {
  // Bytes on their way in each direction before a writer has to wait. At least 1; 0 counts as 1.
  size_t capacity_bytes = size_t{64} * 1024;

  // The longest tail of an interrupted Write(), see bytestream.h.
  size_t send_tail_bytes_max = Bytestream::kDefaultSendTailBytesMax;
};

// Room for a pair in memory of the caller. Contents are the library's; it may be used again when
// both ends have been destroyed.
struct PairStorage {
  static constexpr size_t kSize = 1024;

  alignas(16) unsigned char bytes[kSize];
};

// Two connected bytestreams in memory, both of `runtime`, which is borrowed and outlives them.
//
// * Bytes under way are in blocks of the runtime's pool; an idle pair holds none. A pipe that gets
//   no block is broken (ECONNRESET).
// * `more` has no effect: nothing is held back.
// * An end that is aborted or destroyed gives the other the end of the stream; behind it there is
//   ECONNRESET where bytes were lost: a tail was pending, or there were unread bytes. Writing to an
//   end that is gone is ECONNRESET, at once.
// * The callbacks of WhenReadable() and WhenWritable() run before the runtime next waits for
//   events, or at once from within.
// * The ends may be destroyed in any order.
//
// Example:
//   auto [client, server] = MakePair(&runtime);
std::pair<BytestreamPtr, BytestreamPtr> MakePair(Runtime* runtime, PairOptions options = {});

// The same in `storage`, which is borrowed until both ends are destroyed. Allocates nothing.
std::pair<BytestreamPtr, BytestreamPtr> MakePair(Runtime* runtime, PairStorage* storage,
                                                 PairOptions options = {});

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_PAIR_H_
