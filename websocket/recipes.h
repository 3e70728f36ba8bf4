#ifndef HALFPIPE_WEBSOCKET_RECIPES_H_
#define HALFPIPE_WEBSOCKET_RECIPES_H_

// The functions of RECIPES.md, for their test.

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bytestream/base/deadline.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/runtime/channel.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/tls/tls_context.h"
#include "websocket/server.h"
#include "websocket/stream.h"

namespace recipes {

absl::Status Converse(halfpipe::Runtime* runtime, halfpipe::websocket::Stream* stream,
                      halfpipe::Channel<std::string>* commands, std::string* heard);
void Relay(halfpipe::Runtime* runtime, halfpipe::websocket::Stream* near,
           halfpipe::websocket::Stream* far);
void AddProxy(halfpipe::websocket::Server* server, std::string backend);
void AddUploads(halfpipe::websocket::Server* server);
absl::StatusOr<std::string> Upload(halfpipe::websocket::Stream* stream, int fd,
                                   halfpipe::Deadline deadline);
void AddMembers(halfpipe::websocket::Server* server, std::string token);
absl::StatusOr<std::unique_ptr<halfpipe::TlsContext>> ListenWithTls(
    halfpipe::websocket::Server* server, halfpipe::IpAddress* address, std::string chain_file,
    std::string key_file);
absl::StatusOr<std::string> AskWithTls(halfpipe::Runtime* runtime, absl::string_view url,
                                       std::string trust_file, halfpipe::Deadline deadline);
void AddFiles(halfpipe::websocket::Server* server);
int ServeUntilSignal(halfpipe::websocket::Server* server);
int Survey(halfpipe::Runtime* runtime, absl::string_view url, int count,
           halfpipe::Deadline deadline);

}  // namespace recipes

#endif  // HALFPIPE_WEBSOCKET_RECIPES_H_
