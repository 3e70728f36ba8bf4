// A whole client, from its request to the end of the connection. The first byte of the input says
// the options, the second seeds the cuts, the rest is what the server sends; behind a good answer
// of ours, if the options say so.
//
// Holds for each input:
//   - what is sent is a request and, behind a good answer, frames that the strictest of servers
//     takes, each masked with a key of its own;
//   - how the bytes are cut changes nothing: neither what is sent nor what is received nor how it
//     ends;
//   - every message keeps to its bound, and memory to that of the README.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "bytestream/base/entropy.h"
#include "bytestream/testing/sim_clock.h"
#include "websocket/core/mask_key.h"
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

// The same bytes for each run; other ones for each frame.
class RepeatedEntropy final : public Entropy {
 public:
  void Fill(absl::Span<uint8_t> out) override {
    // The key of the handshake comes first, and is that of the RFC's example.
    constexpr absl::string_view kNonce = "the sample nonce";
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = filled_ < kNonce.size() ? static_cast<uint8_t>(kNonce[filled_])
                                       : static_cast<uint8_t>((filled_ / 4) >> (8 * (i % 3)));
      ++filled_;
    }
  }

 private:
  size_t filled_ = 0;
};

constexpr absl::string_view kAnswer =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

void Require(bool condition) {
  if (!condition) std::abort();
}

void Check(const EndpointRun& run, const EchoOptions& echo) {
  size_t size = 0;
  Require(JudgeClientHead(run.written, &size).empty());
  const WireContent content =
      ReadWire(absl::string_view(run.written).substr(size), Role::kClient, run.deflate);
  Require(content.breach.empty());
  Require(run.upgrade_errno == 0 || content.frames.empty());
  std::set<MaskKey> keys;
  for (const WireFrame& frame : content.frames) Require(keys.insert(frame.mask_key).second);
  for (const std::string& message : run.messages) {
    Require(message.size() <= echo.stream.message_bytes_max + sizeof("binary"));
  }
  Require(run.blocks_peak <= 2);
  Require(run.deflate_bytes_peak <=
          InflaterMemoryMax(kMaxWindowBits) + DeflaterMemoryMax(kMaxWindowBits, 8));
}

EndpointRun Run(ClientUpgradeOptions options, const EchoOptions& echo,
                std::vector<std::string> pieces) {
  static Runtime& runtime = *new SimRuntime();
  RepeatedEntropy entropy;
  options.entropy = &entropy;
  EndpointRun run = RunClient(&runtime, options, echo, std::move(pieces));
  Require(runtime.buffer_pool().blocks_in_use() == 0);
  Check(run, echo);
  return run;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 8192) return 0;
  const uint8_t flags = data[0];
  const absl::string_view subprotocols[] = {"chat", "v2.chat"};
  ClientUpgradeOptions options;
  options.target = "/echo";
  options.host = "example.org";
  options.subprotocols = subprotocols;
  options.deflate.enabled = (flags & 2) != 0;
  options.deflate.server_no_context_takeover = (flags & 16) != 0;
  options.deflate.compress_bytes_min = 0;
  options.refusal_body_bytes_max = 100;
  if ((flags & 128) != 0) options.limits.head_bytes_max = 400;
  EchoOptions echo;
  echo.stream.message_bytes_max = (flags & 4) != 0 ? 100 : 20'000;
  if ((flags & 4) != 0) echo.stream.frame_bytes_max = 70;
  if ((flags & 8) != 0) {
    echo.receive = data[1] < 128 ? EchoOptions::Receive::kFill : EchoOptions::Receive::kParts;
  }
  echo.stream.answer_close = (flags & 32) == 0;
  if ((flags & 64) != 0) echo.stream.send_frame_bytes_max = 16;

  std::string wire;
  if ((flags & 1) != 0) {
    wire = std::string(kAnswer);
    if ((flags & 2) != 0) wire += "Sec-WebSocket-Extensions: permessage-deflate";
    if ((flags & 16) != 0 && (flags & 2) != 0) wire += "; server_no_context_takeover";
    wire += (flags & 2) != 0 ? "\r\n\r\n" : "\r\n";
  }
  wire.append(reinterpret_cast<const char*>(data) + 2, size - 2);
  const EndpointRun whole = Run(options, echo, OnePiece(wire));
  for (const auto& pieces : {SeededPieces(wire, data[1]), SingleBytes(wire)}) {
    const EndpointRun cut = Run(options, echo, pieces);
    Require(cut.written == whole.written && cut.messages == whole.messages);
    Require(cut.upgrade_errno == whole.upgrade_errno && cut.stream_errno == whole.stream_errno);
    Require(cut.close_code == whole.close_code && cut.client.body == whole.client.body);
    Require(cut.client.status == whole.client.status);
  }
  return 0;
}
