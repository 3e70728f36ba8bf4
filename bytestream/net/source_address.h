#ifndef HALFPIPE_BYTESTREAM_NET_SOURCE_ADDRESS_H_
#define HALFPIPE_BYTESTREAM_NET_SOURCE_ADDRESS_H_

#include <optional>
#include <vector>

#include "bytestream/net/ip_address.h"

namespace halfpipe {

// The address of this machine that the system sends from to `destination`, with port 0; nothing if
// it has no route there or no descriptor is free. Connects a datagram socket, which sends nothing.
// Never waits.
std::optional<IpAddress> SourceAddressFor(const IpAddress& destination);

// Puts addresses in the order of RFC 6724 section 6, with the sources that the system has for them
// now. Never waits.
void OrderBySource(std::vector<IpAddress>* addresses);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_SOURCE_ADDRESS_H_
