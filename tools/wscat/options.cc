#include "tools/wscat/options.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "bytestream/base/errno_status.h"
#include "tools/wsecho/deflate_flags.h"
#include "tools/wsecho/flags.h"
#include "websocket/client_url.h"
#include "websocket/core/close_code.h"
#include "websocket/core/frame_header.h"
#include "websocket/handshake/subprotocol.h"

namespace halfpipe::tools {
namespace {

// Values as they stand in the arguments.
struct Raw {
  Options options;
  std::string listen;
  std::string close;
  DeflateFlags deflate;
  RequestFlags request;
};

FlagSet Declare(Raw* raw) {
  FlagSet flags;
  flags.Add("listen", &raw->listen, "ADDRESS:PORT",
            "wait for one peer instead; port 0 picks one; or unix:PATH");
  flags.Add("echo", &raw->options.echo, "send every message back until the peer closes");
  flags.Add("binary", &raw->options.binary, "lines become binary messages, not text");
  flags.Add("ping", &raw->options.ping, "send a ping first");
  flags.Add("close", &raw->close, "CODE[,REASON]",
            "what to close with at the end (1000); 0: no code");
  flags.Add("subprotocol", &raw->options.subprotocols, "NAME",
            "offer it, or with --listen accept it; may come several times");
  flags.Add("message_bytes_max", &raw->options.message_bytes_max, "BYTES",
            "refuse larger messages with 1009 (16777216)");
  flags.Add("trust_file", &raw->options.trust_file, "FILE",
            "the certificates (PEM) to trust with wss:, in place of the system's");
  raw->request.Declare(&flags);
  raw->deflate.Declare(&flags);
  flags.Add("help", &raw->options.help, "print this");
  return flags;
}

absl::Status ParseClose(absl::string_view text, Options* options) {
  const size_t comma = text.find(',');
  const absl::string_view code = text.substr(0, comma);
  const absl::string_view reason =
      comma == absl::string_view::npos ? absl::string_view() : text.substr(comma + 1);
  const bool digits =
      std::all_of(code.begin(), code.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || !absl::SimpleAtoi(code, &options->close_code)) {
    return ErrnoStatus(EINVAL, "--close needs a number, and perhaps a comma and a reason");
  }
  switch (websocket::CheckCloseArguments(options->close_code, reason)) {
    case websocket::CloseArgument::kOk:
      options->close_reason = std::string(reason);
      return absl::OkStatus();
    case websocket::CloseArgument::kBadCode:
      return ErrnoStatus(EINVAL, "--close: the code is 0, 1000..1003, 1007..1014 or 3000..4999");
    case websocket::CloseArgument::kReasonWithoutCode:
      return ErrnoStatus(EINVAL, "--close: a reason needs a code other than 0");
    case websocket::CloseArgument::kReasonTooLong:
      return ErrnoStatus(EINVAL, "--close: the reason is longer than 123 bytes");
    case websocket::CloseArgument::kReasonNotUtf8:
      break;
  }
  return ErrnoStatus(EINVAL, "--close: the reason is not UTF-8");
}

}  // namespace

absl::StatusOr<std::string> ParseUrl(absl::string_view text) {
  std::string url = absl::StrCat(absl::StartsWith(text, "unix:") ? "ws+" : "", text);
  const absl::StatusOr<websocket::ClientUrl> parsed = websocket::ParseClientUrl(url);
  if (!parsed.ok()) return parsed.status();
  return url;
}

absl::StatusOr<Options> ParseOptions(const std::vector<std::string>& arguments) {
  Raw raw;
  std::vector<std::string> others;
  if (absl::Status status = Declare(&raw).Parse(arguments, &others); !status.ok()) return status;
  if (raw.options.help) return raw.options;
  if (others.size() != (raw.listen.empty() ? 1 : 0)) {
    return ErrnoStatus(EINVAL, "one URL is needed, or --listen=ADDRESS:PORT without one");
  }
  if (raw.listen.empty()) {
    absl::StatusOr<std::string> url = ParseUrl(others.front());
    if (!url.ok()) return url.status();
    raw.options.url = *std::move(url);
  } else {
    raw.options.listen = ParseEndpoint(raw.listen);
    if (!raw.options.listen.has_value()) {
      return ErrnoStatus(EINVAL, "--listen needs ADDRESS:PORT or unix:PATH");
    }
  }
  if (raw.options.message_bytes_max > websocket::kMaxFramePayload) {
    return ErrnoStatus(EINVAL,
                       absl::StrCat("--message_bytes_max is 0..", websocket::kMaxFramePayload));
  }
  const std::vector<absl::string_view> subprotocols(raw.options.subprotocols.begin(),
                                                    raw.options.subprotocols.end());
  if (!websocket::IsValidOffer(subprotocols)) {
    return ErrnoStatus(EINVAL, "--subprotocol is no token, or comes twice");
  }
  if (!raw.close.empty()) {
    if (absl::Status status = ParseClose(raw.close, &raw.options); !status.ok()) return status;
  }
  const absl::StatusOr<websocket::DeflateOptions> deflate = raw.deflate.Options();
  if (!deflate.ok()) return deflate.status();
  raw.options.deflate = *deflate;
  absl::StatusOr<RequestOptions> request = raw.request.Options();
  if (!request.ok()) return request.status();
  if (raw.options.listen.has_value() && (!request->empty() || !raw.options.trust_file.empty())) {
    return ErrnoStatus(EINVAL, "with --listen there is no request to add something to");
  }
  raw.options.request = *std::move(request);
  return raw.options;
}

std::string HelpText() {
  Raw raw;
  return absl::StrCat(
      "wscat URL\nwscat --listen=ADDRESS:PORT\n\n"
      "Sends lines of standard input as WebSocket messages, and writes messages as lines of\n"
      "standard output. URL: ws://HOST[:PORT][/PATH][?QUERY], the same with wss, or for a Unix\n"
      "socket ws+unix:PATH[:RESOURCE], where RESOURCE begins with / and the ws+ may be left "
      "out.\n\n",
      Declare(&raw).Help());
}

}  // namespace halfpipe::tools
