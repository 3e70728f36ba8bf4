// libwebsockets as a client and as an echo server. native_script.h has the arguments. No part of the
// build: a test compiles it.

#include <libwebsockets.h>
#include <poll.h>

#include <csignal>
#include <deque>
#include <map>

#include "tools/interop/native_script.h"

namespace halfpipe::interop {
namespace {

// What is to be sent on a connection, in order, one lws_write() each.
struct Frame {
  int protocol;  // Of lws_write().
  std::string payload;
  int close_code = 0;  // Not 0: instead of all that, a Close.
};

struct Connection {
  std::deque<Frame> outbound;
  std::string message;  // What has come of it.
  std::string extensions;
  int close_code = 1005;  // The peer's.
  std::string close_reason;
  bool closing = false;  // We have sent the Close, with this code.
  int sent_code = 0;
};

Command* command;
ClientScript* script;
std::map<struct lws*, Connection> connections;
std::string offered;  // What the extension was made with, as the library told it.

void Do(struct lws* wsi, const std::optional<Action>& action) {
  if (!action) return;
  std::deque<Frame>& outbound = connections[wsi].outbound;
  if (action->kind == Action::kPing) {
    outbound.push_back({LWS_WRITE_PING, Joined(action->pieces)});
  } else if (action->kind == Action::kClose) {
    outbound.push_back({0, Joined(action->pieces), action->code});
  } else {
    for (size_t i = 0; i < action->pieces.size(); ++i) {
      int protocol = action->binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT;
      if (i > 0) protocol = LWS_WRITE_CONTINUATION;
      if (i + 1 < action->pieces.size()) protocol |= LWS_WRITE_NO_FIN;
      outbound.push_back({protocol, action->pieces[i]});
    }
  }
  lws_callback_on_writable(wsi);
}

// Not 0 ends the connection.
int Write(struct lws* wsi) {
  Connection& connection = connections[wsi];
  if (connection.outbound.empty()) return 0;
  Frame frame = connection.outbound.front();
  connection.outbound.pop_front();
  if (frame.close_code != 0) {
    connection.closing = true;
    connection.sent_code = frame.close_code;
    lws_close_reason(wsi, static_cast<lws_close_status>(frame.close_code),
                     reinterpret_cast<unsigned char*>(&frame.payload[0]), frame.payload.size());
    return -1;
  }
  std::string buffer(LWS_PRE, '\0');
  buffer += frame.payload;
  const int written =
      lws_write(wsi, reinterpret_cast<unsigned char*>(&buffer[LWS_PRE]), frame.payload.size(),
                static_cast<lws_write_protocol>(frame.protocol));
  if (written < 0) return -1;
  if (!connection.outbound.empty()) lws_callback_on_writable(wsi);
  return 0;
}

void Receive(struct lws* wsi, const void* in, size_t size) {
  Connection& connection = connections[wsi];
  connection.message.append(static_cast<const char*>(in), size);
  if (lws_remaining_packet_payload(wsi) != 0 || !lws_is_final_fragment(wsi)) return;
  const std::string message = std::move(connection.message);
  connection.message.clear();
  const bool binary = lws_frame_is_binary(wsi) != 0;
  Do(wsi, script != nullptr ? script->Message(binary, message) : AnswerTo(binary, message));
}

std::string Field(struct lws* wsi, lws_token_indexes token) {
  char value[512] = "";
  lws_hdr_copy(wsi, value, sizeof(value), token);
  return value;
}

void Closed(struct lws* wsi) {
  Connection connection = connections[wsi];
  connections.erase(wsi);
  // It does not tell with what its own Close was answered.
  if (connection.closing) connection.close_code = connection.sent_code;
  if (script != nullptr) script->Closed(connection.close_code, connection.close_reason);
  Say("closed " + std::to_string(connection.close_code) + " " + connection.close_reason);
}

int OnEvent(struct lws* wsi, lws_callback_reasons reason, void*, void* in, size_t size) {
  switch (reason) {
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION: {
      std::string target = Field(wsi, WSI_TOKEN_GET_URI);
      const std::string query = Field(wsi, WSI_TOKEN_HTTP_URI_ARGS);
      if (!query.empty()) target += "?" + query;
      Say("connection " + target + " " + Field(wsi, WSI_TOKEN_HOST));
      return 0;
    }
    case LWS_CALLBACK_ESTABLISHED:
      connections[wsi];
      if (!command->deflate.empty()) Say("extensions " + offered);
      return 0;
    case LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH:
      if (command->mode == "deflate") Say("extensions " + Field(wsi, WSI_TOKEN_EXTENSIONS));
      return 0;
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
      Do(wsi, script->Opened());
      return 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
      ClientScript::Fail(in != nullptr ? static_cast<const char*>(in) : "no connection");
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_CLIENT_RECEIVE:
      Receive(wsi, in, size);
      return 0;
    case LWS_CALLBACK_RECEIVE_PONG:
      Say("pong " + std::string(static_cast<const char*>(in), size));
      return 0;
    case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
      Do(wsi, script->Pong(std::string(static_cast<const char*>(in), size)));
      return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_CLIENT_WRITEABLE:
      return Write(wsi);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE: {
      const auto* const payload = static_cast<const unsigned char*>(in);
      Connection& connection = connections[wsi];
      if (size >= 2) {
        connection.close_code = payload[0] << 8 | payload[1];
        connection.close_reason.assign(reinterpret_cast<const char*>(payload) + 2, size - 2);
      }
      return 0;
    }
    case LWS_CALLBACK_CLOSED:
    case LWS_CALLBACK_CLIENT_CLOSED:
      Closed(wsi);
      return 0;
    default:
      return 0;
  }
}

// The library's extension, and what it was told about itself.
int OnExtensionEvent(struct lws_context* context, const struct lws_extension* extension,
                     struct lws* wsi, lws_extension_callback_reasons reason, void* user, void* in,
                     size_t size) {
  if (reason == LWS_EXT_CB_CONSTRUCT) offered = "permessage-deflate";
  if (reason == LWS_EXT_CB_OPTION_SET) {
    const auto* const option = static_cast<const lws_ext_option_arg*>(in);
    static const char* const names[] = {"server_no_context_takeover", "client_no_context_takeover",
                                        "server_max_window_bits", "client_max_window_bits"};
    offered += "; ";
    offered += option->option_name ? option->option_name : names[option->option_index % 4];
    if (option->len > 0) offered += "=" + std::string(option->start, option->len);
  }
  return lws_extension_callback_pm_deflate(context, extension, wsi, reason, user, in, size);
}

const char* Offer() {
  if (command->deflate == "no-context") {
    return "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
  }
  if (command->deflate == "windows") {
    return "permessage-deflate; server_max_window_bits=9; client_max_window_bits=10";
  }
  return "permessage-deflate";
}

int Run(int argc, char** argv) {
  Command arguments(argc, argv);
  command = &arguments;
  if (command->mode == "version") {
    Say(lws_get_library_version());
    return 0;
  }
  const bool server = command->mode == "server";
  lws_set_log_level(LLL_ERR, nullptr);
  const lws_protocols protocols[] = {{"http", OnEvent, 0, 1 << 16, 0, nullptr, 0},
                                     {nullptr, nullptr, 0, 0, 0, nullptr, 0}};
  const lws_extension extensions[] = {{"permessage-deflate", OnExtensionEvent, Offer()},
                                      {nullptr, nullptr, nullptr}};
  lws_context_creation_info info = {};
  info.port = server ? 0 : CONTEXT_PORT_NO_LISTEN;
  info.iface = "127.0.0.1";
  info.vhost_name = "peer";
  info.protocols = protocols;
  if (!command->deflate.empty()) info.extensions = extensions;
  struct lws_context* const context = lws_create_context(&info);
  if (context == nullptr) ClientScript::Fail("no context");
  if (server) {
    Say("port " +
        std::to_string(lws_get_vhost_listen_port(lws_get_vhost_by_name(context, "peer"))));
  } else {
    // With the extension, that of Debian 12 asserts that nothing is empty, and tells a pong for ever.
    script = new ClientScript(arguments, arguments.deflate.empty());
    lws_client_connect_info connect = {};
    connect.context = context;
    connect.address = arguments.host.c_str();
    connect.host = arguments.host.c_str();
    connect.port = arguments.port;
    connect.path = arguments.path.c_str();
    connect.local_protocol_name = "http";
    if (lws_client_connect_via_info(&connect) == nullptr) ClientScript::Fail("no connection");
  }
  for (;;) {
    if (lws_service(context, 0) < 0) return 1;
    // Looked at now and then, since the library would watch a socket only.
    pollfd input = {STDIN_FILENO, POLLIN, 0};
    if (server && poll(&input, 1, 0) > 0) return 0;
  }
}

}  // namespace
}  // namespace halfpipe::interop

int main(int argc, char** argv) { return halfpipe::interop::Run(argc, argv); }
