#ifndef HALFPIPE_WEBSOCKET_DEFLATE_INFLATE_REFERENCE_H_
#define HALFPIPE_WEBSOCKET_DEFLATE_INFLATE_REFERENCE_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace halfpipe::websocket {

// What RFC 7692 section 7.2.2 makes of messages, by zlib at one stroke: everything in one piece, all
// output in one block, documented functions only. For tests and fuzzers.
class InflateReference {
 public:
  // The message of `payload`; nullopt if it is none, or is longer than `bytes_max`. What came
  // before is the window. After a nullopt no more may be asked.
  std::optional<std::string> Inflate(absl::string_view payload, size_t bytes_max);

 private:
  std::string window_;  // Up to 32 KiB of what came before.
};

// `message` compressed with a fresh window by deflate() at one stroke, without the tail.
std::string DeflateReference(absl::string_view message, int window_bits = 15, int level = 6);

// The smallest window, in bits, that inflates `payload` (a message of its own); 16 if none does.
// Tried with output in single bytes, so that nothing but the window can be referred to.
int WindowNeeded(absl::string_view payload);

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_DEFLATE_INFLATE_REFERENCE_H_
