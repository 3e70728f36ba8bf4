#ifndef HALFPIPE_BYTESTREAM_TESTING_OPENSSL_MEMORY_H_
#define HALFPIPE_BYTESTREAM_TESTING_OPENSSL_MEMORY_H_

#include <openssl/crypto.h>

#include <cstdlib>

namespace halfpipe {

// Whether OpenSSL's requests for memory come through the code of this program, where
// AllocationFault meets them like those of ours. OpenSSL takes such functions only before it has
// made the first request, so that a test checks it.
inline const bool kOpenSslIsOurs = [] {
  return CRYPTO_set_mem_functions(
             [](size_t size, const char*, int) -> void* {
               return size > 0 ? std::malloc(size) : nullptr;
             },
             [](void* memory, size_t size, const char*, int) -> void* {
               if (size > 0) return std::realloc(memory, size);
               std::free(memory);
               return nullptr;
             },
             [](void* memory, const char*, int) { std::free(memory); }) == 1;
}();

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_OPENSSL_MEMORY_H_
