// The C calls of length-prefixed messages: arguments, handle, errno.

#define DILL_DISABLE_RAW_NAMES
#include "bytestream/framing/prefix.h"

#include <cerrno>

#include "bytestream/c_call.h"
#include "bytestream/framing/prefix_codec.h"
#include "bytestream/framing/prefix_socket.h"
#include "bytestream/framing/stream_layer.h"
#include "bytestream/handle/handle_type.h"

namespace halfpipe {
namespace {

inline constexpr HandleType kPrefixType{"length-prefixed messages"};

static_assert(sizeof(StreamLayer<PrefixSocket>) <= sizeof(dill_prefix_storage), "public size");
static_assert(alignof(StreamLayer<PrefixSocket>) <= alignof(dill_prefix_storage), "public size");

int Attach(int s, size_t hdrlen, int flags, LayerPlace place) {
  const bool valid =
      hdrlen >= 1 && hdrlen <= kPrefixBytesMax && (flags & ~DILL_PREFIX_LITTLE_ENDIAN) == 0;
  PrefixSocket::Options options;
  options.prefix_bytes = hdrlen;
  if (flags == DILL_PREFIX_LITTLE_ENDIAN) options.byte_order = ByteOrder::kLittleEndian;
  return AttachStreamLayer<PrefixSocket>(&kPrefixType, s, place, valid, options);
}

}  // namespace
}  // namespace halfpipe

int dill_prefix_attach(int s, size_t hdrlen, int flags) {
  return halfpipe::EndCallWithResult(halfpipe::Attach(s, hdrlen, flags, {}));
}

int dill_prefix_attach_mem(int s, size_t hdrlen, int flags, struct dill_prefix_storage* mem) {
  return halfpipe::EndCallWithResult(halfpipe::Attach(s, hdrlen, flags, {true, mem}));
}

int dill_prefix_detach(int s) {
  // Does not wait, so it does not yield either.
  const int result = halfpipe::DetachStreamLayer<halfpipe::PrefixSocket>(
      &halfpipe::kPrefixType, s, [](halfpipe::PrefixSocket* socket) { return socket->Detach(); });
  return result >= 0 ? result : halfpipe::FailCall(-result);
}
