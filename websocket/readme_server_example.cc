#include <iostream>

#include "websocket/broadcast.h"
#include "websocket/client.h"
#include "websocket/reconnecting_client.h"
#include "websocket/server.h"

using namespace halfpipe;
using namespace halfpipe::websocket;

int Echo() {
  Server server;
  server.Handle("/echo", {.on_message = [](Connection& connection, MessageView message) {
                  static_cast<void>(connection.Send(message));
                }});
  if (!server.ListenTcp(IpAddress::Any(IpFamily::kIpv4, 8080)).ok()) return 1;
  return server.Run().ok() ? 0 : 1;  // until somebody calls server.Drain()
}
// A chat: what one says all hear. The room is there before the server starts, and after it.
void AddChat(Server* server, Broadcast* room) {
  server->Handle("/chat", {.on_open = [room](Connection& c) { room->Join(c); },
                           .on_message =
                               [room](Connection&, MessageView message) {
                                 static_cast<void>(room->Send(message.type, message.text()));
                               }});
}
// A push server: nothing is received; another thread sends.
void AddTicks(Server* server, Broadcast* ticks) {
  server->Handle("/ticks", {.on_open = [ticks](Connection& c) { ticks->Join(c); }});
}
void Tick(Broadcast* ticks, absl::string_view price) {
  static_cast<void>(ticks->Send(MessageType::kText, price));
}
absl::Status Greet(Runtime* runtime, Deadline deadline) {
  Client client(runtime);
  auto stream = client.Connect("wss://example.org/chat", deadline);
  if (!stream.ok()) return stream.status();
  absl::Status sent = (*stream)->SendText("hello", deadline);
  return sent.ok() ? (*stream)->Close(1000, "", deadline) : sent;
}
absl::Status Follow(Runtime* runtime) {
  ReconnectHandlers handlers;
  handlers.on_open = [](Stream& stream) {
    static_cast<void>(stream.SendText("subscribe", Deadline::In(absl::Seconds(5))));
  };
  handlers.on_message = [](Stream&, MessageView message) { std::cout << message.text() << "\n"; };
  ReconnectingClient client(runtime, "wss://example.org/ticks", {}, {}, std::move(handlers));
  return client.Run();
}
