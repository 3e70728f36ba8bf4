// A whole server, from the first byte of the handshake to the end of the connection. The first byte
// of the input says the options, the second seeds the cuts, the rest is what the client sends;
// behind a good request of ours, if the options say so.
//
// Holds for each input:
//   - what is sent is well-formed responses and, behind a 101, frames that the strictest of clients
//     takes;
//   - how the bytes are cut changes nothing: neither what is sent nor what is received nor how it
//     ends;
//   - every message keeps to its bound, and memory to that of the README.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "bytestream/testing/sim_clock.h"
#include "websocket/core/role.h"
#include "websocket/deflate/deflate_params.h"
#include "websocket/deflate/deflater.h"
#include "websocket/deflate/inflater.h"
#include "websocket/testing/endpoint.h"
#include "websocket/testing/http_reader.h"
#include "websocket/testing/replay_bytestream.h"
#include "websocket/testing/wire_reader.h"

namespace {

using namespace halfpipe;             // NOLINT
using namespace halfpipe::websocket;  // NOLINT

constexpr absl::string_view kRequest =
    "GET /echo HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

void Require(bool condition) {
  if (!condition) std::abort();
}

void Check(const EndpointRun& run, const EchoOptions& echo) {
  const ServerOutput output = ReadServerOutput(run.written);
  Require(output.breach.empty());
  const bool accepted = !output.statuses.empty() && output.statuses.back() == 101;
  Require(accepted == (run.upgrade_errno == 0));
  Require(ReadWire(output.behind_101, Role::kServer, run.deflate).breach.empty());
  for (const std::string& message : run.messages) {
    Require(message.size() <= echo.stream.message_bytes_max + sizeof("binary"));
  }
  Require(run.blocks_peak <= 2);
  Require(run.deflate_bytes_peak <=
          InflaterMemoryMax(kMaxWindowBits) + DeflaterMemoryMax(kMaxWindowBits, 8));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 8192) return 0;
  const uint8_t flags = data[0];
  ServerUpgradeOptions options;
  options.unix_seconds = nullptr;  // What is said is not to depend on when.
  options.deflate.enabled = (flags & 2) != 0;
  options.deflate.client_no_context_takeover = (flags & 16) != 0;
  const absl::string_view subprotocols[] = {"chat", "v2.chat"};
  options.subprotocols = subprotocols;
  if ((flags & 128) != 0) {
    options.limits.head_bytes_max = 400;
    options.plain_requests_max = 2;
  }
  EchoOptions echo;
  echo.stream.message_bytes_max = (flags & 4) != 0 ? 100 : 20'000;
  if ((flags & 4) != 0) echo.stream.frame_bytes_max = 70;
  if ((flags & 8) != 0) {
    echo.receive = data[1] < 128 ? EchoOptions::Receive::kFill : EchoOptions::Receive::kParts;
  }
  echo.stream.answer_close = (flags & 32) == 0;
  if ((flags & 64) != 0) echo.stream.send_frame_bytes_max = 16;
  options.deflate.compress_bytes_min = 0;

  std::string wire((flags & 1) != 0 ? kRequest : "");
  wire.append(reinterpret_cast<const char*>(data) + 2, size - 2);
  static Runtime& runtime = *new SimRuntime();
  const EndpointRun whole = RunServer(&runtime, options, echo, OnePiece(wire));
  Check(whole, echo);
  for (const auto& pieces : {SeededPieces(wire, data[1]), SingleBytes(wire)}) {
    const EndpointRun cut = RunServer(&runtime, options, echo, pieces);
    Check(cut, echo);
    Require(cut.written == whole.written && cut.messages == whole.messages);
    Require(cut.upgrade_errno == whole.upgrade_errno && cut.stream_errno == whole.stream_errno);
    Require(cut.close_code == whole.close_code);
  }
  Require(runtime.buffer_pool().blocks_in_use() == 0);
  return 0;
}
