#include "bytestream/hosts_file.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "bytestream/net/ip_address.h"

namespace halfpipe {
namespace {

constexpr char kBlanks[] = " \t\r";

// Takes the next word off *text; empty at its end.
absl::string_view TakeWord(absl::string_view* text) {
  const size_t begin = text->find_first_not_of(kBlanks);
  if (begin == absl::string_view::npos) return absl::string_view();
  text->remove_prefix(begin);
  const size_t end = text->find_first_of(kBlanks);
  const absl::string_view word = text->substr(0, end);
  text->remove_prefix(word.size());
  return word;
}

absl::string_view TakeLine(absl::string_view* text) {
  const size_t end = text->find('\n');
  const absl::string_view line = text->substr(0, end);
  text->remove_prefix(end == absl::string_view::npos ? text->size() : end + 1);
  return line.substr(0, line.find('#'));
}

absl::string_view WithoutFinalDot(absl::string_view name) {
  return absl::EndsWith(name, ".") ? name.substr(0, name.size() - 1) : name;
}

}  // namespace

std::vector<IpAddress> FindInHosts(absl::string_view hosts, absl::string_view name, uint16_t port) {
  std::vector<IpAddress> found;
  name = WithoutFinalDot(name);
  if (name.empty()) return found;
  while (!hosts.empty()) {
    absl::string_view line = TakeLine(&hosts);
    const absl::string_view literal = TakeWord(&line);
    for (;;) {
      const absl::string_view alias = TakeWord(&line);
      if (alias.empty()) break;
      if (!absl::EqualsIgnoreCase(WithoutFinalDot(alias), name)) continue;
      const std::optional<IpAddress> address = IpAddress::Parse(literal, port);
      if (address.has_value()) found.push_back(*address);
      break;
    }
  }
  if (found.empty() &&
      (absl::EqualsIgnoreCase(name, "localhost") || absl::EndsWithIgnoreCase(name, ".localhost"))) {
    found.push_back(IpAddress::Loopback(IpFamily::kIpv4, port));
    found.push_back(IpAddress::Loopback(IpFamily::kIpv6, port));
  }
  return found;
}

}  // namespace halfpipe
