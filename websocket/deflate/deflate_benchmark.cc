// What compressing and inflating a message cost, with context takeover: text that reads like prose,
// and JSON as programs send it. Rates are of the plain message.

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "websocket/deflate/deflater.h"
#include "websocket/deflate/inflater.h"
#include "websocket/deflate/zlib_memory.h"

namespace halfpipe::websocket {
namespace {

constexpr int kMessages = 64;

std::string Prose(std::mt19937& random, size_t size) {
  constexpr const char* kWords[] = {"the",  "a",     "message", "of",     "window", "is",
                                    "sent", "peer",  "and",     "larger", "which",  "between",
                                    "to",   "until", "frame",   "never",  "bytes",  "connection"};
  std::string text;
  while (text.size() < size) absl::StrAppend(&text, kWords[random() % 18], " ");
  text.resize(size);
  return text;
}

std::string Json(std::mt19937& random, size_t size) {
  std::string text = "[";
  while (text.size() < size) {
    absl::StrAppend(&text, "{\"id\":", random() % 100000, ",\"price\":", random() % 10000 / 100.0,
                    ",\"side\":\"", random() % 2 == 0 ? "buy" : "sell", "\",\"time\":\"2026-01-",
                    10 + random() % 20, "T10:00:00Z\"},");
  }
  text.resize(size);
  return text;
}

using Maker = std::string (*)(std::mt19937&, size_t);

std::vector<std::string> Messages(Maker maker, size_t size) {
  std::mt19937 random(1);
  std::vector<std::string> messages;
  for (int i = 0; i < kMessages; ++i) messages.push_back(maker(random, size));
  return messages;
}

absl::Span<const uint8_t> AsBytes(const std::string& text) {
  return absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

void BM_Deflate(benchmark::State& state, Maker maker) {
  const std::vector<std::string> messages = Messages(maker, state.range(0));
  std::vector<uint8_t> out(state.range(0) * 2 + 1000);
  ZlibMemory memory;
  Deflater deflater({.level = static_cast<uint8_t>(state.range(1))}, &memory);
  size_t next = 0, plain = 0, compressed = 0;
  for (auto _ : state) {
    const std::string& message = messages[next++ % kMessages];
    const Deflater::Result result = deflater.Deflate(AsBytes(message), true, absl::MakeSpan(out));
    if (result.status != Deflater::Status::kDone) state.SkipWithError("not done");
    plain += message.size();
    compressed += result.produced;
  }
  state.SetBytesProcessed(plain);
  state.counters["ratio"] = static_cast<double>(plain) / compressed;
}
BENCHMARK_CAPTURE(BM_Deflate, text, Prose)->ArgsProduct({{100, 1000, 65536}, {1, 6}});
BENCHMARK_CAPTURE(BM_Deflate, json, Json)->ArgsProduct({{100, 1000, 65536}, {1, 6}});

void BM_Inflate(benchmark::State& state, Maker maker) {
  ZlibMemory memory;
  std::vector<std::string> payloads;
  std::vector<uint8_t> out(state.range(0) * 2 + 1000);
  Deflater deflater({}, &memory);
  for (const std::string& message : Messages(maker, state.range(0))) {
    const Deflater::Result result = deflater.Deflate(AsBytes(message), true, absl::MakeSpan(out));
    payloads.emplace_back(reinterpret_cast<const char*>(out.data()), result.produced);
  }
  Inflater inflater({}, &memory);
  size_t next = 0, plain = 0;
  for (auto _ : state) {
    // Later rounds find other bytes in the window than those that were referred to: the work is the
    // same.
    const Inflater::Result result =
        inflater.Inflate(AsBytes(payloads[next++ % kMessages]), true, absl::MakeSpan(out));
    if (result.status != Inflater::Status::kDone) state.SkipWithError("not done");
    plain += result.produced;
  }
  state.SetBytesProcessed(plain);
}
BENCHMARK_CAPTURE(BM_Inflate, text, Prose)->Arg(100)->Arg(1000)->Arg(65536);
BENCHMARK_CAPTURE(BM_Inflate, json, Json)->Arg(100)->Arg(1000)->Arg(65536);

}  // namespace
}  // namespace halfpipe::websocket
