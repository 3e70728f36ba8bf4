#include "bytestream/tls/tls_test_support.h"

#include <cerrno>
#include <cstdio>

#include "absl/status/status.h"
#include "bytestream/base/check.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"

namespace halfpipe {

TlsServerOptions TestServerOptions(const TestIdentity& identity) {
  TlsServerOptions options;
  options.identity.certificates.text = identity.certificate;
  options.identity.key.text = identity.key;
  return options;
}

TlsClientOptions TestClientOptions() {
  TlsClientOptions options;
  options.trust.text = TestCerts::Get().ca.certificate;
  return options;
}

std::unique_ptr<TlsContext> MakeServerContext(const TlsServerOptions& options) {
  auto context = TlsContext::ForServer(options);
  HALFPIPE_CHECK(context.ok());
  return *std::move(context);
}

std::unique_ptr<TlsContext> MakeClientContext(const TlsClientOptions& options) {
  auto context = TlsContext::ForClient(options);
  HALFPIPE_CHECK(context.ok());
  return *std::move(context);
}

const TlsContext& TestServerContext() {
  static const TlsContext* const kContext = MakeServerContext(TestServerOptions()).release();
  return *kContext;
}

const TlsContext& TestClientContext() {
  static const TlsContext* const kContext = MakeClientContext(TestClientOptions()).release();
  return *kContext;
}

TlsPair ConnectTls(Runtime* runtime, std::pair<BytestreamPtr, BytestreamPtr> lower,
                   TlsStream::Options options, const TlsContext& client, const TlsContext& server) {
  TlsPair tls(std::make_unique<TlsStream>(runtime, std::move(lower.first), options),
              std::make_unique<TlsStream>(runtime, std::move(lower.second), options));
  bool client_connected = false;
  bool server_connected = false;
  const auto advance = [](TlsStream* stream, const TlsContext& context, bool* connected) {
    if (*connected) return;
    const absl::Status status = stream->Handshake(context, "localhost", Deadline::Immediately());
    *connected = status.ok();
    if (status.ok() || StatusErrno(status) == ETIMEDOUT) return;
    std::fprintf(stderr, "handshake: %s\n", status.ToString().c_str());
    HALFPIPE_CHECK(false);
  };
  while (!client_connected || !server_connected) {
    advance(tls.first.get(), client, &client_connected);
    advance(tls.second.get(), server, &server_connected);
  }
  return tls;
}

}  // namespace halfpipe
