#ifndef HALFPIPE_TOOLS_WSCAT_OPTIONS_H_
#define HALFPIPE_TOOLS_WSCAT_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/wscat/request_flags.h"
#include "tools/wsecho/endpoint.h"
#include "websocket/options.h"

namespace halfpipe::tools {

// What the arguments of wscat say.
struct Options {
  bool help = false;
  // One of the two, unless `help`.
  std::string url;  // As websocket::Client takes it.
  std::optional<Endpoint> listen;

  bool echo = false;
  bool binary = false;
  bool ping = false;
  int close_code = 1000;  // 0: a Close without a code.
  std::string close_reason;
  uint64_t message_bytes_max = uint64_t{16} << 20;
  websocket::DeflateOptions deflate;
  // What is offered; with `listen`, what is accepted.
  std::vector<std::string> subprotocols;
  RequestOptions request;
  std::string trust_file;  // Empty: the system's roots.
};

// What websocket::ParseClientUrl() reads, whose "ws+" may be left out before "unix:". EINVAL with a
// line for people: any other text.
absl::StatusOr<std::string> ParseUrl(absl::string_view text);

// The arguments without the program's name. EINVAL: a line for people. Pure.
absl::StatusOr<Options> ParseOptions(const std::vector<std::string>& arguments);

// What --help prints.
std::string HelpText();

}  // namespace halfpipe::tools

#endif  // HALFPIPE_TOOLS_WSCAT_OPTIONS_H_
