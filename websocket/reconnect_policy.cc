#include "websocket/reconnect_policy.h"

#include <algorithm>
#include <cerrno>
#include <string>

#include "absl/time/time.h"

namespace halfpipe::websocket {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The one form of a date that is sent (RFC 9110 section 5.6.7, IMF-fixdate).
std::optional<absl::Time> ParseDate(absl::string_view text) {
  // "Sun, 06 Nov 1994 08:49:37 GMT": all of one length, which keeps out what ParseTime() would let
  // pass besides.
  if (text.size() != 29 || !IsDigit(text[5]) || text.substr(25) != " GMT") return std::nullopt;
  absl::Time time;
  std::string error;
  if (!absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", text, absl::UTCTimeZone(), &time, &error)) {
    return std::nullopt;
  }
  return time;
}

// Statuses that the same request may not get again.
bool IsPassingStatus(int status) {
  if (status == 408 || status == 425 || status == 429) return true;
  return status >= 500 && status <= 599 && status != 501 && status != 505;
}

bool IsPassingClose(int code) {
  switch (code) {
    case 1001:  // going away
    case 1005:  // a Close without a code
    case 1006:  // no Close
    case 1011:  // internal error
    case 1012:  // restart
    case 1013:  // try again later
    case 1014:  // bad gateway
      return true;
    default:
      return false;
  }
}

}  // namespace

std::optional<absl::Duration> ParseRetryAfter(absl::string_view retry_after,
                                              absl::string_view date) {
  if (!retry_after.empty() && std::all_of(retry_after.begin(), retry_after.end(), IsDigit)) {
    int64_t seconds = 0;
    for (const char digit : retry_after) {
      seconds = seconds * 10 + (digit - '0');
      // Nobody waits longer, and the number may be of any length.
      if (seconds > int64_t{100} * 365 * 24 * 3600) return absl::InfiniteDuration();
    }
    return absl::Seconds(seconds);
  }
  const std::optional<absl::Time> then = ParseDate(retry_after);
  const std::optional<absl::Time> now = ParseDate(date);
  if (!then.has_value() || !now.has_value()) return std::nullopt;
  return std::max(*then - *now, absl::ZeroDuration());
}

bool IsWorthAnotherAttempt(const ConnectionEnd& end) {
  if (end.error == 0) return IsPassingClose(end.close_code);
  if (end.status != 0 && end.error == EACCES) return IsPassingStatus(end.status);
  switch (end.error) {
    case EACCES:
    case EPROTO:
    case EINVAL:
    case EMSGSIZE:
    case ENOTSUP:
    case EBADF:
    case ECANCELED:
      return false;
    default:
      return true;
  }
}

ReconnectPolicy::ReconnectPolicy(const ReconnectOptions& options, Entropy* entropy)
    : options_(options), backoff_(options.backoff, entropy) {}

std::optional<absl::Duration> ReconnectPolicy::Next(const ConnectionEnd& end,
                                                    std::optional<bool> verdict) {
  if (end.error == 0 && end.lasted >= options_.stable_time) {
    failures_ = 0;
    backoff_.Reset();
  }
  ++failures_;
  if (!verdict.value_or(IsWorthAnotherAttempt(end))) return std::nullopt;
  if (options_.attempts_max > 0 && failures_ > options_.attempts_max) return std::nullopt;
  if (!end.retry_after.has_value()) return backoff_.Next();
  return backoff_.NextAfter(std::min(*end.retry_after, options_.retry_after_max));
}

}  // namespace halfpipe::websocket
