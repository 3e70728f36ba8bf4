#ifndef HALFPIPE_BYTESTREAM_TESTING_FD_LEAK_CHECK_H_
#define HALFPIPE_BYTESTREAM_TESTING_FD_LEAK_CHECK_H_

#include <set>
#include <string>

namespace halfpipe {

// What each open descriptor of this process refers to, as "NUMBER TARGET".
std::set<std::string> OpenDescriptors();

// How many mappings this process has, those left out that the C library, a sanitizer or the loader
// makes when it likes: files, the heap, stacks, named ones.
int CountMappings();

// Fails the test if, at its end, the open descriptors are not exactly those of its beginning.
//
// With kDescriptorsAndMappings anonymous mappings must not have become more either. Warm up what
// caches by design (pools, thread-locals) before; not for use under sanitizers, where the check of
// mappings is skipped.
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
  const int mappings_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_FD_LEAK_CHECK_H_
