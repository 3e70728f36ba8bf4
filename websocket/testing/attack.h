#ifndef HALFPIPE_WEBSOCKET_TESTING_ATTACK_H_
#define HALFPIPE_WEBSOCKET_TESTING_ATTACK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "websocket/core/role.h"
#include "websocket/options.h"

namespace halfpipe::websocket {

// One connection that is attacked, over a pair in memory and on simulated time, and what it costs.

enum class Receiving : uint8_t { kView, kFill, kDiscard };
inline constexpr Receiving kEveryReceiving[] = {Receiving::kView, Receiving::kFill,
                                                Receiving::kDiscard};

struct Attack {
  // Appends what the peer sends next; false: nothing any more, and the peer stays silent for ever.
  // What it appends should be some kilobytes at most, or one frame.
  std::function<bool(std::string* bytes)> next;
  // The peer never reads: soon nothing can be sent to it.
  bool reads = true;
  // Ours. `role` and what else the attacked side should be.
  Options options = {};
  Receiving receiving = Receiving::kView;
  // For Receive(). Part of the program's memory, not of the connection's.
  size_t fill_bytes = 1000;
};

// What came of it. Receiving went on until it failed, the peer closed or nothing came for a
// minute.
struct Damage {
  int error = 0;       // ETIMEDOUT: nothing came any more; 0: the peer's Close
  int close_code = 0;  // of EPROTO
  uint64_t messages = 0;
  uint64_t bytes_sent = 0;   // by the peer, as far as the connection took them
  uint64_t bytes_heard = 0;  // by the peer, if it reads
  // The most that was held at a time, above what an idle connection holds. Heap bytes are all that
  // the process took in the meantime. Blocks (16 KiB) are those of the runtime's pool, of which up
  // to two in each direction are the pair's, and one the peer's that reads.
  size_t heap_bytes = 0;
  size_t blocks = 0;
  size_t deflate_bytes = 0;
  // What is still held when receiving has ended and the connection is still there.
  size_t deflate_bytes_left = 0;
};

Damage RunAttack(const Attack& attack);

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_TESTING_ATTACK_H_
