#include "tools/wsecho/options.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bytestream/base/errno_status.h"
#include "tools/wsecho/deflate_flags.h"
#include "tools/wsecho/flags.h"
#include "websocket/core/frame_header.h"

namespace halfpipe::tools {
namespace {

// A day; nobody waits longer, and a clock has room for it.
constexpr uint64_t kTimeoutMax = 86'400;

// Values as they stand in the arguments.
struct Raw {
  EchoOptions options;
  std::string listen = "127.0.0.1:8080";
  uint64_t handshake_timeout =
      static_cast<uint64_t>(absl::ToInt64Seconds(websocket::ServerOptions().handshake_time));
  uint64_t drain_timeout = 1;
  DeflateFlags deflate;
};

FlagSet Declare(Raw* raw) {
  FlagSet flags;
  flags.Add("listen", &raw->listen, "ADDRESS:PORT",
            "where to listen (127.0.0.1:8080); port 0 picks one; or unix:PATH");
  flags.Add("tls_certificate", &raw->options.tls_certificate, "FILE",
            "serve wss: with this certificate, and those that vouch for it (PEM)");
  flags.Add("tls_key", &raw->options.tls_key, "FILE", "the certificate's private key (PEM)");
  flags.Add("message_bytes_max", &raw->options.connection.message_bytes_max, "BYTES",
            "larger messages are refused with 1009 (16777216)");
  flags.Add("handshake_timeout", &raw->handshake_timeout, "SECONDS",
            "an unfinished handshake is answered with 408 and ended (10)");
  flags.Add("drain_timeout", &raw->drain_timeout, "SECONDS",
            "what peers are given to answer the Close that ends it (1)");
  raw->deflate.Declare(&flags);
  flags.Add("help", &raw->options.help, "print this");
  return flags;
}

absl::Status Bad(absl::string_view what) { return ErrnoStatus(EINVAL, what); }

}  // namespace

absl::StatusOr<EchoOptions> ParseEchoOptions(const std::vector<std::string>& arguments) {
  Raw raw;
  std::vector<std::string> others;
  if (absl::Status status = Declare(&raw).Parse(arguments, &others); !status.ok()) return status;
  EchoOptions& options = raw.options;
  if (options.help) return options;
  if (!others.empty()) return Bad(absl::StrCat("what is ", others.front(), "?"));
  const std::optional<Endpoint> endpoint = ParseEndpoint(raw.listen);
  if (!endpoint.has_value()) {
    return Bad(absl::StrCat("--listen=", raw.listen, " is neither ADDRESS:PORT nor unix:PATH"));
  }
  options.listen = *endpoint;
  if (options.tls_certificate.empty() != options.tls_key.empty()) {
    return Bad("--tls_certificate and --tls_key go together");
  }
  if (options.tls() && !options.listen.unix_path.empty()) {
    return Bad("--tls_certificate needs ADDRESS:PORT: no URL asks for TLS over a Unix socket");
  }
  if (options.connection.message_bytes_max > websocket::kMaxFramePayload) {
    return Bad(absl::StrCat("--message_bytes_max is 0..", websocket::kMaxFramePayload));
  }
  if (raw.handshake_timeout < 1 || raw.handshake_timeout > kTimeoutMax) {
    return Bad(absl::StrCat("--handshake_timeout is 1..", kTimeoutMax));
  }
  if (raw.drain_timeout > kTimeoutMax) {
    return Bad(absl::StrCat("--drain_timeout is 0..", kTimeoutMax));
  }
  const absl::StatusOr<websocket::DeflateOptions> deflate = raw.deflate.Options();
  if (!deflate.ok()) return deflate.status();
  options.connection.deflate = *deflate;
  options.server.handshake_time = absl::Seconds(static_cast<int64_t>(raw.handshake_timeout));
  options.drain_time = absl::Seconds(static_cast<int64_t>(raw.drain_timeout));
  // One message of that size is to have room.
  options.server.message_memory_max = std::max(
      options.server.message_memory_max, static_cast<size_t>(options.connection.message_bytes_max));
  return options;
}

std::string EchoHelpText() {
  Raw raw;
  return absl::StrCat("Sends every WebSocket message back.\n\n", Declare(&raw).Help());
}

}  // namespace halfpipe::tools
