// WebSocket++ as a client and as an echo server. native_script.h has the arguments. No part of the
// build: a test compiles it.

#include <websocketpp/client.hpp>
#include <websocketpp/config/asio_no_tls.hpp>
#include <websocketpp/config/asio_no_tls_client.hpp>
#include <websocketpp/extensions/permessage_deflate/enabled.hpp>
#include <websocketpp/server.hpp>
#include <websocketpp/version.hpp>

#include "tools/interop/native_script.h"

namespace halfpipe::interop {
namespace {

std::string deflate_wanted;

// The library's, with what this program was told. As a client it offers always the same.
struct DeflateConfig {
  typedef websocketpp::http::parser::request request_type;
};

class Deflate : public websocketpp::extensions::permessage_deflate::enabled<DeflateConfig> {
 public:
  Deflate() {
    namespace mode = websocketpp::extensions::permessage_deflate::mode;
    if (deflate_wanted == "no-context") {
      enable_server_no_context_takeover();
      enable_client_no_context_takeover();
    } else if (deflate_wanted == "windows") {
      set_server_max_window_bits(9, mode::smallest);
      set_client_max_window_bits(10, mode::smallest);
    }
  }

  bool is_implemented() const { return !deflate_wanted.empty(); }
};

struct ClientConfig : public websocketpp::config::asio_client {
  typedef Deflate permessage_deflate_type;
};
struct ServerConfig : public websocketpp::config::asio {
  typedef Deflate permessage_deflate_type;
};

using Client = websocketpp::client<ClientConfig>;
using Server = websocketpp::server<ServerConfig>;

template <typename Endpoint>
void Do(const std::optional<Action>& action, typename Endpoint::connection_ptr connection) {
  namespace opcode = websocketpp::frame::opcode;
  if (!action) return;
  if (action->kind == Action::kPing) return connection->ping(Joined(action->pieces));
  if (action->kind == Action::kClose) {
    return connection->close(action->code, Joined(action->pieces));
  }
  const opcode::value type = action->binary ? opcode::binary : opcode::text;
  if (action->pieces.size() == 1) {
    connection->send(action->pieces[0], type);
    return;
  }
  // It has no call for fragments, but sends what a message says of itself; uncompressed, since it
  // would compress each on its own.
  for (size_t i = 0; i < action->pieces.size(); ++i) {
    auto frame = connection->get_message(i == 0 ? type : opcode::continuation, 0);
    frame->set_payload(action->pieces[i]);
    frame->set_fin(i + 1 == action->pieces.size());
    frame->set_compressed(false);
    connection->send(frame);
  }
}

template <typename Endpoint>
void SetUp(Endpoint* endpoint) {
  endpoint->clear_access_channels(websocketpp::log::alevel::all);
  endpoint->clear_error_channels(websocketpp::log::elevel::all);
  endpoint->init_asio();
}

std::string ExtensionsOf(const std::string& field) { return "extensions " + field; }

int RunClient(const Command& command) {
  Client client;
  SetUp(&client);
  ClientScript script(command);
  const auto connection_of = [&](websocketpp::connection_hdl handle) {
    return client.get_con_from_hdl(handle);
  };
  client.set_open_handler([&](websocketpp::connection_hdl handle) {
    const auto connection = connection_of(handle);
    if (command.mode == "deflate") {
      Say(ExtensionsOf(connection->get_response_header("Sec-WebSocket-Extensions")));
    }
    Do<Client>(script.Opened(), connection);
  });
  client.set_message_handler([&](websocketpp::connection_hdl handle, Client::message_ptr message) {
    const bool binary = message->get_opcode() == websocketpp::frame::opcode::binary;
    Do<Client>(script.Message(binary, message->get_payload()), connection_of(handle));
  });
  client.set_pong_handler([&](websocketpp::connection_hdl handle, std::string payload) {
    Do<Client>(script.Pong(payload), connection_of(handle));
  });
  client.set_close_handler([&](websocketpp::connection_hdl handle) {
    const auto connection = connection_of(handle);
    script.Closed(connection->get_remote_close_code(), connection->get_remote_close_reason());
  });
  client.set_fail_handler([&](websocketpp::connection_hdl handle) {
    ClientScript::Fail(connection_of(handle)->get_ec().message());
  });
  websocketpp::lib::error_code error;
  const std::string url =
      "ws://" + command.host + ":" + std::to_string(command.port) + command.path;
  const auto connection = client.get_connection(url, error);
  if (error) ClientScript::Fail(error.message());
  client.connect(connection);
  client.run();
  ClientScript::Fail("the end, too early");
}

int RunServer() {
  Server server;
  SetUp(&server);
  const auto connection_of = [&](websocketpp::connection_hdl handle) {
    return server.get_con_from_hdl(handle);
  };
  server.set_open_handler([&](websocketpp::connection_hdl handle) {
    const auto connection = connection_of(handle);
    Say("connection " + connection->get_resource() + " " + connection->get_request_header("Host"));
    if (!deflate_wanted.empty()) {
      Say(ExtensionsOf(connection->get_response_header("Sec-WebSocket-Extensions")));
    }
  });
  server.set_message_handler([&](websocketpp::connection_hdl handle, Server::message_ptr message) {
    const bool binary = message->get_opcode() == websocketpp::frame::opcode::binary;
    Do<Server>(AnswerTo(binary, message->get_payload()), connection_of(handle));
  });
  server.set_pong_handler(
      [&](websocketpp::connection_hdl, std::string payload) { Say("pong " + payload); });
  server.set_close_handler([&](websocketpp::connection_hdl handle) {
    const auto connection = connection_of(handle);
    Say("closed " + std::to_string(connection->get_remote_close_code()) + " " +
        connection->get_remote_close_reason());
  });
  server.listen(asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  server.start_accept();
  websocketpp::lib::asio::error_code error;
  Say("port " + std::to_string(server.get_local_endpoint(error).port()));
  asio::posix::stream_descriptor input(server.get_io_service(), dup(STDIN_FILENO));
  char byte;
  asio::async_read(input, asio::buffer(&byte, 1), [](const auto&, size_t) { std::exit(0); });
  server.run();
  return 1;
}

int Run(int argc, char** argv) {
  const Command command(argc, argv);
  deflate_wanted = command.deflate;
  if (command.mode == "version") {
    Say(std::to_string(websocketpp::major_version) + "." +
        std::to_string(websocketpp::minor_version) + "." +
        std::to_string(websocketpp::patch_version));
    return 0;
  }
  return command.mode == "server" ? RunServer() : RunClient(command);
}

}  // namespace
}  // namespace halfpipe::interop

int main(int argc, char** argv) { return halfpipe::interop::Run(argc, argv); }
