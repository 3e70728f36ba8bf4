#include "tools/wsecho/echo_service.h"

#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "bytestream/base/errno_status.h"
#include "http/core/message.h"
#include "http/core/response.h"
#include "http/core/upgrade.h"
#include "tools/wsecho/page.h"
#include "websocket/connection.h"
#include "websocket/core/close_code.h"
#include "websocket/server_options.h"
#include "websocket/stream.h"

namespace halfpipe::tools {
namespace {

void Echo(websocket::Connection& connection, websocket::MessageView message) {
  // After any other failure the connection's end has begun.
  if (StatusErrno(connection.Send(message)) != ETIMEDOUT) return;
  static_cast<void>(
      connection.Close(websocket::kClosePolicyViolation, "what is sent back is not read"));
}

http::Response AnswerPlain(const http::RequestHead& head) {
  http::RequestAddress address;
  const bool good = http::CheckRequestAddress(head, &address) == http::UpgradeError::kNone;
  const absl::string_view path = address.resource.substr(0, address.resource.find('?'));
  if (!good || path != "/") return http::TextResponse(404, "There is nothing here but /\n");
  return http::TextResponse(200, std::string(EchoPage()), "text/html; charset=utf-8");
}

}  // namespace

void AddEcho(websocket::Server* server, const websocket::Options& connection) {
  websocket::Handler echo;
  echo.on_message = Echo;
  echo.options = connection;
  server->HandlePrefix("/", std::move(echo));
  server->HandlePlain(AnswerPlain);
}

}  // namespace halfpipe::tools
