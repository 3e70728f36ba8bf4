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
#include "bytestream/runtime/sync.h"
#include "bytestream/tls/tls_context.h"
#include "http/core/limits.h"
#include "http/core/response.h"
#include "websocket/client_url.h"
#include "websocket/deflate/deflate_params.h"
#include "websocket/options.h"
#include "websocket/stream.h"

namespace halfpipe::websocket {

// A SOCKS 5 proxy (RFC 1928) that makes the connections; it also resolves the names.
struct ClientProxy {
  std::string host = {};
  uint16_t port = 1080;
  // RFC 1929; none if `user` is empty.
  std::string user = {};
  std::string password = {};
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
  // Whether `bearer` may go over a connection that is none of TLS, a Unix socket and one within this
  // machine ("localhost" and names below it, 127.0.0.0/8, ::1): who sees it has what it opens (RFC
  // 6750 section 5.3). For a transport of one's own that keeps it secret.
  bool bearer_in_clear = false;
  std::string user = {};
  std::string password = {};

  // scheme://host[:port] that the program speaks for, in lower case and without the scheme's own
  // port; empty: none is sent.
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

// The parts of a client's way, in their order.
enum class ClientStep : uint8_t {
  kPrepare,  // the URL and the options; nobody has been asked for anything
  kDial,     // name, address and socket, of the proxy if there is one; or `dial`
  kProxy,    // the proxy is there, and is to connect
  kTls,      // there is a connection to the server; certificates
  kUpgrade,  // the opening handshake, and redirects
  kOpen,     // the end: there is a Stream
};

// What the last Connect() came to.
struct ClientResponse {
  std::string url;  // the last one that was asked
  int redirects = 0;
  // Where on the way to it that ended: the part that failed, or kOpen.
  ClientStep step = ClientStep::kPrepare;
  int status = 0;  // of the final response there; 0 if none came
  std::vector<http::OwnedField> fields;
  std::string body;  // of a refusal
  bool body_complete = false;
  // Of a 101:
  std::string subprotocol;
  std::optional<DeflateParams> deflate;

  // Whether there was a connection to that server, below TLS.
  bool connected() const { return step >= ClientStep::kTls; }
};

// Connects by URL: name, addresses (Happy Eyeballs, RFC 8305), proxy, TLS, opening handshake and
// redirects under one deadline. Belongs to the thread of its runtime.
//
// Of one client's connections one at a time is in the making: several Connect() wait for each other,
// in the order they came (RFC 6455 section 4.1, step 2, for the sake of servers). Who wants many at a
// time has many clients, and sees to it himself what a server bears.
//
// URLs are ws, wss, and ws+unix:PATH[:RESOURCE] for a Unix socket, as in
// "ws+unix:/run/app.sock:/chat"; see client_url.h.
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

  // A new connection. On failure nothing is left of it, and response().step tells how far it came.
  //   EINVAL       not such a URL, or options that are out of range or not to be sent: so a `bearer` in
  //                clear
  //   EADDRNOTAVAIL, EHOSTUNREACH, ECONNREFUSED, ...  as TcpConnectByName(), UnixConnect() and
  //                Socks5ConnectByName(), or what `dial` gives
  //   EACCES       by response().step:
  //                kDial     the system does not let us, as connect(2) says: a Unix socket that is
  //                          not for this user, say
  //                kProxy    the proxy does not
  //                kTls      a certificate is refused, the server's by us or ours by it
  //                kUpgrade  the server refused, or redirected to where it is not followed:
  //                          response() has what it said
  //   EPROTO       the other side speaks no WebSocket, or no TLS
  //   ECONNRESET   it broke or ended before the handshake did
  //   EDEADLK      called from `dial`
  //   ETIMEDOUT, ECANCELED, ENOMEM, EMFILE. Where memory fails inside OpenSSL see
  //                TlsStream::Handshake()
  absl::StatusOr<std::unique_ptr<Stream>> Connect(absl::string_view url, Deadline deadline);

  // The same on a connection that is there already, below TLS if `url` asks for that. Redirects are
  // not followed.
  absl::StatusOr<std::unique_ptr<Stream>> ConnectOver(BytestreamPtr lower, absl::string_view url,
                                                      Deadline deadline);

  // Of the last Connect(), also one that failed, but for one that did not get its turn.
  const ClientResponse& response() const { return response_; }

  Runtime* runtime() const { return runtime_; }

 private:
  absl::StatusOr<BytestreamPtr> Dial(const ClientUrl& target, Deadline deadline);
  absl::Status CheckOptions() const;
  absl::Status CheckBearer(const ClientUrl& target) const;
  absl::StatusOr<BytestreamPtr> DialProxy(const ClientUrl& target, Deadline deadline);
  absl::StatusOr<BytestreamPtr> AddTls(BytestreamPtr lower, const ClientUrl& target,
                                       Deadline deadline);
  absl::StatusOr<std::unique_ptr<Stream>> Ask(BytestreamPtr lower, const ClientUrl& target,
                                              bool credentials, std::string* location,
                                              Deadline deadline);

  Runtime* const runtime_;
  ClientOptions options_;
  Mutex connecting_;
  ClientResponse response_;
  std::unique_ptr<TlsContext> system_roots_;  // made when first needed
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_CLIENT_H_
