// The main() of tests: as GoogleTest's, and at the end of the run no descriptor that was not there
// before is open, and no memory of a pool is mapped.
//
// The tests run in a thread of their own, so that what belongs to a thread (the runtime that
// Runtime::Current() makes) has come to its end when the run is looked at. Signals to the process
// go to that thread, as they would if there were only one.

#include <pthread.h>

#include <csignal>
#include <cstddef>
#include <cstdio>
#include <set>
#include <string>
#include <thread>

#include "bytestream/base/mapped_memory.h"
#include "bytestream/testing/fd_leak_check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

// There under tools/dev/thread_witness alone: the next thread is no test's.
extern "C" __attribute__((weak)) void halfpipe_expect_thread();

namespace halfpipe {
namespace {

int RunTests() {
  const std::set<std::string> before = OpenDescriptors();
  int result = 0;
  sigset_t all;
  sigset_t original;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &original);
  if (halfpipe_expect_thread != nullptr) halfpipe_expect_thread();
  std::thread tests([&result, &original] {
    pthread_sigmask(SIG_SETMASK, &original, nullptr);
    result = RUN_ALL_TESTS();
  });
  tests.join();
  for (const std::string& descriptor : OpenDescriptors()) {
    if (before.count(descriptor) != 0) continue;
    std::fprintf(stderr, "FAILED: the run left open: %s\n", descriptor.c_str());
    result = 1;
  }
  if (const size_t bytes = MappedMemoryBytes(); bytes != 0) {
    std::fprintf(stderr, "FAILED: the run left %zu bytes of pools mapped\n", bytes);
    result = 1;
  }
  return result;
}

}  // namespace
}  // namespace halfpipe

int main(int argc, char** argv) {
  // There are two threads, and what a fork of the second one exits with is a mystery to sanitizers.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  testing::InitGoogleMock(&argc, argv);
  return halfpipe::RunTests();
}
