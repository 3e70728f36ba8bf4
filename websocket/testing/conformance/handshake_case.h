#ifndef HALFPIPE_WEBSOCKET_TESTING_CONFORMANCE_HANDSHAKE_CASE_H_
#define HALFPIPE_WEBSOCKET_TESTING_CONFORMANCE_HANDSHAKE_CASE_H_

#include <string>
#include <vector>

#include "websocket/upgrade.h"

namespace halfpipe::websocket::conformance {

// What RFC 6455 section 4, RFC 7692 section 7.1 and the parts of RFC 9110 and RFC 9112 that an
// upgrade touches ask of either side of the opening handshake, as data.

// A head that differs from a good one. Each field is a whole line without its CRLF.
struct Head {
  std::string start_line = {};            // In place of the good one, if not empty.
  std::vector<std::string> without = {};  // Names of fields that are left out.
  std::vector<std::string> with = {};     // Fields that are added at the end.
  std::string raw = {};                   // All the bytes, if not empty.
  std::string behind = {};                // Bytes behind the head.
};

// A request to a server of ours.
struct RequestCase {
  std::string name;     // Unique.
  std::string section;  // "6455 4.2.1", "9112 3.2", ...
  Head head = {};
  int status = 101;  // Of the answer; 0 for none.
  int error = 0;     // Of the call.
  // Fields that the answer has to have, "name: value" with the name in lower case.
  std::vector<std::string> answer = {};
  std::string resource = "/chat";
  std::string host = "server.example.com";
  std::string subprotocol = {};
  std::string extension = {};      // The answer's Sec-WebSocket-Extensions.
  std::vector<int> statuses = {};  // Of all answers, if there is more than the last one to say.
  // Changes the server's options, if not null.
  void (*options)(ServerUpgradeOptions*) = nullptr;
  bool plain = false;  // Plain requests are answered.
};

// An answer to a client of ours, whose request is the RFC's own: key dGhlIHNhbXBsZSBub25jZQ==,
// subprotocols "chat" and "superchat".
struct AnswerCase {
  std::string name;
  std::string section;
  Head head = {};
  int status = 101;  // That the caller is told.
  int error = 0;     // Of the call.
  std::string subprotocol = {};
  bool deflate = false;  // Agreed on.
  std::string body = {};
  void (*options)(ClientUpgradeOptions*) = nullptr;
};

std::vector<RequestCase> RequestCases();
std::vector<AnswerCase> AnswerCases();

// The bytes of a request, of an answer.
std::string RequestBytes(const Head& head);
std::string AnswerBytes(const Head& head);

}  // namespace halfpipe::websocket::conformance

#endif  // HALFPIPE_WEBSOCKET_TESTING_CONFORMANCE_HANDSHAKE_CASE_H_
