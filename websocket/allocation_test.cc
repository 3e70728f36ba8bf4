// A server's connection in memory of the caller allocates nothing, from ws_attach_server_mem() over
// a thousand messages to ws_detach(). Counts calls of the global operator new and of malloc and its
// kin.

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>

#include "absl/base/config.h"
#include "absl/strings/string_view.h"
#include "bytestream/base/deadline.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "gtest/gtest.h"
#include "websocket/core/role.h"
#include "websocket/testing/handles.h"
#include "websocket/testing/wire_builder.h"
#include "websocket/ws.h"

// clang-format off: its macros are for what follows.
#include "bytestream/sockets.h"
// clang-format on

namespace {

size_t allocations = 0;

}  // namespace

#if defined(ABSL_HAVE_ADDRESS_SANITIZER) || defined(ABSL_HAVE_THREAD_SANITIZER)
// A sanitizer has its own malloc. It keeps its checks where only operator new is replaced.
void* operator new(size_t size) {
  ++allocations;
  if (void* const memory = std::malloc(size)) return memory;
  std::abort();
}
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
#else
extern "C" void* __libc_malloc(size_t size);
extern "C" void* __libc_calloc(size_t count, size_t size);
extern "C" void* __libc_realloc(void* memory, size_t size);

// operator new calls it too.
extern "C" void* malloc(size_t size) {
  ++allocations;
  return __libc_malloc(size);
}
extern "C" void* calloc(size_t count, size_t size) {
  ++allocations;
  return __libc_calloc(count, size);
}
extern "C" void* realloc(void* memory, size_t size) {
  ++allocations;
  return __libc_realloc(memory, size);
}
#endif

namespace halfpipe::websocket {
namespace {

constexpr int kMessages = 1000;

constexpr absl::string_view kRequest =
    "GET /chat HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
constexpr absl::string_view kAnswer =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

// Everything that a client says and hears, put together before anything is counted.
struct Script {
  const std::string message = WireBuilder(Role::kClient).Text("a small message").str();
  const std::string echo = WireBuilder(Role::kServer).Text("a small message").str();
  const std::string fragments = WireBuilder(Role::kClient)
                                    .Text("a sma", WireBuilder::kMore)
                                    .Ping("p")
                                    .Continuation("ll message")
                                    .str();
  const std::string pong_and_echo =
      WireBuilder(Role::kServer).Pong("p").Text("a small message").str();
  const std::string close = WireBuilder(Role::kClient).Close(1000, "bye").str();
  const std::string close_answer = WireBuilder(Role::kServer).Close(1000).str();
};

// Says and hears by turns; plain calls on memory of its own, so that nothing of it is counted
// either. Returns how many of its calls failed.
int PlayClient(int raw, const Script& script) {
  int failures = 0;
  char heard[256];
  const auto exchange = [&](absl::string_view say, absl::string_view hear) {
    failures += bsend(raw, say.data(), say.size(), -1) != 0;
    failures += brecv(raw, heard, hear.size(), -1) != 0;
    failures += absl::string_view(heard, hear.size()) != hear;
  };
  exchange(kRequest, kAnswer);
  for (int i = 0; i < kMessages; ++i) {
    const bool plain = i % 10 != 0;
    exchange(plain ? script.message : script.fragments, plain ? script.echo : script.pong_and_echo);
  }
  exchange(script.close, script.close_answer);
  return failures;
}

// Serves one connection up to its end; returns how many of its calls failed.
int PlayServer(int s, ws_storage* storage) {
  int failures = 0;
  char resource[32];
  char host[32];
  const int ws =
      ws_attach_server_mem(s, WS_TEXT, resource, sizeof(resource), host, sizeof(host), storage, -1);
  failures += ws <= 0;
  char buffer[64];
  for (int i = 0; i < kMessages; ++i) {
    int flags = 0;
    const ssize_t size = ws_recv(ws, &flags, buffer, sizeof(buffer), -1);
    failures += size != 15;
    failures += ws_send(ws, flags, buffer, size > 0 ? static_cast<size_t>(size) : 0, -1) != 0;
  }
  const int lower = ws_detach(ws, 1000, nullptr, 0, -1);
  failures += lower <= 0;
  failures += hclose(lower) != 0;
  return failures;
}

// One connection; returns how many allocations were seen.
size_t Serve(Transport transport, bool client_first) {
  const Script script;
  const auto [raw, served] = ConnectedHandles(transport);
  ws_storage storage;
  int server_failures = 0;
  int client_failures = 0;
  size_t counted = 0;
  {
    Bundle bundle(&Runtime::Current());
    const size_t before = allocations;
    if (client_first) {
      // The request is there when the server looks for it.
      EXPECT_EQ(bundle.Start([&, raw = raw] { client_failures = PlayClient(raw, script); }, {}), 0);
      server_failures = PlayServer(served, &storage);
    } else {
      // The server waits for everything.
      EXPECT_EQ(bundle.Start(
                    [&, served = served] { server_failures = PlayServer(served, &storage); }, {}),
                0);
      client_failures = PlayClient(raw, script);
    }
    const int joined = bundle.Wait(Deadline::Never());
    counted = allocations - before;
    EXPECT_EQ(joined, 0);
  }
  EXPECT_EQ(server_failures, 0);
  EXPECT_EQ(client_failures, 0);
  EXPECT_EQ(hclose(raw), 0);
  return counted;
}

class AllocationTest : public testing::TestWithParam<Transport> {};

INSTANTIATE_TEST_SUITE_P(Transports, AllocationTest,
                         testing::Values(Transport::kPair, Transport::kUnix, Transport::kTcp),
                         testing::PrintToStringParamName());

TEST_P(AllocationTest, NoneFromAttachToDetach) {
  for (const bool client_first : {false, true}) {
    SCOPED_TRACE(client_first ? "client first" : "server first");
    // Pools and tables fill up once.
    Serve(GetParam(), client_first);
    EXPECT_EQ(Serve(GetParam(), client_first), 0u);
  }
}

TEST(AllocationCounterTest, Counts) {
  const size_t before = allocations;
  int* volatile number = new int(1);
  delete number;
  EXPECT_GT(allocations, before);
}

}  // namespace
}  // namespace halfpipe::websocket
