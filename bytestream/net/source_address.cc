#include "bytestream/net/source_address.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>

#include "absl/cleanup/cleanup.h"
#include "bytestream/net/address_order.h"

namespace halfpipe {
namespace {

// Any will do: nothing is sent. To port 0 some systems do not connect.
constexpr uint16_t kAnyPort = 53;

}  // namespace

std::optional<IpAddress> SourceAddressFor(const IpAddress& destination) {
  const int family = destination.family() == IpFamily::kIpv6 ? AF_INET6 : AF_INET;
  const int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return std::nullopt;
  const absl::Cleanup closer = [fd] { close(fd); };
  IpAddress to = destination;
  if (to.port() == 0) to.set_port(kAnyPort);
  sockaddr_storage storage = {};
  sockaddr* const source = reinterpret_cast<sockaddr*>(&storage);
  socklen_t size = sizeof(storage);
  if (connect(fd, to.sockaddr_ptr(), to.sockaddr_size()) < 0 ||
      getsockname(fd, source, &size) < 0) {
    return std::nullopt;
  }
  std::optional<IpAddress> address = IpAddress::FromSockaddr(source, size);
  if (address.has_value()) address->set_port(0);
  return address;
}

void OrderBySource(std::vector<IpAddress>* addresses) {
  if (addresses->size() < 2) return;
  std::vector<Destination> destinations(addresses->size());
  for (size_t i = 0; i < addresses->size(); ++i) {
    destinations[i].address = (*addresses)[i];
    destinations[i].source = SourceAddressFor((*addresses)[i]);
  }
  OrderDestinations(&destinations);
  for (size_t i = 0; i < addresses->size(); ++i) (*addresses)[i] = destinations[i].address;
}

}  // namespace halfpipe
