#include "websocket/deflate/inflate_reference.h"

#include <zlib.h>

#include <cstdint>
#include <cstdlib>

namespace halfpipe::websocket {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

Bytef* Bytes(absl::string_view text) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
}

// Inflates all of `data` behind `window`. False: not deflate's, or not at the end of a block.
bool InflateAll(const std::string& window, absl::string_view data, size_t bytes_max,
                std::string* message, bool* between_blocks) {
  message->resize(bytes_max + 1);
  size_t size = 0;
  size_t taken = 0;
  bool good = true;
  *between_blocks = false;
  while (good) {
    z_stream stream = {};
    Require(inflateInit2(&stream, -15) == Z_OK);
    std::string before = window + message->substr(0, size);
    if (before.size() > 32768) before.erase(0, before.size() - 32768);
    Require(inflateSetDictionary(&stream, Bytes(before), before.size()) == Z_OK);
    stream.next_in = Bytes(data.substr(taken));
    stream.avail_in = data.size() - taken;
    stream.next_out = Bytes(*message) + size;
    stream.avail_out = message->size() - size;
    const int code = inflate(&stream, Z_SYNC_FLUSH);
    taken = data.size() - stream.avail_in;
    size = message->size() - stream.avail_out;
    good = code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR;
    *between_blocks = code == Z_STREAM_END ? taken == data.size() : stream.data_type == 128;
    inflateEnd(&stream);
    if (code != Z_STREAM_END || taken == data.size()) break;
  }
  message->resize(size);
  return good && taken == data.size() && size <= bytes_max;
}

}  // namespace

std::optional<std::string> InflateReference::Inflate(absl::string_view payload, size_t bytes_max) {
  std::string message;
  std::string with_tail;
  bool between_blocks = false;
  if (!InflateAll(window_, payload, bytes_max, &message, &between_blocks)) return std::nullopt;
  const std::string whole = std::string(payload) + std::string("\0\0\xff\xff", 4);
  if (!InflateAll(window_, whole, bytes_max, &with_tail, &between_blocks)) return std::nullopt;
  if (!between_blocks || with_tail != message) return std::nullopt;
  window_ += message;
  if (window_.size() > 32768) window_.erase(0, window_.size() - 32768);
  return message;
}

std::string DeflateReference(absl::string_view message, int window_bits, int level) {
  z_stream stream = {};
  Require(deflateInit2(&stream, level, Z_DEFLATED, -window_bits, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string payload(deflateBound(&stream, message.size()) + 16, '\0');
  stream.next_in = Bytes(message);
  stream.avail_in = message.size();
  stream.next_out = Bytes(payload);
  stream.avail_out = payload.size();
  Require(deflate(&stream, Z_SYNC_FLUSH) == Z_OK && stream.avail_in == 0);
  payload.resize(payload.size() - stream.avail_out - 4);
  deflateEnd(&stream);
  return payload;
}

int WindowNeeded(absl::string_view payload) {
  for (int bits = 8; bits <= 15; ++bits) {
    z_stream stream = {};
    Require(inflateInit2(&stream, -bits) == Z_OK);
    stream.next_in = Bytes(payload);
    stream.avail_in = payload.size();
    int code = Z_OK;
    while (code == Z_OK) {
      Bytef byte;
      stream.next_out = &byte;
      stream.avail_out = 1;
      code = inflate(&stream, Z_SYNC_FLUSH);
    }
    inflateEnd(&stream);
    if (code == Z_BUF_ERROR && stream.avail_in == 0) return bits;
  }
  return 16;
}

}  // namespace halfpipe::websocket
