#include "tools/wscat/options.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "bytestream/base/errno_status.h"
#include "http/core/url.h"
#include "tools/wsecho/deflate_flags.h"
#include "tools/wsecho/flags.h"
#include "websocket/core/close_code.h"

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

absl::StatusOr<Destination> ParseDestination(absl::string_view text) {
  Destination destination;
  absl::string_view rest = text;
  static_cast<void>(absl::ConsumePrefix(&rest, "ws+"));
  if (absl::StartsWith(rest, "unix:")) {
    const std::optional<Endpoint> endpoint = ParseEndpoint(rest);
    if (!endpoint.has_value()) {
      return ErrnoStatus(EINVAL, "the path of a Unix socket has 1..107 bytes");
    }
    destination.unix_path = endpoint->unix_path;
    return destination;
  }
  http::Url url;
  const http::UrlError error = http::ParseUrl(text, &url);
  if (error != http::UrlError::kNone) {
    return ErrnoStatus(EINVAL, absl::StrCat("the URL is none: ", http::UrlErrorText(error)));
  }
  if (url.scheme != http::Scheme::kWs && url.scheme != http::Scheme::kWss) {
    return ErrnoStatus(EINVAL, "the URL is to begin with ws: or wss:");
  }
  destination.url = http::UrlText(url);
  return destination;
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
    absl::StatusOr<Destination> destination = ParseDestination(others.front());
    if (!destination.ok()) return destination.status();
    raw.options.destination = *destination;
  } else {
    raw.options.listen = ParseEndpoint(raw.listen);
    if (!raw.options.listen.has_value()) {
      return ErrnoStatus(EINVAL, "--listen needs ADDRESS:PORT or unix:PATH");
    }
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
      "standard output. URL: ws://HOST[:PORT]/PATH, the same with wss, or unix:PATH.\n\n",
      Declare(&raw).Help());
}

}  // namespace halfpipe::tools
