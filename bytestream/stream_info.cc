#define DILL_DISABLE_RAW_NAMES
#include "bytestream/stream_info.h"

#include <cerrno>
#include <cstdint>
#include <optional>

#include "absl/time/time.h"
#include "bytestream/bytestream_handle.h"
#include "bytestream/c_call.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/stream_info.h"
#include "bytestream/sockets_convert.h"
#include "bytestream/stream_info_source.h"

namespace halfpipe {
namespace {

// 0 with *info filled, or an errno.
int Ask(int s, StreamInfo* info) {
  HandleObject* const object = HandleTable::Current().Find(s);
  if (object == nullptr) return EBADF;
  const StreamInfoSource* const source = FindStreamInfoSource(object);
  if (source == nullptr) return ENOTSUP;
  source->Describe(info);
  return 0;
}

int64_t Micros(const std::optional<absl::Duration>& duration) {
  return duration.has_value() ? absl::ToInt64Microseconds(*duration) : -1;
}

int AskAddress(int s, std::optional<IpAddress> StreamInfo::*which, dill_ipaddr* addr) {
  StreamInfo info;
  if (const int error = Ask(s, &info)) return error;
  if (addr == nullptr) return EINVAL;
  const std::optional<IpAddress>& address = info.*which;
  if (!address.has_value()) return info.local.has_value() ? ENOTCONN : ENOTSUP;
  ToIpaddr(*address, addr);
  return 0;
}

}  // namespace
}  // namespace halfpipe

int dill_stream_query(int s, struct dill_stream_info* info) {
  halfpipe::StreamInfo known;
  if (const int error = halfpipe::Ask(s, &known)) return halfpipe::FailCall(error);
  if (info == nullptr) return halfpipe::FailCall(EINVAL);
  *info = {};
  info->fd = known.fd;
  info->no_delay = known.no_delay.has_value() ? *known.no_delay : -1;
  info->keep_alive = known.keep_alive.has_value() ? *known.keep_alive : -1;
  info->send_buffer_bytes = known.send_buffer_bytes.value_or(-1);
  info->receive_buffer_bytes = known.receive_buffer_bytes.value_or(-1);
  info->round_trip_us = halfpipe::Micros(known.round_trip);
  info->round_trip_variation_us = halfpipe::Micros(known.round_trip_variation);
  info->bytes_received = known.bytes_received;
  info->bytes_sent = known.bytes_sent;
  info->buffered_bytes = known.buffered_bytes;
  info->tail_bytes = known.tail_bytes;
  return 0;
}

int dill_stream_local(int s, struct dill_ipaddr* addr) {
  const int error = halfpipe::AskAddress(s, &halfpipe::StreamInfo::local, addr);
  return error == 0 ? 0 : halfpipe::FailCall(error);
}

int dill_stream_remote(int s, struct dill_ipaddr* addr) {
  const int error = halfpipe::AskAddress(s, &halfpipe::StreamInfo::peer, addr);
  return error == 0 ? 0 : halfpipe::FailCall(error);
}

int dill_stream_fd(int s) {
  halfpipe::StreamInfo info;
  if (const int error = halfpipe::Ask(s, &info)) return halfpipe::FailCall(error);
  return info.fd >= 0 ? info.fd : halfpipe::FailCall(ENOTSUP);
}
