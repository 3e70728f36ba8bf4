#ifndef HALFPIPE_WEBSOCKET_SERVER_TEST_SUPPORT_H_
#define HALFPIPE_WEBSOCKET_SERVER_TEST_SUPPORT_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/runtime.h"
#include "gtest/gtest.h"
#include "websocket/core/role.h"
#include "websocket/server.h"
#include "websocket/stream.h"
#include "websocket/upgrade.h"

// For tests of servers: clients over pairs in memory, on the server's runtime.

namespace halfpipe::websocket {

inline Deadline Soon() { return Deadline::In(absl::Seconds(60)); }

// The client's end of a new connection of `server`.
inline BytestreamPtr ConnectPair(Runtime* runtime, Server* server, PairOptions options = {}) {
  auto [client, theirs] = MakePair(runtime, options);
  const absl::Status served = server->Serve(std::move(theirs));
  EXPECT_TRUE(served.ok()) << served;
  return std::move(client);
}

// A client that has upgraded `lower`; null if it was refused, with *status the status of that.
inline std::unique_ptr<Stream> UpgradeClient(Runtime* runtime, BytestreamPtr lower,
                                             absl::string_view path, int* http_status = nullptr,
                                             DeflateOptions deflate = {}) {
  ClientUpgradeOptions options;
  options.target = path;
  options.host = "test.example";
  options.deflate = deflate;
  ClientUpgradeResult result;
  const absl::Status status = ClientUpgrade(runtime, lower.get(), options, &result, Soon());
  if (http_status != nullptr) {
    *http_status = result.status;
  } else {
    EXPECT_TRUE(status.ok()) << status;
  }
  if (!status.ok()) return nullptr;
  return std::make_unique<Stream>(runtime, std::move(lower), StreamOptions(options, result));
}

inline std::unique_ptr<Stream> OpenPair(Runtime* runtime, Server* server, absl::string_view path,
                                        PairOptions options = {}) {
  return UpgradeClient(runtime, ConnectPair(runtime, server, options), path);
}

// The text of the next message; nothing at the peer's Close, or if it fails.
inline std::optional<std::string> ReceiveText(Stream* stream, Deadline deadline) {
  const auto message = stream->ReceiveView(deadline);
  if (!message.ok() || !message->has_value()) return std::nullopt;
  return std::string((*message)->text());
}
inline std::optional<std::string> ReceiveText(Stream* stream) {
  return ReceiveText(stream, Soon());
}

// Sends every message back.
inline Handler EchoHandler() {
  return {.on_message = [](Connection& connection, MessageView message) {
    static_cast<void>(connection.Send(message));
  }};
}

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_SERVER_TEST_SUPPORT_H_
