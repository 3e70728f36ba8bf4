#include "http/http.h"

// Behind it on purpose: macros of a header in front of them would show here.
#include <cerrno>
#include <chrono>
#include <mutex>
#include <string>
#include <thread>

#include "absl/time/time.h"
#include "gtest/gtest.h"

extern "C" int HalfpipeHttpRawNamesInC(void);

namespace {

TEST(HttpHeaderTest, RawNamesInC) { EXPECT_EQ(HalfpipeHttpRawNamesInC(), 1); }

TEST(HttpHeaderTest, RawNamesInCpp) {
  EXPECT_EQ(http_done(0, -1), -1);
  EXPECT_EQ(errno, EBADF);
  EXPECT_EQ(dill_http_done(0, -1), -1);
}

}  // namespace
