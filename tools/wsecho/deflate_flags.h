#ifndef HALFPIPE_TOOLS_WSECHO_DEFLATE_FLAGS_H_
#define HALFPIPE_TOOLS_WSECHO_DEFLATE_FLAGS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "tools/wsecho/flags.h"
#include "websocket/options.h"

namespace halfpipe::tools {

// --deflate and what belongs to it, for programs that speak WebSocket. Pure.
//
// Example:
//   DeflateFlags deflate;
//   deflate.Declare(&flags);
//   ... flags.Parse(...) ...
//   absl::StatusOr<websocket::DeflateOptions> options = deflate.Options();
class DeflateFlags {
 public:
  // The object outlives `flags`.
  void Declare(FlagSet* flags);

  // What the flags say. EINVAL, with a line for people: a value out of range, or one without
  // --deflate.
  absl::StatusOr<websocket::DeflateOptions> Options() const;

 private:
  websocket::DeflateOptions options_;
  bool no_fallback_ = false;
  uint64_t server_max_window_bits_ = options_.server_max_window_bits;
  uint64_t client_max_window_bits_ = options_.client_max_window_bits;
  uint64_t level_ = options_.level;
  uint64_t mem_level_ = options_.mem_level;
  uint64_t ratio_max_ = options_.inflation_ratio_max;
};

}  // namespace halfpipe::tools

#endif  // HALFPIPE_TOOLS_WSECHO_DEFLATE_FLAGS_H_
