#include "bytestream/net/hosts_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace halfpipe {
namespace {

// Takes the first word off `line`; empty at its end.
absl::string_view TakeWord(absl::string_view* line) {
  size_t begin = 0;
  while (begin < line->size() && absl::ascii_isspace((*line)[begin])) ++begin;
  size_t end = begin;
  while (end < line->size() && !absl::ascii_isspace((*line)[end])) ++end;
  const absl::string_view word = line->substr(begin, end - begin);
  line->remove_prefix(end);
  return word;
}

}  // namespace

std::vector<IpAddress> FindInHosts(absl::string_view text, absl::string_view name, uint16_t port) {
  std::vector<IpAddress> found;
  name = absl::StripSuffix(name, ".");
  if (name.empty()) return found;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    absl::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    line = line.substr(0, line.find('#'));
    const absl::string_view literal = TakeWord(&line);
    for (absl::string_view word = TakeWord(&line); !word.empty(); word = TakeWord(&line)) {
      if (!absl::EqualsIgnoreCase(absl::StripSuffix(word, "."), name)) continue;
      const std::optional<IpAddress> address = IpAddress::Parse(literal, port);
      if (address && std::find(found.begin(), found.end(), *address) == found.end()) {
        found.push_back(*address);
      }
      break;
    }
  }
  return found;
}

std::string ReadHostsFile(const char* path) {
  std::string text;
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return text;
  char piece[1024];  // small, because stacks are
  while (text.size() < kHostsFileBytesMax) {
    const size_t room = std::min(sizeof(piece), kHostsFileBytesMax - text.size());
    const ssize_t count = read(fd, piece, room);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    text.append(piece, static_cast<size_t>(count));
  }
  close(fd);
  return text;
}

}  // namespace halfpipe
