#include "websocket/reconnect_policy.h"

#include <cerrno>
#include <optional>

#include "absl/time/time.h"
#include "bytestream/base/entropy.h"
#include "gtest/gtest.h"

namespace halfpipe::websocket {
namespace {

constexpr char kDate[] = "Sun, 06 Nov 1994 08:49:37 GMT";

// A pause is drawn from nothing, so that what is left of it is what the rules add.
ReconnectOptions WithoutJitter() {
  ReconnectOptions options;
  options.backoff = {.first_max = absl::ZeroDuration(), .max = absl::ZeroDuration()};
  return options;
}

TEST(ParseRetryAfterTest, Seconds) {
  EXPECT_EQ(ParseRetryAfter("0", ""), absl::ZeroDuration());
  EXPECT_EQ(ParseRetryAfter("120", ""), absl::Seconds(120));
  EXPECT_EQ(ParseRetryAfter("3153600000", ""), absl::Hours(100 * 365 * 24));
  EXPECT_EQ(ParseRetryAfter("3153600001", ""), absl::InfiniteDuration());
  EXPECT_EQ(ParseRetryAfter("99999999999999999999999999999999", ""), absl::InfiniteDuration());
}

TEST(ParseRetryAfterTest, ADateIsTakenFromTheAnswersOwn) {
  EXPECT_EQ(ParseRetryAfter("Sun, 06 Nov 1994 08:50:07 GMT", kDate), absl::Seconds(30));
  EXPECT_EQ(ParseRetryAfter("Mon, 07 Nov 1994 08:49:37 GMT", kDate), absl::Hours(24));
  EXPECT_EQ(ParseRetryAfter(kDate, kDate), absl::ZeroDuration());
  EXPECT_EQ(ParseRetryAfter("Sun, 06 Nov 1994 08:00:00 GMT", kDate), absl::ZeroDuration());
}

TEST(ParseRetryAfterTest, OtherFormsSayNothing) {
  for (const char* bad : {"", "-1", "+1", "1.5", " 1", "1 ", "soon", "0x10", "Sun, 06 Nov 1994",
                          "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
                          "Sun, 36 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 CET"}) {
    EXPECT_EQ(ParseRetryAfter(bad, kDate), std::nullopt) << bad;
  }
  EXPECT_EQ(ParseRetryAfter(kDate, ""), std::nullopt);
  EXPECT_EQ(ParseRetryAfter(kDate, "now"), std::nullopt);
}

TEST(ReconnectPolicyTest, WhatIsWorthAnotherAttempt) {
  for (const int error : {ECONNREFUSED, ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH,
                          EADDRNOTAVAIL, EMFILE, ENOMEM}) {
    EXPECT_TRUE(IsWorthAnotherAttempt({.error = error})) << error;
  }
  for (const int error : {EACCES, EPROTO, EINVAL, EMSGSIZE, ENOTSUP, EBADF, ECANCELED}) {
    EXPECT_FALSE(IsWorthAnotherAttempt({.error = error})) << error;
  }
}

TEST(ReconnectPolicyTest, RefusalsOfTheClientAreFinal) {
  for (const int status : {301, 302, 400, 401, 403, 404, 405, 407, 410, 426, 431, 501, 505}) {
    EXPECT_FALSE(IsWorthAnotherAttempt({.error = EACCES, .status = status})) << status;
  }
  for (const int status : {408, 425, 429, 500, 502, 503, 504, 507, 599}) {
    EXPECT_TRUE(IsWorthAnotherAttempt({.error = EACCES, .status = status})) << status;
  }
  // An answer that breaks the protocol is that, whatever its number.
  EXPECT_FALSE(IsWorthAnotherAttempt({.error = EPROTO, .status = 503}));
}

TEST(ReconnectPolicyTest, TheCloseDecides) {
  for (const int code : {1001, 1005, 1006, 1011, 1012, 1013, 1014}) {
    EXPECT_TRUE(IsWorthAnotherAttempt({.close_code = code})) << code;
  }
  for (const int code : {1000, 1002, 1003, 1007, 1008, 1009, 1010, 3000, 4999}) {
    EXPECT_FALSE(IsWorthAnotherAttempt({.close_code = code})) << code;
  }
}

TEST(ReconnectPolicyTest, RetryAfterIsObeyedUpToItsBound) {
  ReconnectOptions options = WithoutJitter();
  options.retry_after_max = absl::Seconds(100);
  FakeEntropy entropy(1);
  ReconnectPolicy policy(options, &entropy);
  const auto busy = [](absl::Duration retry_after) {
    return ConnectionEnd{.error = EACCES, .status = 503, .retry_after = retry_after};
  };
  EXPECT_EQ(policy.Next(busy(absl::Seconds(99))), absl::Seconds(99));
  EXPECT_EQ(policy.Next(busy(absl::Seconds(100))), absl::Seconds(100));
  EXPECT_EQ(policy.Next(busy(absl::Seconds(101))), absl::Seconds(100));
  EXPECT_EQ(policy.Next(busy(absl::InfiniteDuration())), absl::Seconds(100));
}

TEST(ReconnectPolicyTest, GivesUpAfterSoManyFailures) {
  ReconnectOptions options = WithoutJitter();
  options.attempts_max = 3;
  FakeEntropy entropy(1);
  ReconnectPolicy policy(options, &entropy);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(policy.Next({.error = ECONNREFUSED}).has_value());
  EXPECT_FALSE(policy.Next({.error = ECONNREFUSED}).has_value());
}

TEST(ReconnectPolicyTest, OnlyAConnectionThatLastedEndsTheRow) {
  ReconnectOptions options;
  options.backoff = {.first_max = absl::Seconds(1), .max = absl::Seconds(64)};
  options.attempts_max = 3;
  FakeEntropy entropy(1);
  ReconnectPolicy policy(options, &entropy);
  const ConnectionEnd brief = {.close_code = 1006,
                               .lasted = options.stable_time - absl::Nanoseconds(1)};
  const ConnectionEnd stable = {.close_code = 1006, .lasted = options.stable_time};
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(policy.Next(brief).has_value());
  EXPECT_EQ(policy.failures(), 3);
  for (int i = 0; i < 10; ++i) {
    const auto pause = policy.Next(stable);
    ASSERT_TRUE(pause.has_value());
    EXPECT_LE(*pause, absl::Seconds(1));
    EXPECT_EQ(policy.failures(), 1);
  }
}

TEST(ReconnectPolicyTest, AVerdictOutranksTheRules) {
  FakeEntropy entropy(1);
  ReconnectPolicy policy(WithoutJitter(), &entropy);
  EXPECT_TRUE(policy.Next({.close_code = 1000}, true).has_value());
  EXPECT_FALSE(policy.Next({.error = ECONNREFUSED}, false).has_value());
}

}  // namespace
}  // namespace halfpipe::websocket
