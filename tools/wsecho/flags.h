#ifndef HALFPIPE_TOOLS_WSECHO_FLAGS_H_
#define HALFPIPE_TOOLS_WSECHO_FLAGS_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace halfpipe::tools {

// The flags of a program, --NAME=VALUE or --NAME for those without a value, and its other
// arguments. Pure.
//
// Example:
//   FlagSet flags;
//   flags.Add("listen", &listen, "ADDRESS:PORT", "where to wait for connections");
//   flags.Add("verbose", &verbose, "say more");
//   std::vector<std::string> others;
//   absl::Status status = flags.Parse(arguments, &others);
class FlagSet {
 public:
  // Declares a flag. The variable keeps what it had if the flag does not come, and outlives the
  // set. `value_name` stands for the value in Help(). All texts are static.
  void Add(absl::string_view name, std::string* value, absl::string_view value_name,
           absl::string_view help);
  // Takes each value of a flag that may come several times, in their order.
  void Add(absl::string_view name, std::vector<std::string>* values, absl::string_view value_name,
           absl::string_view help);
  // Decimal, 0..2^64-1.
  void Add(absl::string_view name, uint64_t* value, absl::string_view value_name,
           absl::string_view help);
  // Without a value: sets it to true.
  void Add(absl::string_view name, bool* value, absl::string_view help);

  // Takes the arguments of main() without the program's name. What is not a flag, and everything
  // behind "--", goes to *others in its order; "-" is not a flag. EINVAL, with a line for people:
  // a flag that is not declared, a value that is missing, not wanted or no number. Variables of
  // flags before the bad one are set then.
  absl::Status Parse(absl::Span<const std::string> arguments,
                     std::vector<std::string>* others) const;

  // A line for each flag, in the order of their declarations.
  std::string Help() const;

 private:
  struct Flag {
    absl::string_view name;
    absl::string_view value_name;
    absl::string_view help;
    std::variant<std::string*, std::vector<std::string>*, uint64_t*, bool*> value;
  };

  absl::Status Set(absl::string_view argument) const;

  std::vector<Flag> flags_;
};

// The arguments of main() without the program's name.
std::vector<std::string> Arguments(int argc, char** argv);

}  // namespace halfpipe::tools

#endif  // HALFPIPE_TOOLS_WSECHO_FLAGS_H_
