#include "bytestream/base/entropy.h"

#include <pthread.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <new>

#include "bytestream/base/check.h"

namespace halfpipe {
namespace {

struct Block {
  uint8_t bytes[256] = {};
  size_t left = 0;
};

thread_local Block block;

// In the child of a fork, in the one thread that it has: what is left is the parent's to hand out.
void ForgetBlock() { block.left = 0; }

void FillFromSystem(uint8_t* out, size_t size) {
  while (size > 0) {
    const ssize_t got = getrandom(out, size, 0);
    if (got < 0) {
      HALFPIPE_CHECK(errno == EINTR);
      continue;
    }
    out += got;
    size -= static_cast<size_t>(got);
  }
}

class SystemEntropy final : public Entropy {
 public:
  void Fill(absl::Span<uint8_t> out) override {
    if (out.size() > sizeof(block.bytes)) {
      FillFromSystem(out.data(), out.size());
      return;
    }
    size_t done = 0;
    while (done < out.size()) {
      if (block.left == 0) {
        FillFromSystem(block.bytes, sizeof(block.bytes));
        block.left = sizeof(block.bytes);
      }
      const size_t take = std::min(block.left, out.size() - done);
      uint8_t* const from = block.bytes + block.left - take;
      std::memcpy(out.data() + done, from, take);
      std::memset(from, 0, take);
      block.left -= take;
      done += take;
    }
  }
};

}  // namespace

Entropy& Entropy::System() {
  alignas(SystemEntropy) static unsigned char storage[sizeof(SystemEntropy)];
  static Entropy* const entropy = [] {
    HALFPIPE_CHECK(pthread_atfork(nullptr, nullptr, &ForgetBlock) == 0);
    return new (storage) SystemEntropy;
  }();
  return *entropy;
}

void FakeEntropy::Fill(absl::Span<uint8_t> out) {
  for (uint8_t& byte : out) {
    // splitmix64, one byte a step.
    state_ += 0x9e3779b97f4a7c15;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    byte = static_cast<uint8_t>(z ^ (z >> 31));
  }
}

}  // namespace halfpipe
