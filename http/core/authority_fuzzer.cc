// host[:port]. Addresses are those that inet_pton(3) knows; what is accepted has no byte that could
// end it early in a URL or a field; and put together from its parts again it is the same.

#include <arpa/inet.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "absl/strings/string_view.h"
#include "http/core/authority.h"

namespace {

using namespace halfpipe::http;  // NOLINT

void Require(bool holds) {
  if (!holds) std::abort();
}

bool SystemKnows(int family, const std::string& text) {
  unsigned char address[16];
  return text.find('\0') == std::string::npos && inet_pton(family, text.c_str(), address) == 1;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 512) return 0;
  const std::string text(reinterpret_cast<const char*>(data), size);
  Require(IsIpv4Address(text) == SystemKnows(AF_INET, text));
  Require(IsIpv6Address(text) == SystemKnows(AF_INET6, text));

  Authority authority;
  if (!ParseAuthority(text, &authority)) return 0;
  const std::string host(authority.host);
  Require(!host.empty());
  Require(std::none_of(text.begin(), text.end(), [](char c) {
    return static_cast<uint8_t>(c) <= 0x20 || static_cast<uint8_t>(c) >= 0x7f ||
           std::strchr("/?#@\\\"<>^`{|}", c) != nullptr;
  }));
  const bool bracketed = authority.host_kind == HostKind::kIpv6;
  Require(bracketed == (text[0] == '['));
  Require(bracketed == SystemKnows(AF_INET6, host));
  Require((authority.host_kind == HostKind::kIpv4) == SystemKnows(AF_INET, host));

  const std::string shown = bracketed ? "[" + host + "]" : host;
  Require(text.compare(0, shown.size(), shown) == 0);
  const std::string port = text.substr(shown.size());
  Require(authority.has_port == (port.size() > 1));
  Require(port.empty() || port[0] == ':');
  if (authority.has_port) Require(std::strtoul(port.c_str() + 1, nullptr, 10) == authority.port);

  const std::string rewritten =
      shown + (authority.has_port ? ":" + std::to_string(authority.port) : "");
  Authority again;
  Require(ParseAuthority(rewritten, &again));
  Require(again.host == host && again.host_kind == authority.host_kind);
  Require(again.has_port == authority.has_port && again.port == authority.port);
  return 0;
}
