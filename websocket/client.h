#ifndef HALFPIPE_WEBSOCKET_CLIENT_H_
#define HALFPIPE_WEBSOCKET_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/entropy.h"
#include "bytestream/bytestream.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/tls/tls_context.h"
#include "http/core/limits.h"
#include "http/core/response.h"
#include "http/core/url.h"
#include "websocket/deflate/deflate_params.h"
#include "websocket/options.h"
#include "websocket/stream.h"

namespace halfpipe::websocket {

// A SOCKS 5 proxy (RFC 1928) that makes the connections; it also resolves the names.
struct ClientProxy {
  std::string host;
  uint16_t port = 1080;
  // RFC 1929; none if `user` is empty.
  std::string user;
  std::string password;
};

struct ClientOptions {
  // What is asked for, the most wanted first.
  std::vector<std::string> subprotocols = {};

  // For the first server, and those of the same origin that it redirects to; no other host is shown
  // any of them. `bearer`, or `user` and `password` (one of them may
  // be empty), become Authorization.
  std::vector<http::OwnedField> fields = {};
  std::vector<http::OwnedField> cookies = {};
  std::string bearer = {};
  std::string user = {};
  std::string password = {};

  // scheme://host[:port] that the program speaks for; empty: none is sent.
  std::string origin = {};

  // How many redirects are followed. None by default: who names a URL may not want another one.
  int redirects_max = 0;

  // For wss. Null: the system's roots. Borrowed, outlives the client.
  const TlsContext* tls = nullptr;

  std::optional<ClientProxy> proxy = {};

  // Makes the connection to `host` and `port` in place of names, addresses and the proxy: for a
  // transport of one's own. What it gives is below TLS, if there is that.
  absl::AnyInvocable<absl::StatusOr<BytestreamPtr>(absl::string_view host, uint16_t port,
                                                   Deadline deadline)>
      dial = nullptr;

  // Limits, compression and manners of the connections.
  Options stream = {};
  http::Limits http = {};
  // How much of a refusal's content is kept, and how long it is waited for.
  size_t refusal_body_bytes_max = 4096;
  absl::Duration refusal_time = absl::Seconds(5);
};

// What the last Connect() came to.
struct ClientResponse {
  std::string url;  // the last one that was asked
  int redirects = 0;
  bool connected = false;  // there was a connection to that server, below TLS
  int status = 0;          // of the final response there; 0 if none came
  std::vector<http::OwnedField> fields;
  std::string body;  // of a refusal
  bool body_complete = false;
  // Of a 101:
  std::string subprotocol;
  std::optional<DeflateParams> deflate;
};

// Connects by URL: name, addresses (Happy Eyeballs, RFC 8305), proxy, TLS, opening handshake and
// redirects under one deadline. Belongs to the thread of its runtime; one Connect() at a time.
//
// URLs are ws, wss, and ws+unix:PATH:RESOURCE for a Unix socket, as in "ws+unix:/run/app.sock:/chat"
// (the path is one without a colon; "/" is asked for if there is no resource).
//
// Example:
//   Client client(&runtime);
//   auto stream = client.Connect("wss://example.org/chat", Deadline::In(absl::Seconds(10)));
//   if (!stream.ok()) return stream.status();
//   (*stream)->SendText("hello", deadline);
class Client {
 public:
  // `runtime` is borrowed and outlives the client and its streams.
  explicit Client(Runtime* runtime, ClientOptions options = {});
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // A new connection. On failure nothing is left of it.
  //   EINVAL       not such a URL, or options that are out of range or not to be sent
  //   EADDRNOTAVAIL, EHOSTUNREACH, ECONNREFUSED, ...  as TcpConnectByName(), UnixConnect() and
  //                Socks5ConnectByName(), or what `dial` gives
  //   EACCES       the server refused, or redirected to where it is not followed: response() has
  //                what it said; or a certificate or the proxy is the reason
  //   EPROTO       the other side speaks no WebSocket
  //   ECONNRESET   it broke or ended before the handshake did
  //   ETIMEDOUT, ECANCELED, ENOMEM, EMFILE
  absl::StatusOr<std::unique_ptr<Stream>> Connect(absl::string_view url, Deadline deadline);

  // The same on a connection that is there already, below TLS if `url` asks for that. Redirects are
  // not followed.
  absl::StatusOr<std::unique_ptr<Stream>> ConnectOver(BytestreamPtr lower, absl::string_view url,
                                                      Deadline deadline);

  // Of the last Connect(), also one that failed.
  const ClientResponse& response() const { return response_; }

  Runtime* runtime() const { return runtime_; }

 private:
  struct Target;

  static bool ParseTarget(absl::string_view url, Target* target);
  absl::StatusOr<BytestreamPtr> Dial(const Target& target, Deadline deadline);
  absl::Status CheckOptions() const;
  absl::StatusOr<BytestreamPtr> DialProxy(const Target& target, Deadline deadline);
  absl::StatusOr<BytestreamPtr> AddTls(BytestreamPtr lower, const Target& target,
                                       Deadline deadline);
  absl::StatusOr<std::unique_ptr<Stream>> Ask(BytestreamPtr lower, const Target& target,
                                              bool credentials, std::string* location,
                                              Deadline deadline);

  Runtime* const runtime_;
  ClientOptions options_;
  ClientResponse response_;
  std::unique_ptr<TlsContext> system_roots_;  // made when first needed
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_CLIENT_H_
