#include "http/core/http_date.h"

#include <algorithm>
#include <chrono>

namespace halfpipe::http {
namespace {

constexpr absl::string_view kDays = "SunMonTueWedThuFriSat";
constexpr absl::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";

constexpr int64_t SecondsOf(std::chrono::sys_days day) {
  return std::chrono::seconds(day.time_since_epoch()).count();
}
constexpr int64_t kMin = SecondsOf(std::chrono::year(0) / 1 / 1);
constexpr int64_t kMax = SecondsOf(std::chrono::year(10000) / 1 / 1) - 1;

}  // namespace

HttpDate::HttpDate(int64_t unix_seconds) {
  const std::chrono::sys_seconds moment(std::chrono::seconds(std::clamp(unix_seconds, kMin, kMax)));
  const std::chrono::sys_days day = std::chrono::floor<std::chrono::days>(moment);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(moment - day);
  const auto text = [this](absl::string_view part) {
    size_ += part.copy(text_.data() + size_, part.size());
  };
  const auto number = [this](unsigned value, size_t digits) {
    for (size_t i = digits; i > 0; --i, value /= 10) {
      text_[size_ + i - 1] = static_cast<char>('0' + value % 10);
    }
    size_ += digits;
  };
  text(kDays.substr(3 * std::chrono::weekday(day).c_encoding(), 3));
  text(", ");
  number(static_cast<unsigned>(date.day()), 2);
  text(" ");
  text(kMonths.substr(3 * (static_cast<unsigned>(date.month()) - 1), 3));
  text(" ");
  number(static_cast<unsigned>(static_cast<int>(date.year())), 4);
  text(" ");
  number(static_cast<unsigned>(time.hours().count()), 2);
  text(":");
  number(static_cast<unsigned>(time.minutes().count()), 2);
  text(":");
  number(static_cast<unsigned>(time.seconds().count()), 2);
  text(" GMT");
}

}  // namespace halfpipe::http
