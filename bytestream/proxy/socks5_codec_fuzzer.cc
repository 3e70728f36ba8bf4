// SOCKS 5 messages. Input: one byte that chooses the kind of message, then what a peer sends.
//
// Holds for each input: a prefix of it is never judged otherwise than the whole, but may want more
// bytes, and then never more than the message has; bytes behind a message change nothing; what is
// parsed encodes to the bytes it came from.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "absl/types/span.h"
#include "bytestream/proxy/socks5_codec.h"

namespace halfpipe {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

using Bytes = absl::Span<const uint8_t>;
using Room = std::array<uint8_t, 1024>;

// Parses from a block of the exact size, so that a sanitizer sees a read beyond its end.
template <typename Message, typename Parser>
Socks5Parse ParseExact(Parser parser, Bytes in) {
  const std::unique_ptr<uint8_t[]> block(new uint8_t[in.size()]);
  std::copy(in.begin(), in.end(), block.get());
  Message message = {};
  return parser(absl::MakeConstSpan(block.get(), in.size()), &message);
}

template <typename Message, typename Parser, typename Encoder>
void Check(Bytes in, Parser parser, Encoder encoder) {
  Message message = {};
  const Socks5Parse whole = parser(in, &message);
  Require((whole.state == Socks5Parse::State::kInvalid) == (whole.error != Socks5Error::kNone));
  if (whole.done()) {
    Require(whole.size > 0 && whole.size <= in.size());
    Room again;
    Require(encoder(message, absl::MakeSpan(again)) == whole.size);
    Require(std::equal(again.begin(), again.begin() + whole.size, in.begin()));
  }
  if (whole.state == Socks5Parse::State::kNeedMore) Require(whole.size > in.size());

  const size_t length = whole.done() ? whole.size : std::min(in.size(), Room().size());
  bool invalid = false;
  for (size_t size = 0; size <= length; ++size) {
    const Socks5Parse part = ParseExact<Message>(parser, in.first(size));
    if (invalid) Require(part.state == Socks5Parse::State::kInvalid);
    switch (part.state) {
      case Socks5Parse::State::kDone:
        Require(whole.done() && size == whole.size && part.size == whole.size);
        break;
      case Socks5Parse::State::kNeedMore:
        Require(part.size > size);
        if (whole.done()) Require(part.size <= whole.size);
        break;
      case Socks5Parse::State::kInvalid:
        Require(whole.state == part.state && whole.error == part.error && part.size == 0);
        invalid = true;
        break;
    }
  }
}

}  // namespace
}  // namespace halfpipe

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace halfpipe;  // NOLINT
  if (size < 1) return 0;
  const absl::Span<const uint8_t> in(data + 1, size - 1);
  switch (data[0] % 6) {
    case 0:
      Check<Socks5Greeting>(in, ParseSocks5Greeting, EncodeSocks5Greeting);
      break;
    case 1:
      Check<uint8_t>(in, ParseSocks5Choice, EncodeSocks5Choice);
      break;
    case 2:
      Check<Socks5Credentials>(in, ParseSocks5Credentials, EncodeSocks5Credentials);
      break;
    case 3:
      Check<uint8_t>(in, ParseSocks5AuthStatus, EncodeSocks5AuthStatus);
      break;
    case 4:
      Check<Socks5Request>(in, ParseSocks5Request, EncodeSocks5Request);
      break;
    default:
      Check<Socks5Reply>(in, ParseSocks5Reply, EncodeSocks5Reply);
      break;
  }
  return 0;
}
