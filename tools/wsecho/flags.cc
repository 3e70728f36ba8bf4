#include "tools/wsecho/flags.h"

#include <algorithm>
#include <cerrno>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "bytestream/base/errno_status.h"

namespace halfpipe::tools {
namespace {

absl::Status Bad(absl::string_view name, absl::string_view what) {
  return ErrnoStatus(EINVAL, absl::StrCat("--", name, " ", what));
}

bool IsDigits(absl::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

void FlagSet::Add(absl::string_view name, std::string* value, absl::string_view value_name,
                  absl::string_view help) {
  flags_.push_back(Flag{name, value_name, help, value});
}

void FlagSet::Add(absl::string_view name, std::vector<std::string>* values,
                  absl::string_view value_name, absl::string_view help) {
  flags_.push_back(Flag{name, value_name, help, values});
}

void FlagSet::Add(absl::string_view name, uint64_t* value, absl::string_view value_name,
                  absl::string_view help) {
  flags_.push_back(Flag{name, value_name, help, value});
}

void FlagSet::Add(absl::string_view name, bool* value, absl::string_view help) {
  flags_.push_back(Flag{name, "", help, value});
}

absl::Status FlagSet::Parse(absl::Span<const std::string> arguments,
                            std::vector<std::string>* others) const {
  bool only_others = false;
  for (const std::string& argument : arguments) {
    if (only_others || argument == "-" || !absl::StartsWith(argument, "-")) {
      others->push_back(argument);
    } else if (argument == "--") {
      only_others = true;
    } else if (absl::Status status = Set(argument); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status FlagSet::Set(absl::string_view argument) const {
  const size_t equals = argument.find('=');
  const bool has_value = equals != absl::string_view::npos;
  const absl::string_view front = argument.substr(0, equals);
  const absl::string_view value = has_value ? argument.substr(equals + 1) : "";
  const auto flag = std::find_if(flags_.begin(), flags_.end(), [front](const Flag& declared) {
    return absl::StartsWith(front, "--") && front.substr(2) == declared.name;
  });
  if (flag == flags_.end()) {
    return ErrnoStatus(EINVAL, absl::StrCat("there is no flag ", front));
  }
  if (bool* const* on = std::get_if<bool*>(&flag->value)) {
    if (has_value) return Bad(flag->name, "takes no value");
    **on = true;
    return absl::OkStatus();
  }
  if (!has_value) return Bad(flag->name, absl::StrCat("needs a value: =", flag->value_name));
  if (uint64_t* const* number = std::get_if<uint64_t*>(&flag->value)) {
    uint64_t parsed = 0;
    if (!IsDigits(value) || !absl::SimpleAtoi(value, &parsed)) {
      return Bad(flag->name, "needs a decimal number");
    }
    **number = parsed;
    return absl::OkStatus();
  }
  if (std::vector<std::string>* const* values =
          std::get_if<std::vector<std::string>*>(&flag->value)) {
    (*values)->push_back(std::string(value));
    return absl::OkStatus();
  }
  *std::get<std::string*>(flag->value) = std::string(value);
  return absl::OkStatus();
}

std::string FlagSet::Help() const {
  constexpr size_t kColumn = 34;
  std::string help;
  for (const Flag& flag : flags_) {
    std::string left = absl::StrCat("  --", flag.name);
    if (!flag.value_name.empty()) absl::StrAppend(&left, "=", flag.value_name);
    left.resize(std::max(kColumn, left.size() + 1), ' ');
    absl::StrAppend(&help, left, flag.help, "\n");
  }
  return help;
}

std::vector<std::string> Arguments(int argc, char** argv) {
  return argc > 1 ? std::vector<std::string>(argv + 1, argv + argc) : std::vector<std::string>();
}

}  // namespace halfpipe::tools
