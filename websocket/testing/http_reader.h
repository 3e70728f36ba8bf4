#ifndef HALFPIPE_WEBSOCKET_TESTING_HTTP_READER_H_
#define HALFPIPE_WEBSOCKET_TESTING_HTTP_READER_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace halfpipe::websocket {

// A head off the wire.
struct HttpHead {
  std::string start_line;
  std::vector<std::pair<std::string, std::string>> fields;  // names in lower case
  size_t size = 0;                                          // with its empty line
  // The rule that was broken first; empty if none was.
  std::string breach;

  // How many fields are called `name`, in lower case; the value of the last one, or "".
  size_t Count(absl::string_view name) const;
  std::string Value(absl::string_view name) const;
};

// Reads what an endpoint has sent as the strictest of peers would (RFC 9112 sections 2 to 5): CRLF
// everywhere, tokens and one space where they are due, no controls. For tests and fuzzers, written
// apart from the production parser.
HttpHead ReadHttpHead(absl::string_view bytes);

// What a server has sent on one connection: responses with their content, then perhaps a 101.
struct ServerOutput {
  std::vector<int> statuses;
  HttpHead last;           // The head of the last response.
  std::string behind_101;  // The frames behind a 101.
  std::string breach;      // Of a response, or a lack of one where there are bytes; empty if none.
};

// Every response has a Content-Length that is true (none: its status has no content), a 101 has
// what RFC 6455 section 4.2.2 asks for. Not for answers to HEAD that tell a length.
ServerOutput ReadServerOutput(absl::string_view bytes);

// What is wrong with the head of a client's opening handshake (RFC 6455 section 4.1); empty if
// nothing is. *size is that of the head.
std::string JudgeClientHead(absl::string_view bytes, size_t* size);

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_TESTING_HTTP_READER_H_
