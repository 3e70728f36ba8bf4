#include "tools/wscat/opening.h"

#include <cerrno>
#include <cstdio>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/listener.h"
#include "bytestream/tls/tls_context.h"
#include "http/core/redirect.h"
#include "tools/wscat/request_flags.h"
#include "tools/wsecho/endpoint.h"
#include "tools/wsecho/listen.h"
#include "websocket/client.h"
#include "websocket/options.h"
#include "websocket/upgrade.h"

namespace halfpipe::tools {
namespace {

using websocket::ClientStep;

// For the connection and the opening handshake.
constexpr absl::Duration kOpenTime = absl::Seconds(10);
// For an answer that refuses to arrive.
constexpr absl::Duration kRefuseTime = absl::Seconds(2);

// What to say of a failure. A peer's own words say why; where they are the system's or nobody's, the
// errno does.
std::string Why(const absl::Status& status, bool peers_words) {
  const int error = StatusErrno(status);
  if (error == ECANCELED) return "";
  const bool said = error == EINVAL || error == EPROTO || (peers_words && error == EACCES);
  return said ? std::string(status.message())
              : absl::StrCat(status.message(), ": ", ErrnoName(error));
}

Opened Failed(ExitStatus failed, const absl::Status& status, bool peers_words = false) {
  Opened opened;
  opened.failed = failed;
  opened.why = Why(status, peers_words);
  return opened;
}

websocket::ClientOptions RequestOf(const Options& options, const TlsContext* tls) {
  const RequestOptions& said = options.request;
  websocket::ClientOptions client;
  client.fields = said.fields;
  client.cookies = said.cookies;
  client.bearer = said.bearer;
  if (said.basic.has_value()) {
    client.user = said.basic->user;
    client.password = said.basic->password;
  }
  client.origin = said.origin;
  if (said.follow) client.redirects_max = http::RedirectChain::kDefaultHopsMax;
  client.subprotocols = options.subprotocols;
  client.tls = tls;
  client.stream.message_bytes_max = options.message_bytes_max;
  client.stream.deflate = options.deflate;
  return client;
}

ExitStatus StatusOf(ClientStep step, int error) {
  // The name of a Unix socket, and what may not be sent, are arguments.
  if (error == EINVAL || (error == ENAMETOOLONG && step == ClientStep::kDial)) {
    return ExitStatus::kUsage;
  }
  return step >= ClientStep::kTls ? ExitStatus::kRefused : ExitStatus::kNoConnection;
}

absl::StatusOr<std::unique_ptr<FdStream>> AcceptOne(Runtime* runtime, Endpoint endpoint) {
  const absl::StatusOr<int> listening = ListenAt(&endpoint);
  if (!listening.ok()) return listening.status();
  const SocketFile file(endpoint.unix_path);
  Listener listener(runtime, *listening);
  std::fputs(absl::StrCat("listening on ", EndpointUrl(endpoint), "\n").c_str(), stderr);
  const absl::StatusOr<int> accepted = listener.Accept(Deadline::Never());
  if (!accepted.ok()) return accepted.status();
  return std::make_unique<FdStream>(runtime, *accepted);
}

}  // namespace

Opened OpenClient(Runtime* runtime, const Options& options) {
  std::unique_ptr<TlsContext> tls;
  if (!options.trust_file.empty()) {
    TlsClientOptions trust;
    trust.trust.file = options.trust_file;
    auto context = TlsContext::ForClient(trust);
    if (!context.ok()) return Failed(ExitStatus::kUsage, context.status());
    tls = *std::move(context);
  }
  websocket::Client client(runtime, RequestOf(options, tls.get()));
  auto stream = client.Connect(options.url, Deadline::In(kOpenTime));
  const websocket::ClientResponse& response = client.response();
  if (stream.ok()) {
    Opened opened;
    opened.stream = *std::move(stream);
    opened.subprotocol = response.subprotocol;
    return opened;
  }
  Opened opened = Failed(StatusOf(response.step, StatusErrno(stream.status())), stream.status(),
                         response.step >= ClientStep::kProxy);
  opened.refusal = response.body;
  return opened;
}

Opened OpenServer(Runtime* runtime, const Options& options) {
  absl::StatusOr<std::unique_ptr<FdStream>> socket = AcceptOne(runtime, *options.listen);
  if (!socket.ok()) return Failed(ExitStatus::kNoConnection, socket.status());
  websocket::ServerUpgradeOptions upgrade;
  const std::vector<absl::string_view> subprotocols(options.subprotocols.begin(),
                                                    options.subprotocols.end());
  upgrade.subprotocols = subprotocols;
  upgrade.deflate = options.deflate;
  upgrade.head_time_max = kOpenTime;
  upgrade.answer_time_max = kOpenTime;
  websocket::ServerUpgradeResult result;
  const absl::Status upgraded = websocket::ServerUpgrade(
      runtime, socket->get(), upgrade,
      [](const websocket::UpgradeRequest&) { return websocket::UpgradeDecision::Accept(); },
      Deadline::In(2 * kOpenTime), &result);
  if (!upgraded.ok()) {
    static_cast<void>((*socket)->Close(Deadline::In(kRefuseTime)));
    return Failed(ExitStatus::kRefused, upgraded, /*peers_words=*/true);
  }
  websocket::Options limits;
  limits.message_bytes_max = options.message_bytes_max;
  Opened opened;
  opened.subprotocol = result.subprotocol;
  opened.stream = std::make_unique<websocket::Stream>(
      runtime, BytestreamPtr(socket->release()), websocket::StreamOptions(upgrade, result, limits));
  return opened;
}

}  // namespace halfpipe::tools
