#ifndef HALFPIPE_BYTESTREAM_TLS_TLS_TEST_SUPPORT_H_
#define HALFPIPE_BYTESTREAM_TLS_TLS_TEST_SUPPORT_H_

#include <memory>
#include <utility>

#include "bytestream/bytestream.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/test_certs.h"
#include "bytestream/tls/tls_context.h"
#include "bytestream/tls/tls_stream.h"

namespace halfpipe {

// Options for tests: the server of TestCerts, and a client that trusts its root.
TlsServerOptions TestServerOptions(const TestIdentity& identity = TestCerts::Get().server);
TlsClientOptions TestClientOptions();

// Contexts that must be made; end the test process if they cannot be.
std::unique_ptr<TlsContext> MakeServerContext(const TlsServerOptions& options);
std::unique_ptr<TlsContext> MakeClientContext(const TlsClientOptions& options);

// Contexts of those options, made once.
const TlsContext& TestServerContext();
const TlsContext& TestClientContext();

using TlsPair = std::pair<std::unique_ptr<TlsStream>, std::unique_ptr<TlsStream>>;

// Two connected TLS streams, the client first, over the two ends of `lower`, with no wait of a
// coroutine in between. Ends the test process if the handshake fails.
TlsPair ConnectTls(Runtime* runtime, std::pair<BytestreamPtr, BytestreamPtr> lower,
                   TlsStream::Options options = {}, const TlsContext& client = TestClientContext(),
                   const TlsContext& server = TestServerContext());

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TLS_TLS_TEST_SUPPORT_H_
