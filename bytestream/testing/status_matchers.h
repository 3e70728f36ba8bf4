#ifndef HALFPIPE_BYTESTREAM_TESTING_STATUS_MATCHERS_H_
#define HALFPIPE_BYTESTREAM_TESTING_STATUS_MATCHERS_H_

#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bytestream/base/errno_status.h"
#include "gmock/gmock.h"

// Matchers for Status and StatusOr.
//
// Example:
//   EXPECT_THAT(stream->Write(slices, false, deadline), IsOk());
//   EXPECT_THAT(stream->ReadSome(room, 1, deadline), IsOkAndHolds(5u));
//   EXPECT_THAT(stream->Peek(1, Deadline::Immediately()), IsErrno(ETIMEDOUT));

namespace halfpipe {
namespace testing_internal {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

inline void Explain(const absl::Status& status, std::ostream* out) {
  if (out == nullptr) return;
  *out << "which is " << status.ToString();
  if (!status.ok()) *out << " (" << std::string(ErrnoName(StatusErrno(status))) << ")";
}

}  // namespace testing_internal

// Matches a status whose errno (StatusErrno()) is `error`; 0 is OK.
class IsErrnoMatcher {
 public:
  using is_gtest_matcher = void;

  explicit IsErrnoMatcher(int error) : error_(error) {}

  template <typename StatusLike>
  bool MatchAndExplain(const StatusLike& value, std::ostream* out) const {
    const absl::Status& status = testing_internal::StatusOf(value);
    testing_internal::Explain(status, out);
    return StatusErrno(status) == error_;
  }
  void DescribeTo(std::ostream* out) const { *out << "is " << Name(); }
  void DescribeNegationTo(std::ostream* out) const { *out << "is not " << Name(); }

 private:
  std::string Name() const {
    if (error_ == 0) return "OK";
    return std::string(ErrnoName(error_)) + " (" + std::to_string(error_) + ")";
  }

  int error_;
};

inline IsErrnoMatcher IsErrno(int error) { return IsErrnoMatcher(error); }
inline IsErrnoMatcher IsOk() { return IsErrnoMatcher(0); }

// Matches a StatusOr that is OK and whose value `inner` matches.
template <typename Inner>
class IsOkAndHoldsMatcher {
 public:
  using is_gtest_matcher = void;

  explicit IsOkAndHoldsMatcher(Inner inner) : inner_(std::move(inner)) {}

  template <typename T>
  bool MatchAndExplain(const absl::StatusOr<T>& value, std::ostream* out) const {
    if (!value.ok()) {
      testing_internal::Explain(value.status(), out);
      return false;
    }
    const testing::Matcher<const T&> inner = testing::SafeMatcherCast<const T&>(inner_);
    if (out == nullptr) return inner.Matches(*value);
    testing::StringMatchResultListener listener;
    const bool matches = inner.MatchAndExplain(*value, &listener);
    *out << "which holds " << testing::PrintToString(*value);
    if (!listener.str().empty()) *out << ", " << listener.str();
    return matches;
  }
  void DescribeTo(std::ostream* out) const { *out << "is OK and holds the value asked for"; }
  void DescribeNegationTo(std::ostream* out) const { *out << "is not OK or holds another value"; }

 private:
  Inner inner_;
};

template <typename Inner>
IsOkAndHoldsMatcher<std::decay_t<Inner>> IsOkAndHolds(Inner&& inner) {
  return IsOkAndHoldsMatcher<std::decay_t<Inner>>(std::forward<Inner>(inner));
}

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_STATUS_MATCHERS_H_
