// A server and its clients in one thread, in C++: an echo, a room, a client that connects again.
#include <cstdint>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/tcp.h"
#include "bytestream/net/udp.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/channel.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/tls/tls_context.h"
#include "websocket/broadcast.h"
#include "websocket/client.h"
#include "websocket/message_writer.h"
#include "websocket/reconnecting_client.h"
#include "websocket/server.h"
#include "websocket/upgrade.h"

namespace {

using halfpipe::Bundle;
using halfpipe::Channel;
using halfpipe::Deadline;
using halfpipe::Runtime;
using halfpipe::SelectClause;
namespace websocket = halfpipe::websocket;

#define RETURN_IF_ERROR(expression)    \
  do {                                 \
    absl::Status error = (expression); \
    if (!error.ok()) return error;     \
  } while (false)

// Options are named one by one, and what is left out has its default: -Wextra has no more to say.
[[maybe_unused]] void NameOptions() {
  [[maybe_unused]] const halfpipe::Runtime::Options runtime = {.stack_bytes = 65536};
  [[maybe_unused]] const halfpipe::TcpListenOptions tcp = {.backlog = 16};
  [[maybe_unused]] const halfpipe::UdpOptions udp = {.reuse_port = true};
  [[maybe_unused]] const halfpipe::TlsServerOptions tls_server = {
      .identity = {.certificates = {.file = "chain.pem"}, .key = {.file = "key.pem"}}};
  [[maybe_unused]] const halfpipe::TlsClientOptions tls_client = {.trust = {.text = "pem"}};
  [[maybe_unused]] const websocket::Options stream = {.answer_close = false};
  [[maybe_unused]] const websocket::ServerOptions server = {
      .threads = 2, .connection = {.send_time = absl::Seconds(1)}};
  [[maybe_unused]] const websocket::ClientOptions client = {
      .proxy = websocket::ClientProxy{.host = "proxy.example"}};
  [[maybe_unused]] const websocket::ReconnectOptions reconnect = {.attempts_max = 3};
  [[maybe_unused]] const websocket::ClientUpgradeOptions ask = {.host = "example.org"};
  [[maybe_unused]] const websocket::ServerUpgradeOptions answer = {.secure = true};
}

// Sends a message in ten pieces, and receives it whole.
absl::Status SendInPieces(Runtime* runtime, const std::string& url, Deadline deadline) {
  websocket::Client client(runtime);
  auto stream = client.Connect(url, deadline);
  RETURN_IF_ERROR(stream.status());
  websocket::MessageWriter writer(stream->get(), websocket::MessageType::kBinary);
  const std::vector<uint8_t> piece(10'000, 7);
  for (int i = 0; i < 10; ++i) RETURN_IF_ERROR(writer.Write(absl::MakeConstSpan(piece), deadline));
  RETURN_IF_ERROR(writer.Finish(deadline));
  auto message = (*stream)->ReceiveView(deadline);
  RETURN_IF_ERROR(message.status());
  if (!message->has_value() || (*message)->payload.size() != 100'000) {
    return absl::InternalError("not what was sent");
  }
  return (*stream)->Close(1000, "", deadline);
}

// What one says the other hears.
absl::Status Chat(Runtime* runtime, const std::string& url, Deadline deadline) {
  websocket::Client client(runtime);
  auto one = client.Connect(url, deadline);
  RETURN_IF_ERROR(one.status());
  auto other = client.Connect(url, deadline);
  RETURN_IF_ERROR(other.status());
  RETURN_IF_ERROR((*one)->SendText("hello", deadline));
  auto heard = (*other)->ReceiveView(deadline);
  RETURN_IF_ERROR(heard.status());
  if (!heard->has_value() || (*heard)->text() != "hello") return absl::InternalError("not heard");
  return absl::OkStatus();
}

// Hands what a client receives to another coroutine, by a channel.
absl::Status Follow(Runtime* runtime, const std::string& url, Deadline deadline) {
  Channel<std::string> received(runtime);
  websocket::ReconnectHandlers handlers;
  handlers.on_open = [deadline](websocket::Stream& stream) {
    static_cast<void>(stream.SendText("subscribe", deadline));
  };
  handlers.on_message = [&](websocket::Stream&, websocket::MessageView message) {
    static_cast<void>(received.Send(std::string(message.text()), deadline));
  };
  websocket::ReconnectingClient client(runtime, url, {}, {}, std::move(handlers));
  absl::Status ended;
  Bundle bundle(runtime);
  RETURN_IF_ERROR(bundle.Go([&] { ended = client.Run(); }));
  std::optional<std::string> text;
  SelectClause clauses[] = {received.ReceiveClause(&text)};
  RETURN_IF_ERROR(halfpipe::Select(runtime, absl::MakeSpan(clauses), deadline).status());
  if (text != "subscribe") return absl::InternalError("not what was sent");
  RETURN_IF_ERROR(client.Close(1000, ""));
  if (bundle.Wait(deadline) != 0) return absl::DeadlineExceededError("Run() goes on");
  return ended;
}

absl::Status Run() {
  Runtime runtime;
  const Deadline deadline = Deadline::In(absl::Seconds(10));
  websocket::Broadcast room;
  websocket::Server server(&runtime, {});
  server.Handle("/echo", {.on_message = [](websocket::Connection& connection,
                                           websocket::MessageView message) {
                  static_cast<void>(connection.Send(message));
                }});
  server.Handle("/chat",
                {.on_open = [&](websocket::Connection& connection) { room.Join(connection); },
                 .on_message =
                     [&](websocket::Connection&, websocket::MessageView message) {
                       static_cast<void>(room.Send(message.type, message.text()));
                     }});
  auto address = server.ListenTcp(halfpipe::IpAddress::Loopback(halfpipe::IpFamily::kIpv4, 0));
  RETURN_IF_ERROR(address.status());
  RETURN_IF_ERROR(server.Start());
  const std::string url = "ws://127.0.0.1:" + std::to_string(address->port());
  RETURN_IF_ERROR(SendInPieces(&runtime, url + "/echo", deadline));
  RETURN_IF_ERROR(Chat(&runtime, url + "/chat", deadline));
  RETURN_IF_ERROR(Follow(&runtime, url + "/echo", deadline));
  server.Drain(absl::Seconds(1));
  return server.Wait(deadline);
}

}  // namespace

int main() {
  const absl::Status status = Run();
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
