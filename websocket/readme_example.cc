#include <iostream>

#include "websocket/client.h"
#include "websocket/server.h"

using namespace halfpipe;

// Sends every message back, until somebody calls server.Drain().
absl::Status Echo(uint16_t port) {
  websocket::Server server;
  server.Handle(
      "/", {.on_message = [](websocket::Connection& connection, websocket::MessageView message) {
        static_cast<void>(connection.Send(message));
      }});
  auto address = server.ListenTcp(IpAddress::Any(IpFamily::kIpv4, port));
  if (!address.ok()) return address.status();
  return server.Run();
}

// One deadline for all of it: name, addresses, TLS, opening handshake, message, closing handshake.
absl::Status Greet(absl::string_view url, Deadline deadline) {
  websocket::Client client(&Runtime::Current());
  auto stream = client.Connect(url, deadline);
  if (!stream.ok()) return stream.status();
  absl::Status sent = (*stream)->SendText("Hello, world!", deadline);
  if (!sent.ok()) return sent;
  auto message = (*stream)->ReceiveView(deadline);
  if (!message.ok()) return message.status();
  if (message->has_value()) std::cout << (*message)->text() << "\n";
  return (*stream)->Close(1000, "", deadline);
}

int main(int argc, char** argv) {
  const absl::Status status =
      argc > 1 ? Greet(argv[1], Deadline::In(absl::Seconds(10))) : Echo(8080);
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
