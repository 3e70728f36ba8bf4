#ifndef HALFPIPE_BYTESTREAM_TESTING_FD_LEAK_CHECK_H_
#define HALFPIPE_BYTESTREAM_TESTING_FD_LEAK_CHECK_H_

#include <cstddef>
#include <set>
#include <string>

namespace halfpipe {

// What each open descriptor of this process refers to, as "NUMBER TARGET".
std::set<std::string> OpenDescriptors();

// How many mappings this process has, those left out that the C library, a sanitizer or the loader
// makes when it likes: files, the heap, stacks, named ones.
int CountMappings();

// Fails the test if, at its end, the open descriptors are not exactly those of its beginning, or if
// pools have more memory mapped (MappedMemoryBytes(), in every build). Make it before the runtime:
// one that is there at the beginning grows its pools by design, so that memory is not compared then.
//
// With kDescriptorsAndMappings anonymous mappings of whatever origin must not have become more
// either; sanitizers map what they like, so there that part is skipped.
//
// Example:
//   FdLeakCheck leaks;          // before the runtime
//   Runtime runtime;
class FdLeakCheck {
 public:
  enum class Scope { kDescriptors, kDescriptorsAndMappings };

  explicit FdLeakCheck(Scope scope = Scope::kDescriptors);
  ~FdLeakCheck();
  FdLeakCheck(const FdLeakCheck&) = delete;
  FdLeakCheck& operator=(const FdLeakCheck&) = delete;

 private:
  const Scope scope_;
  const std::set<std::string> descriptors_;
  const bool pools_may_grow_;
  const size_t mapped_bytes_;
  const int mappings_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_FD_LEAK_CHECK_H_
