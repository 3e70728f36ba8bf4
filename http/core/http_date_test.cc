#include "http/core/http_date.h"

#include <cstdint>
#include <limits>
#include <random>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace halfpipe::http {
namespace {

std::string Text(int64_t unix_seconds) { return std::string(HttpDate(unix_seconds).text()); }

TEST(HttpDateTest, OfTheRfc) { EXPECT_EQ(Text(784'111'777), "Sun, 06 Nov 1994 08:49:37 GMT"); }

TEST(HttpDateTest, None) { EXPECT_EQ(HttpDate().text(), ""); }

TEST(HttpDateTest, BoundsOfDaysMonthsAndYears) {
  EXPECT_EQ(Text(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
  EXPECT_EQ(Text(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(Text(951'782'399), "Mon, 28 Feb 2000 23:59:59 GMT");
  EXPECT_EQ(Text(951'782'400), "Tue, 29 Feb 2000 00:00:00 GMT");
  EXPECT_EQ(Text(4'107'542'400), "Mon, 01 Mar 2100 00:00:00 GMT");
  EXPECT_EQ(Text(2'147'483'648), "Tue, 19 Jan 2038 03:14:08 GMT");
}

// Four digits and no more.
TEST(HttpDateTest, YearsAtTheirLimits) {
  constexpr int64_t kMin = -62'167'219'200;
  constexpr int64_t kMax = 253'402'300'799;
  EXPECT_EQ(Text(kMin), "Sat, 01 Jan 0000 00:00:00 GMT");
  EXPECT_EQ(Text(kMax), "Fri, 31 Dec 9999 23:59:59 GMT");
  for (const int64_t below : {kMin - 1, std::numeric_limits<int64_t>::min()}) {
    EXPECT_EQ(Text(below), Text(kMin));
  }
  for (const int64_t above : {kMax + 1, std::numeric_limits<int64_t>::max()}) {
    EXPECT_EQ(Text(above), Text(kMax));
  }
}

TEST(HttpDateTest, AgreesWithAbseil) {
  std::mt19937_64 random(9110);
  std::uniform_int_distribution<int64_t> seconds(-30'000'000'000, 253'402'300'799);
  for (int i = 0; i < 2000; ++i) {
    const int64_t moment = seconds(random);
    EXPECT_EQ(Text(moment), absl::FormatTime("%a, %d %b %E4Y %H:%M:%S GMT",
                                             absl::FromUnixSeconds(moment), absl::UTCTimeZone()));
  }
}

}  // namespace
}  // namespace halfpipe::http
