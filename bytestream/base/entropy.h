#ifndef HALFPIPE_BYTESTREAM_BASE_ENTROPY_H_
#define HALFPIPE_BYTESTREAM_BASE_ENTROPY_H_

#include <cstdint>

#include "absl/types/span.h"

namespace halfpipe {

// A source of unpredictable bytes, for masking keys and handshake nonces (RFC 6455 sections 4.1
// and 10.3 ask for a strong source).
class Entropy {
 public:
  virtual ~Entropy() = default;

  // Fills all of `out`. Does not block once the system's source is seeded, does not allocate. Ends
  // the process if the system has no randomness to give: no program can go on safely then.
  virtual void Fill(absl::Span<uint8_t> out) = 0;

  // getrandom(2), fetched in blocks of 256 bytes for each thread. A byte is handed out once and
  // wiped, and by one process alone where it forks. Lives for ever, safe from any thread.
  static Entropy& System();
};

// A repeatable sequence, so that a test can say which bytes stand on the wire. Not for use outside
// tests.
class FakeEntropy final : public Entropy {
 public:
  explicit FakeEntropy(uint64_t seed) : state_(seed) {}
  void Fill(absl::Span<uint8_t> out) override;

 private:
  uint64_t state_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_BASE_ENTROPY_H_
