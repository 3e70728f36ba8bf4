#ifndef HALFPIPE_BYTESTREAM_SOCKETS_CONVERT_H_
#define HALFPIPE_BYTESTREAM_SOCKETS_CONVERT_H_

#include <optional>

#include "bytestream/net/ip_address.h"

struct dill_ipaddr;

namespace halfpipe {

// Between the address of the C calls and ours. Nothing if *addr holds no address. `addr` is not
// null.
std::optional<IpAddress> FromIpaddr(const dill_ipaddr* addr);
void ToIpaddr(const IpAddress& address, dill_ipaddr* addr);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_SOCKETS_CONVERT_H_
