#include "bytestream/net/address_order.h"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

namespace halfpipe {
namespace {

using Bytes = std::array<uint8_t, 16>;

constexpr int kLinkLocalScope = 0x2;
constexpr int kSiteLocalScope = 0x5;
constexpr int kGlobalScope = 0xe;
constexpr int kMappedPrefixBits = 96;

// The address as IPv6, an IPv4 one mapped (RFC 4291 section 2.5.5.2).
Bytes BytesOf(const IpAddress& address) {
  Bytes bytes = {};
  if (address.family() == IpFamily::kIpv6) {
    std::memcpy(bytes.data(),
                &reinterpret_cast<const sockaddr_in6*>(address.sockaddr_ptr())->sin6_addr,
                bytes.size());
  } else {
    bytes[10] = bytes[11] = 0xff;
    std::memcpy(&bytes[12], &reinterpret_cast<const sockaddr_in*>(address.sockaddr_ptr())->sin_addr,
                4);
  }
  return bytes;
}

// How many leading bits two addresses share.
int CommonBits(const Bytes& a, const Bytes& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    const unsigned difference = a[i] ^ b[i];
    if (difference == 0) continue;
    int bits = static_cast<int>(i) * 8;
    for (unsigned mask = 0x80; (difference & mask) == 0; mask >>= 1) ++bits;
    return bits;
  }
  return static_cast<int>(a.size()) * 8;
}

struct PolicyRow {
  Bytes prefix;
  int prefix_bits;
  AddressPolicy policy;
};

// RFC 6724 section 2.1, the longest prefix first, so that the first match is the best one.
constexpr PolicyRow kPolicyTable[] = {
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, {50, 0}},  // ::1/128
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96, {35, 4}},         // ::ffff:0:0/96
    {{}, 96, {1, 3}},                                                  // ::/96
    {{0x20, 0x01}, 32, {5, 5}},                                        // 2001::/32
    {{0x20, 0x02}, 16, {30, 2}},                                       // 2002::/16
    {{0x3f, 0xfe}, 16, {1, 12}},                                       // 3ffe::/16
    {{0xfe, 0xc0}, 10, {1, 11}},                                       // fec0::/10
    {{0xfc}, 7, {3, 13}},                                              // fc00::/7
    {{}, 0, {40, 1}},                                                  // ::/0
};

// CommonPrefixLen() of RFC 6724 section 2.2: as far as the source's network goes.
int CommonPrefix(const Destination& d) {
  const bool ipv6 = d.source->family() == IpFamily::kIpv6;
  const int bits = d.source_prefix_bits.value_or(ipv6 ? 64 : 0) + (ipv6 ? 0 : kMappedPrefixBits);
  return std::min(CommonBits(BytesOf(d.address), BytesOf(*d.source)), bits);
}

bool LabelMatches(const Destination& d) {
  return PolicyOf(d.address).label == PolicyOf(*d.source).label;
}

bool ScopeMatches(const Destination& d) {
  return AddressScope(d.address) == AddressScope(*d.source);
}

// Rule 4 as a rank, the lowest first. An address that is neither counts as one at home: the RFC
// speaks of mobile nodes only, and an order needs a place for every address.
int HomeRank(const Destination& d) {
  if (d.source_is_home && d.source_is_care_of) return 0;
  return d.source_is_care_of ? 2 : 1;
}

// Whichever is true comes first.
int FirstIf(bool a, bool b) { return static_cast<int>(b) - static_cast<int>(a); }

}  // namespace

int AddressScope(const IpAddress& address) {
  const Bytes bytes = BytesOf(address);
  if (address.family() == IpFamily::kIpv4) {
    const bool loopback = bytes[12] == 127;
    const bool link_local = bytes[12] == 169 && bytes[13] == 254;
    return loopback || link_local ? kLinkLocalScope : kGlobalScope;
  }
  if (bytes[0] == 0xff) return bytes[1] & 0xf;
  if (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80) return kLinkLocalScope;
  if (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0xc0) return kSiteLocalScope;
  // RFC 4007 section 4 has the loopback address on a link of its own.
  const Bytes loopback = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return bytes == loopback ? kLinkLocalScope : kGlobalScope;
}

AddressPolicy PolicyOf(const IpAddress& address) {
  const Bytes bytes = BytesOf(address);
  const PolicyRow* row = kPolicyTable;
  while (CommonBits(bytes, row->prefix) < row->prefix_bits) ++row;  // the last one matches all
  return row->policy;
}

int CompareDestinations(const Destination& a, const Destination& b) {
  // Rule 1: avoid unusable destinations.
  if (a.source.has_value() != b.source.has_value()) return a.source.has_value() ? -1 : 1;
  const bool usable = a.source.has_value();
  if (usable) {
    // Rule 2: prefer matching scope.
    if (const int order = FirstIf(ScopeMatches(a), ScopeMatches(b))) return order;
    // Rule 3: avoid deprecated addresses.
    if (const int order = FirstIf(!a.source_deprecated, !b.source_deprecated)) return order;
    // Rule 4: prefer home addresses.
    if (const int order = HomeRank(a) - HomeRank(b)) return order;
    // Rule 5: prefer matching label.
    if (const int order = FirstIf(LabelMatches(a), LabelMatches(b))) return order;
  }
  // Rule 6: prefer higher precedence.
  const int precedence = PolicyOf(b.address).precedence - PolicyOf(a.address).precedence;
  if (precedence != 0) return precedence;
  // Rule 7: prefer native transport.
  if (const int order = FirstIf(!a.encapsulated, !b.encapsulated)) return order;
  // Rule 8: prefer smaller scope.
  const int scope = AddressScope(a.address) - AddressScope(b.address);
  if (scope != 0) return scope;
  // Rule 9: use longest matching prefix, within one family.
  if (!usable || a.address.family() != b.address.family()) return 0;
  return CommonPrefix(b) - CommonPrefix(a);
}

void OrderDestinations(std::vector<Destination>* destinations) {
  // By insertion, because the rules are no strict weak order: rule 9 leaves a pair of two families
  // undecided that it would decide through a third address.
  for (auto next = destinations->begin(); next != destinations->end(); ++next) {
    auto place = next;
    while (place != destinations->begin() && CompareDestinations(*next, *(place - 1)) < 0) --place;
    std::rotate(place, next, next + 1);
  }
}

}  // namespace halfpipe
