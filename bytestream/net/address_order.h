#ifndef HALFPIPE_BYTESTREAM_NET_ADDRESS_ORDER_H_
#define HALFPIPE_BYTESTREAM_NET_ADDRESS_ORDER_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "bytestream/net/ip_address.h"

namespace halfpipe {

// An address that may be connected to, and what is known of the way there.
struct Destination {
  IpAddress address;

  // The address of this machine that the system would send from; nothing if it has no way there.
  std::optional<IpAddress> source;

  // Bits of `source` that name its network, for rule 9. Unknown: 64 for IPv6, where they are that
  // many as good as always, and none for IPv4, where likeness in more bits than those of the
  // network says nothing and would undo the order in which a name server rotates its answers.
  std::optional<int> source_prefix_bits;

  // Properties of the source and of the way, for rules 3, 4 and 7. What finds sources by asking the
  // system for a route does not know them and leaves them as they are here.
  bool source_deprecated = false;
  bool source_is_home = false;     // a home address of a mobile node
  bool source_is_care_of = false;  // a care-of address of a mobile node
  bool encapsulated = false;       // reached through a tunnel
};

// The scope of an address, as in RFC 6724 sections 3.1 and 3.2: that of a multicast address is its
// own; loopback and link-local addresses, IPv4 ones too, have 0x2, site-local ones 0x5, all others
// 0xe (global).
int AddressScope(const IpAddress& address);

// What the default policy table (RFC 6724 section 2.1) says of an address; IPv4 counts as
// ::ffff:0:0/96.
struct AddressPolicy {
  int precedence;
  int label;
};
AddressPolicy PolicyOf(const IpAddress& address);

// Below 0 if `a` is to be tried before `b`, above 0 if after, 0 if none of the rules 1 to 9 of
// RFC 6724 section 6 decides. Pure.
int CompareDestinations(const Destination& a, const Destination& b);

// Puts destinations in the order in which they are to be tried (RFC 6724 section 6); those that
// nothing tells apart stay as they are (rule 10). Quadratic in their number.
void OrderDestinations(std::vector<Destination>* destinations);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_ADDRESS_ORDER_H_
