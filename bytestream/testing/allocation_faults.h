#ifndef HALFPIPE_BYTESTREAM_TESTING_ALLOCATION_FAULTS_H_
#define HALFPIPE_BYTESTREAM_TESTING_ALLOCATION_FAULTS_H_

#include "gtest/gtest.h"

namespace halfpipe {

// Memory that is not there, where our code is prepared for that: malloc(), calloc(), realloc() and
// operator new with std::nothrow. Works as syscall_faults.h does, by the linker's --wrap, so a test
// that uses it is linked statically; memory from mmap(2) is syscall_faults.h's.
//
// The N-th such request of this thread, counted from 0, fails as long as the object lives; all
// others are served. They nest, the last one made counts.
class AllocationFault {
 public:
  explicit AllocationFault(int nth);
  ~AllocationFault();
  AllocationFault(const AllocationFault&) = delete;
  AllocationFault& operator=(const AllocationFault&) = delete;

  // The N-th request and all later ones fail.
  void FailOn() { goes_on_ = true; }

  // Whether requests count at present; they do at first.
  void set_armed(bool armed) { armed_ = armed; }

  // Whether the N-th request came.
  bool hit() const { return left_ < 0; }

  // For the functions in between: whether this request fails.
  bool Fails();

 private:
  int left_;
  bool goes_on_ = false;
  bool armed_ = true;
  AllocationFault* const previous_;
};

// The most requests that a scenario may make.
inline constexpr int kSweepAllocationsMax = 1000;

// Runs `scenario(fault)` again and again: the first request for memory fails, then the second one
// and so on, until the scenario comes to its end without the fault having been hit. Returns how
// many requests there were.
template <typename Scenario>
int SweepAllocations(Scenario scenario) {
  for (int nth = 0; nth < kSweepAllocationsMax; ++nth) {
    SCOPED_TRACE(testing::Message() << "request for memory " << nth << " fails");
    AllocationFault fault(nth);
    scenario(fault);
    if (!fault.hit() || testing::Test::HasFailure()) return nth;
  }
  ADD_FAILURE() << "the scenario still asks for memory after " << kSweepAllocationsMax << " runs";
  return kSweepAllocationsMax;
}

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_ALLOCATION_FAULTS_H_
