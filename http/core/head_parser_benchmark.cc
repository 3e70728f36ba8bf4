// What reading, judging and writing a head costs.  Bytes per second count the bytes of the head.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "http/core/head_parser.h"
#include "http/core/head_serializer.h"
#include "http/core/limits.h"
#include "http/core/message.h"
#include "http/core/upgrade.h"

namespace halfpipe::http {
namespace {

// What a browser sends to open a WebSocket.
constexpr absl::string_view kBrowser =
    "GET /chat?room=general&user=4711 HTTP/1.1\r\n"
    "Host: www.example.org:8080\r\n"
    "Connection: keep-alive, Upgrade\r\n"
    "Pragma: no-cache\r\n"
    "Cache-Control: no-cache\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36\r\n"
    "Upgrade: websocket\r\n"
    "Origin: http://www.example.org:8080\r\n"
    "Sec-WebSocket-Version: 13\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
    "Cookie: session=5f4dcc3b5aa765d61d8327deb882cf99; theme=dark; consent=all\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
    "\r\n";

// The least that RFC 6455 asks for.
constexpr absl::string_view kMinimal =
    "GET / HTTP/1.1\r\n"
    "Host: h\r\n"
    "Upgrade: websocket\r\n"
    "Connection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "\r\n";

constexpr absl::string_view kResponse =
    "HTTP/1.1 101 Switching Protocols\r\n"
    "Upgrade: websocket\r\n"
    "Connection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
    "\r\n";

// As much as the default limits let pass: the costliest head a peer can send.
std::string LargestHead() {
  const Limits limits;
  std::string wire = "GET / HTTP/1.1\r\n";
  const size_t left = limits.head_bytes_max - wire.size() - 2;
  const size_t line = left / limits.field_count_max;
  for (size_t i = 0; i < limits.field_count_max; ++i) {
    wire += "Name: " + std::string(line - 8, 'v') + "\r\n";
  }
  return wire + "\r\n";
}

void ParseRequest(benchmark::State& state, absl::string_view wire) {
  for (auto _ : state) {
    RequestHeadParser parser;
    RequestHead head;
    const ParseResult result = parser.Parse(wire, &head);
    if (result.status != ParseStatus::kDone) {
      state.SkipWithError("refused");
      break;
    }
    benchmark::DoNotOptimize(head);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) *
                          static_cast<int64_t>(wire.size()));
}

void BM_ParseMinimalRequest(benchmark::State& state) { ParseRequest(state, kMinimal); }
BENCHMARK(BM_ParseMinimalRequest);

void BM_ParseBrowserRequest(benchmark::State& state) { ParseRequest(state, kBrowser); }
BENCHMARK(BM_ParseBrowserRequest);

void BM_ParseLargestRequest(benchmark::State& state) {
  const std::string wire = LargestHead();
  ParseRequest(state, wire);
}
BENCHMARK(BM_ParseLargestRequest);

// The slowest way to send it.
void BM_ParseBrowserRequestByteByByte(benchmark::State& state) {
  for (auto _ : state) {
    RequestHeadParser parser;
    RequestHead head;
    ParseResult result;
    for (size_t size = 1; size <= kBrowser.size(); ++size) {
      result = parser.Parse(kBrowser.substr(0, size), &head);
    }
    if (result.status != ParseStatus::kDone) {
      state.SkipWithError("refused");
      break;
    }
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) *
                          static_cast<int64_t>(kBrowser.size()));
}
BENCHMARK(BM_ParseBrowserRequestByteByByte);

void BM_ParseResponse(benchmark::State& state) {
  for (auto _ : state) {
    ResponseHeadParser parser;
    ResponseHead head;
    const ParseResult result = parser.Parse(kResponse, &head);
    if (result.status != ParseStatus::kDone ||
        JudgeUpgradeResponse(head, "websocket") != UpgradeError::kNone) {
      state.SkipWithError("refused");
      break;
    }
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) *
                          static_cast<int64_t>(kResponse.size()));
}
BENCHMARK(BM_ParseResponse);

void BM_JudgeBrowserUpgrade(benchmark::State& state) {
  RequestHeadParser parser;
  RequestHead head;
  if (parser.Parse(kBrowser, &head).status != ParseStatus::kDone) state.SkipWithError("refused");
  for (auto _ : state) {
    RequestAddress address;
    if (JudgeUpgradeRequest(head, "websocket", &address) != UpgradeError::kNone) {
      state.SkipWithError("refused");
      break;
    }
    benchmark::DoNotOptimize(address);
  }
}
BENCHMARK(BM_JudgeBrowserUpgrade);

void BM_SerializeResponse(benchmark::State& state) {
  for (auto _ : state) {
    char buffer[256];
    HeadSerializer head(absl::MakeSpan(buffer));
    head.WriteStatusLine(101, "Switching Protocols");
    head.WriteField("Upgrade", "websocket");
    head.WriteField("Connection", "Upgrade");
    head.WriteField("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    if (head.WriteEnd() != WriteStatus::kOk || head.written() != kResponse) {
      state.SkipWithError("wrong bytes");
      break;
    }
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) *
                          static_cast<int64_t>(kResponse.size()));
}
BENCHMARK(BM_SerializeResponse);

}  // namespace
}  // namespace halfpipe::http
