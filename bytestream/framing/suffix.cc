// The C calls of delimited messages: arguments, handle, errno.

#define DILL_DISABLE_RAW_NAMES
#include "bytestream/framing/suffix.h"

#include <cerrno>

#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/c_call.h"
#include "bytestream/framing/stream_layer.h"
#include "bytestream/framing/suffix_scanner.h"
#include "bytestream/framing/suffix_socket.h"
#include "bytestream/handle/handle_type.h"

namespace halfpipe {
namespace {

inline constexpr HandleType kSuffixType{"delimited messages"};

static_assert(DILL_SUFFIX_MAXLEN == kSuffixBytesMax, "public size");
static_assert(sizeof(StreamLayer<SuffixSocket>) <= sizeof(dill_suffix_storage), "public size");
static_assert(alignof(StreamLayer<SuffixSocket>) <= alignof(dill_suffix_storage), "public size");

int Attach(int s, const void* suffix, size_t size, LayerPlace place) {
  const bool valid = suffix != nullptr && size >= 1 && size <= kSuffixBytesMax;
  return AttachStreamLayer<SuffixSocket>(
      &kSuffixType, s, place, valid,
      absl::MakeConstSpan(static_cast<const uint8_t*>(suffix), valid ? size : 0));
}

}  // namespace
}  // namespace halfpipe

int dill_suffix_attach(int s, const void* suffix, size_t suffixlen) {
  return halfpipe::EndCallWithResult(halfpipe::Attach(s, suffix, suffixlen, {}));
}

int dill_suffix_attach_mem(int s, const void* suffix, size_t suffixlen,
                           struct dill_suffix_storage* mem) {
  return halfpipe::EndCallWithResult(halfpipe::Attach(s, suffix, suffixlen, {true, mem}));
}

int dill_suffix_detach(int s, int64_t deadline) {
  return halfpipe::EndCallWithResult(halfpipe::DetachStreamLayer<halfpipe::SuffixSocket>(
      &halfpipe::kSuffixType, s, [deadline](halfpipe::SuffixSocket* socket) {
        return socket->Detach(halfpipe::Deadline::FromMillis(deadline));
      }));
}
