#include <iostream>

#include "bytestream/net/tcp_by_name.h"
#include "bytestream/runtime/runtime.h"
#include "websocket/stream.h"
#include "websocket/upgrade.h"

using namespace halfpipe;

absl::Status Greet(Deadline deadline) {
  Runtime& runtime = Runtime::Current();
  auto tcp = TcpConnectByName(&runtime, "www.example.org", 80, deadline);
  if (!tcp.ok()) return tcp.status();
  absl::Status upgraded = websocket::ClientUpgrade(
      &runtime, tcp->get(), {.target = "/", .host = "www.example.org"}, nullptr, deadline);
  if (!upgraded.ok()) return upgraded;

  websocket::Stream stream(&runtime, BytestreamPtr(tcp->release()),
                           {.role = websocket::Role::kClient});
  absl::Status sent = stream.SendText("Hello, world!", deadline);
  if (!sent.ok()) return sent;
  auto message = stream.ReceiveView(deadline);
  if (!message.ok()) return message.status();
  if (message->has_value()) std::cout << (*message)->text() << "\n";
  return stream.Close(1000, "", deadline);
}

int main() {
  const absl::Status status = Greet(Deadline::In(absl::Seconds(10)));
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
