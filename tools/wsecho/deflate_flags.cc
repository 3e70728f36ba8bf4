#include "tools/wsecho/deflate_flags.h"

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bytestream/base/errno_status.h"

namespace halfpipe::tools {
namespace {

absl::Status OutOfRange(absl::string_view flag, uint64_t least, uint64_t most) {
  return ErrnoStatus(EINVAL, absl::StrCat("--", flag, " is ", least, "..", most));
}

}  // namespace

void DeflateFlags::Declare(FlagSet* flags) {
  flags->Add("deflate", &options_.enabled, "compress messages if the peer does too");
  flags->Add("deflate_server_no_context_takeover", &options_.server_no_context_takeover,
             "the server's messages refer to none before them");
  flags->Add("deflate_client_no_context_takeover", &options_.client_no_context_takeover,
             "the client's messages refer to none before them");
  flags->Add("deflate_server_max_window_bits", &server_max_window_bits_, "BITS",
             "8..15 (15): how far the server's messages refer back");
  flags->Add("deflate_client_max_window_bits", &client_max_window_bits_, "BITS",
             "8..15 (15): how far the client's messages refer back");
  flags->Add("deflate_no_fallback", &no_fallback_,
             "a client: with these parameters or without compression");
  flags->Add("deflate_level", &level_, "LEVEL", "0..9 (6), zlib's");
  flags->Add("deflate_mem_level", &mem_level_, "LEVEL", "1..9 (8), zlib's");
  flags->Add("deflate_min_bytes", &options_.compress_bytes_min, "BYTES",
             "send shorter messages as they are (64)");
  flags->Add("deflate_ratio_max", &ratio_max_, "TIMES",
             "refuse large messages that inflate by more (256); 0: none");
}

absl::StatusOr<websocket::DeflateOptions> DeflateFlags::Options() const {
  if (!options_.enabled) {
    const DeflateFlags defaults;
    const bool said = options_.server_no_context_takeover || options_.client_no_context_takeover ||
                      no_fallback_ || server_max_window_bits_ != defaults.server_max_window_bits_ ||
                      client_max_window_bits_ != defaults.client_max_window_bits_ ||
                      level_ != defaults.level_ || mem_level_ != defaults.mem_level_ ||
                      ratio_max_ != defaults.ratio_max_ ||
                      options_.compress_bytes_min != defaults.options_.compress_bytes_min;
    if (said) return ErrnoStatus(EINVAL, "flags of compression need --deflate");
    return options_;
  }
  for (const auto& [flag, bits] :
       {std::pair("deflate_server_max_window_bits", server_max_window_bits_),
        std::pair("deflate_client_max_window_bits", client_max_window_bits_)}) {
    if (bits < 8 || bits > 15) return OutOfRange(flag, 8, 15);
  }
  if (level_ > 9) return OutOfRange("deflate_level", 0, 9);
  if (mem_level_ < 1 || mem_level_ > 9) return OutOfRange("deflate_mem_level", 1, 9);
  if (ratio_max_ > UINT32_MAX) return OutOfRange("deflate_ratio_max", 0, UINT32_MAX);
  websocket::DeflateOptions options = options_;
  options.server_max_window_bits = static_cast<uint8_t>(server_max_window_bits_);
  options.client_max_window_bits = static_cast<uint8_t>(client_max_window_bits_);
  options.fallback = !no_fallback_;
  options.level = static_cast<uint8_t>(level_);
  options.mem_level = static_cast<uint8_t>(mem_level_);
  options.inflation_ratio_max = static_cast<uint32_t>(ratio_max_);
  return options;
}

}  // namespace halfpipe::tools
