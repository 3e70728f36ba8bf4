#include "bytestream/testing/refusing_port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bytestream/base/check.h"

namespace halfpipe {

RefusingPort::RefusingPort() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  HALFPIPE_CHECK(fd_ >= 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  sockaddr* const any = reinterpret_cast<sockaddr*>(&address);
  HALFPIPE_CHECK(bind(fd_, any, size) == 0 && getsockname(fd_, any, &size) == 0);
  number_ = ntohs(address.sin_port);
}

RefusingPort::~RefusingPort() { close(fd_); }

}  // namespace halfpipe
