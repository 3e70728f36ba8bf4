#include "http/core/authority.h"

#include <array>
#include <cstddef>

#include "absl/strings/match.h"
#include "http/core/grammar.h"

namespace halfpipe::http {
namespace {

bool IsRegName(absl::string_view text) {
  return !text.empty() && IsPercentEncoded(text, kRegNameChar);
}

bool ParsePort(absl::string_view text, uint16_t* port) {
  if (text.empty() || !IsAllOfClass(text, kDigit)) return false;
  uint32_t value = 0;
  for (const char c : text) {
    value = value * 10 + static_cast<uint32_t>(c - '0');
    if (value > 65535) return false;
  }
  *port = static_cast<uint16_t>(value);
  return true;
}

// The 16-bit groups of `text`, colons between them, the last two perhaps as an IPv4 address if
// `ipv4_allowed`. Nothing at all is no groups. Returns -1 for anything else.
int CountGroups(absl::string_view text, bool ipv4_allowed) {
  int count = 0;
  if (text.empty()) return 0;
  for (;;) {
    const size_t colon = text.find(':');
    const absl::string_view group = text.substr(0, colon);
    if (colon == absl::string_view::npos && ipv4_allowed && IsIpv4Address(group)) return count + 2;
    if (group.empty() || group.size() > 4 || !IsAllOfClass(group, kHexDigit)) return -1;
    ++count;
    if (colon == absl::string_view::npos) return count;
    text.remove_prefix(colon + 1);
  }
}

using Ipv6Groups = std::array<uint16_t, 8>;

// Appends the groups of `text`, which CountGroups() has accepted, from groups[at] on; returns where
// the next one goes.
size_t ReadGroups(absl::string_view text, size_t at, Ipv6Groups* groups) {
  while (!text.empty()) {
    const size_t colon = text.find(':');
    const absl::string_view group = text.substr(0, colon);
    uint32_t value = 0;
    if (group.find('.') != absl::string_view::npos) {
      uint32_t octet = 0;
      for (const char c : group) {
        if (c == '.') {
          value = value << 8 | octet;
          octet = 0;
        } else {
          octet = octet * 10 + static_cast<uint32_t>(c - '0');
        }
      }
      value = value << 8 | octet;
      (*groups)[at++] = static_cast<uint16_t>(value >> 16);
    } else {
      for (const char c : group) {
        value = value << 4 | static_cast<uint32_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
      }
    }
    (*groups)[at++] = static_cast<uint16_t>(value);
    text.remove_prefix(colon == absl::string_view::npos ? text.size() : colon + 1);
  }
  return at;
}

// The value of `text`, which IsIpv6Address() has accepted.
Ipv6Groups Ipv6Value(absl::string_view text) {
  Ipv6Groups groups = {};
  const size_t gap = text.find("::");
  if (gap == absl::string_view::npos) {
    ReadGroups(text, 0, &groups);
    return groups;
  }
  ReadGroups(text.substr(0, gap), 0, &groups);
  Ipv6Groups behind = {};
  const size_t count = ReadGroups(text.substr(gap + 2), 0, &behind);
  for (size_t i = 0; i < count; ++i) groups[groups.size() - count + i] = behind[i];
  return groups;
}

}  // namespace

bool IsSameHost(const Authority& a, const Authority& b) {
  if (a.host_kind != b.host_kind) return false;
  if (a.host_kind == HostKind::kIpv6) return Ipv6Value(a.host) == Ipv6Value(b.host);
  return absl::EqualsIgnoreCase(a.host, b.host);
}

bool IsIpv4Address(absl::string_view text) {
  for (int octet = 0; octet < 4; ++octet) {
    const size_t digits = SpanOfClass(text.substr(0, 4), kDigit);
    if (digits == 0 || digits > 3 || (digits > 1 && text.front() == '0')) return false;
    int value = 0;
    for (const char c : text.substr(0, digits)) value = value * 10 + (c - '0');
    if (value > 255) return false;
    text.remove_prefix(digits);
    if (octet == 3) break;
    if (text.empty() || text.front() != '.') return false;
    text.remove_prefix(1);
  }
  return text.empty();
}

bool IsIpv6Address(absl::string_view text) {
  const size_t gap = text.find("::");
  if (gap == absl::string_view::npos) return CountGroups(text, true) == 8;
  // A gap stands for at least one group; a second gap shows as an empty group.
  const int before = CountGroups(text.substr(0, gap), false);
  const int after = CountGroups(text.substr(gap + 2), true);
  return before >= 0 && after >= 0 && before + after <= 7;
}

bool ParseAuthority(absl::string_view text, Authority* out) {
  Authority parsed;
  absl::string_view rest;
  if (!text.empty() && text.front() == '[') {
    const size_t end = text.find(']');
    if (end == absl::string_view::npos) return false;
    parsed.host = text.substr(1, end - 1);
    parsed.host_kind = HostKind::kIpv6;
    if (!IsIpv6Address(parsed.host)) return false;
    rest = text.substr(end + 1);
  } else {
    const size_t colon = text.find(':');
    parsed.host = text.substr(0, colon);
    if (!IsRegName(parsed.host)) return false;
    if (IsIpv4Address(parsed.host)) parsed.host_kind = HostKind::kIpv4;
    if (colon != absl::string_view::npos) rest = text.substr(colon);
  }
  if (!rest.empty()) {
    if (rest.front() != ':') return false;
    rest.remove_prefix(1);
    if (!rest.empty()) {
      if (!ParsePort(rest, &parsed.port)) return false;
      parsed.has_port = true;
    }
  }
  *out = parsed;
  return true;
}

}  // namespace halfpipe::http
