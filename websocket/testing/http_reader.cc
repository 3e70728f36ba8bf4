#include "websocket/testing/http_reader.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace halfpipe::websocket {
namespace {

bool IsToken(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           (c != '\0' && std::strchr("!#$%&'*+-.^_`|~", c) != nullptr);
  });
}

bool IsVisible(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<uint8_t>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
  });
}

bool IsBase64(absl::string_view text, size_t size, size_t padding) {
  if (text.size() != size) return false;
  for (size_t i = 0; i < size; ++i) {
    const char c = text[i];
    const bool pad = i >= size - padding;
    if (pad != (c == '=')) return false;
    if (!pad && !absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '+' && c != '/') {
      return false;
    }
  }
  return true;
}

// Takes one line off the front of *bytes. False if there is no whole one.
bool TakeLine(absl::string_view* bytes, absl::string_view* line) {
  const size_t end = bytes->find("\r\n");
  if (end == absl::string_view::npos) return false;
  *line = bytes->substr(0, end);
  bytes->remove_prefix(end + 2);
  return true;
}

std::string JudgeStatusLine(absl::string_view line, int* status) {
  if (line.size() < 13 || line.substr(0, 9) != "HTTP/1.1 " || line[12] != ' ' ||
      !absl::SimpleAtoi(line.substr(9, 3), status) || *status < 100 || *status > 599) {
    return "not a status line";
  }
  return "";
}

// A 101 as section 4.2.2 of RFC 6455 asks for.
std::string JudgeAcceptance(const HttpHead& head) {
  if (!absl::EqualsIgnoreCase(head.Value("upgrade"), "websocket")) return "101 without Upgrade";
  if (!absl::EqualsIgnoreCase(head.Value("connection"), "Upgrade")) return "101 without Connection";
  if (head.Count("sec-websocket-accept") != 1 ||
      !IsBase64(head.Value("sec-websocket-accept"), 28, 1)) {
    return "101 without a Sec-WebSocket-Accept";
  }
  if (head.Count("sec-websocket-protocol") > 1 || head.Count("sec-websocket-extensions") > 1) {
    return "101 with two of a kind";
  }
  if (head.Count("content-length") + head.Count("transfer-encoding") > 0) {
    return "101 with content";
  }
  return "";
}

}  // namespace

size_t HttpHead::Count(absl::string_view name) const {
  return static_cast<size_t>(std::count_if(
      fields.begin(), fields.end(), [name](const auto& field) { return field.first == name; }));
}

std::string HttpHead::Value(absl::string_view name) const {
  std::string value;
  for (const auto& field : fields) {
    if (field.first == name) value = field.second;
  }
  return value;
}

HttpHead ReadHttpHead(absl::string_view bytes) {
  HttpHead head;
  const size_t size = bytes.size();
  absl::string_view line;
  if (!TakeLine(&bytes, &line) || line.empty() || !IsVisible(line)) {
    head.breach = "no start line";
    return head;
  }
  head.start_line = std::string(line);
  for (;;) {
    if (!TakeLine(&bytes, &line)) {
      head.breach = "the head has no end";
      return head;
    }
    if (line.empty()) break;
    const size_t colon = line.find(':');
    const absl::string_view name = line.substr(0, colon);
    if (colon == absl::string_view::npos || !IsToken(name) || !IsVisible(line)) {
      head.breach = absl::StrCat("a bad field line, number ", head.fields.size());
      return head;
    }
    const absl::string_view value = absl::StripAsciiWhitespace(line.substr(colon + 1));
    head.fields.emplace_back(absl::AsciiStrToLower(name), std::string(value));
  }
  head.size = size - bytes.size();
  return head;
}

ServerOutput ReadServerOutput(absl::string_view bytes) {
  ServerOutput output;
  while (!bytes.empty()) {
    HttpHead head = ReadHttpHead(bytes);
    int status = 0;
    output.breach = head.breach.empty() ? JudgeStatusLine(head.start_line, &status) : head.breach;
    if (!output.breach.empty()) return output;
    output.last = head;
    output.statuses.push_back(status);
    bytes.remove_prefix(head.size);
    if (status == 101) {
      output.breach = JudgeAcceptance(head);
      output.behind_101 = std::string(bytes);
      return output;
    }
    if (status < 200 || status == 204 || status == 304) continue;
    size_t length = 0;
    if (head.Count("content-length") != 1 ||
        !absl::SimpleAtoi(head.Value("content-length"), &length) || length > bytes.size()) {
      output.breach = "no Content-Length that is true";
      return output;
    }
    bytes.remove_prefix(length);
  }
  return output;
}

std::string JudgeClientHead(absl::string_view bytes, size_t* size) {
  const HttpHead head = ReadHttpHead(bytes);
  *size = head.size;
  if (!head.breach.empty()) return head.breach;
  const absl::string_view line = head.start_line;
  if (!absl::StartsWith(line, "GET /") || !absl::EndsWith(line, " HTTP/1.1") ||
      std::count(line.begin(), line.end(), ' ') != 2) {
    return "not a request line";
  }
  if (head.Count("host") != 1 || head.Value("host").empty()) return "no single Host";
  if (!absl::EqualsIgnoreCase(head.Value("upgrade"), "websocket")) return "no Upgrade";
  if (!absl::EqualsIgnoreCase(head.Value("connection"), "Upgrade")) return "no Connection";
  if (head.Count("sec-websocket-version") != 1 || head.Value("sec-websocket-version") != "13") {
    return "no Sec-WebSocket-Version";
  }
  if (head.Count("sec-websocket-key") != 1 || !IsBase64(head.Value("sec-websocket-key"), 24, 2)) {
    return "no Sec-WebSocket-Key";
  }
  if (head.Count("content-length") + head.Count("transfer-encoding") > 0) return "content";
  return "";
}

}  // namespace halfpipe::websocket
