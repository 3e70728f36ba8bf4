#include "websocket/client.h"

#include <cerrno>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/host_name.h"
#include "bytestream/net/tcp_by_name.h"
#include "bytestream/net/unix.h"
#include "bytestream/proxy/socks5.h"
#include "bytestream/tls/tls_stream.h"
#include "http/core/authority.h"
#include "http/core/basic_auth.h"
#include "http/core/cookie.h"
#include "http/core/header_list.h"
#include "http/core/redirect.h"
#include "http/head_io.h"
#include "websocket/upgrade.h"

namespace halfpipe::websocket {
namespace {

BytestreamPtr Owned(std::unique_ptr<FdStream> stream) { return BytestreamPtr(stream.release()); }

// Whether `host` is within this machine: "localhost" and names below it, 127.0.0.0/8, ::1.
bool IsLoopback(absl::string_view host) {
  if (IsLocalhostName(host)) return true;
  if (http::IsIpv4Address(host)) return absl::StartsWith(host, "127.");
  const http::Authority asked = {.host = host, .host_kind = http::HostKind::kIpv6};
  const http::Authority loopback = {.host = "::1", .host_kind = http::HostKind::kIpv6};
  return http::IsIpv6Address(host) && http::IsSameHost(asked, loopback);
}

}  // namespace

Client::Client(Runtime* runtime, ClientOptions options)
    : runtime_(runtime), options_(std::move(options)), connecting_(runtime) {}

Client::~Client() = default;

absl::Status Client::CheckOptions() const {
  // Compression too, though only an agreement makes the stream look at it.
  if (!IsValid(options_.stream) || !IsValid(options_.stream.deflate)) {
    return ErrnoStatus(EINVAL, "options of the stream are out of range");
  }
  if (absl::Status heads = http::CheckHeadLimits(options_.http); !heads.ok()) return heads;
  if (options_.redirects_max < 0) return ErrnoStatus(EINVAL, "redirects_max is below 0");
  return absl::OkStatus();
}

// A token goes where nobody else listens.
absl::Status Client::CheckBearer(const ClientUrl& target) const {
  if (options_.bearer.empty() || options_.bearer_in_clear || target.secure) return absl::OkStatus();
  if (!target.unix_path.empty()) return absl::OkStatus();
  // A proxy's loopback is its own.
  if (IsLoopback(target.host) && !options_.proxy.has_value()) return absl::OkStatus();
  return ErrnoStatus(EINVAL, "a bearer's token may not be sent without TLS");
}

absl::StatusOr<std::unique_ptr<Stream>> Client::Connect(absl::string_view url, Deadline deadline) {
  const MutexLock turn(&connecting_, deadline);
  if (!turn.held()) return turn.status();
  response_ = ClientResponse();
  response_.url = std::string(url);
  if (absl::Status status = CheckOptions(); !status.ok()) return status;
  http::RedirectChain chain(url, options_.redirects_max);
  for (;;) {
    const absl::StatusOr<ClientUrl> target = ParseClientUrl(chain.url());
    if (!target.ok()) return target.status();
    if (chain.credentials_allowed()) {
      if (absl::Status status = CheckBearer(*target); !status.ok()) return status;
    }
    response_.step = ClientStep::kDial;
    absl::StatusOr<BytestreamPtr> lower = Dial(*target, deadline);
    if (!lower.ok()) return lower.status();
    std::string location;
    absl::StatusOr<std::unique_ptr<Stream>> stream =
        Ask(*std::move(lower), *target, chain.credentials_allowed(), &location, deadline);
    // Cancelled while the redirect's content came, say: nothing is asked any more.
    const bool redirected = StatusErrno(stream.status()) == EACCES && !location.empty();
    if (!redirected || options_.redirects_max == 0) return stream;
    // A Unix socket has no origin to go on from.
    const http::RedirectError error = target->unix_path.empty()
                                          ? chain.Follow(response_.status, location)
                                          : http::RedirectError::kBadScheme;
    if (error != http::RedirectError::kNone) {
      return ErrnoStatus(EACCES, absl::StrCat("a redirect that is not followed: ",
                                              http::RedirectErrorText(error)));
    }
    const int redirects = response_.redirects + 1;
    response_ = ClientResponse();
    response_.url = chain.url();
    response_.redirects = redirects;
  }
}

absl::StatusOr<std::unique_ptr<Stream>> Client::ConnectOver(BytestreamPtr lower,
                                                            absl::string_view url,
                                                            Deadline deadline) {
  const MutexLock turn(&connecting_, deadline);
  if (!turn.held()) return turn.status();
  response_ = ClientResponse();
  response_.url = std::string(url);
  if (absl::Status status = CheckOptions(); !status.ok()) return status;
  const absl::StatusOr<ClientUrl> target = ParseClientUrl(url);
  if (!target.ok()) return target.status();
  if (absl::Status status = CheckBearer(*target); !status.ok()) return status;
  std::string location;
  return Ask(std::move(lower), *target, /*credentials=*/true, &location, deadline);
}

absl::StatusOr<BytestreamPtr> Client::Dial(const ClientUrl& target, Deadline deadline) {
  if (!target.unix_path.empty()) {
    absl::StatusOr<std::unique_ptr<FdStream>> stream =
        UnixConnect(runtime_, target.unix_path, deadline);
    if (!stream.ok()) return stream.status();
    return Owned(*std::move(stream));
  }
  if (options_.dial) return options_.dial(target.host, target.port, deadline);
  if (options_.proxy.has_value()) return DialProxy(target, deadline);
  absl::StatusOr<std::unique_ptr<FdStream>> stream =
      TcpConnectByName(runtime_, target.host, target.port, deadline);
  if (!stream.ok()) return stream.status();
  return Owned(*std::move(stream));
}

absl::StatusOr<BytestreamPtr> Client::DialProxy(const ClientUrl& target, Deadline deadline) {
  const ClientProxy& proxy = *options_.proxy;
  absl::StatusOr<std::unique_ptr<FdStream>> stream =
      TcpConnectByName(runtime_, proxy.host, proxy.port, deadline);
  if (!stream.ok()) return stream.status();
  response_.step = ClientStep::kProxy;
  std::optional<Socks5Credentials> credentials;
  if (!proxy.user.empty()) credentials = {proxy.user, proxy.password};
  absl::Status status =
      Socks5ConnectByName(stream->get(), credentials, target.host, target.port, deadline);
  if (!status.ok()) return status;
  return Owned(*std::move(stream));
}

absl::StatusOr<BytestreamPtr> Client::AddTls(BytestreamPtr lower, const ClientUrl& target,
                                             Deadline deadline) {
  const TlsContext* context = options_.tls;
  if (context == nullptr && system_roots_ == nullptr) {
    // That reads files.
    absl::StatusOr<std::unique_ptr<TlsContext>> roots = runtime_->RunBlocking(
        [] {
          TlsClientOptions options;
          options.alpn = {"http/1.1"};
          return TlsContext::ForClient(options);
        },
        deadline);
    if (!roots.ok()) return roots.status();
    system_roots_ = *std::move(roots);
  }
  if (context == nullptr) context = system_roots_.get();
  absl::StatusOr<std::unique_ptr<TlsStream>> tls =
      TlsStream::Connect(runtime_, std::move(lower), *context, target.host, deadline);
  if (!tls.ok()) return tls.status();
  return BytestreamPtr(tls->release());
}

// TLS and the opening handshake on a connection.
absl::StatusOr<std::unique_ptr<Stream>> Client::Ask(BytestreamPtr lower, const ClientUrl& target,
                                                    bool credentials, std::string* location,
                                                    Deadline deadline) {
  if (target.secure) {
    response_.step = ClientStep::kTls;
    absl::StatusOr<BytestreamPtr> tls = AddTls(std::move(lower), target, deadline);
    if (!tls.ok()) return tls.status();
    lower = *std::move(tls);
  }
  response_.step = ClientStep::kUpgrade;
  const std::vector<absl::string_view> subprotocols(options_.subprotocols.begin(),
                                                    options_.subprotocols.end());
  std::vector<http::Field> fields;
  std::vector<http::Cookie> cookies;
  ClientUpgradeOptions request;
  if (credentials) {
    for (const http::OwnedField& field : options_.fields) {
      fields.push_back({field.name, field.value});
    }
    for (const http::OwnedField& cookie : options_.cookies) {
      cookies.push_back({cookie.name, cookie.value});
    }
    if (!options_.user.empty() || !options_.password.empty()) {
      request.basic = {options_.user, options_.password};
    }
    request.bearer = options_.bearer;
  }
  request.target = target.resource;
  request.host = target.host_field;
  request.subprotocols = subprotocols;
  request.extra_fields = fields;
  request.cookies = cookies;
  request.origin = options_.origin;
  request.deflate = options_.stream.deflate;
  request.limits = options_.http;
  request.entropy = options_.stream.entropy;
  request.refusal_body_bytes_max = options_.refusal_body_bytes_max;
  request.refusal_time_max = options_.refusal_time;
  ClientUpgradeResult result;
  const absl::Status status = ClientUpgrade(runtime_, lower.get(), request, &result, deadline);
  response_.status = result.status;
  response_.fields = std::move(result.fields);
  response_.body = std::move(result.body);
  response_.body_complete = result.body_complete;
  response_.subprotocol = result.subprotocol;
  response_.deflate = result.deflate;
  if (!status.ok()) {
    *location = std::move(result.location);
    return status;
  }
  response_.step = ClientStep::kOpen;
  return std::make_unique<Stream>(runtime_, std::move(lower),
                                  StreamOptions(request, result, options_.stream));
}

}  // namespace halfpipe::websocket
