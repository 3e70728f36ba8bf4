#include "bytestream/net/net_test_support.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "bytestream/base/check.h"
#include "bytestream/testing/patience.h"

namespace halfpipe {
namespace {

std::array<int, 2> ConnectedTcpFds() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  // Inherited by what is accepted, and to be set before the window is agreed.
  const int small = 4096;
  const int on = 1;
  HALFPIPE_CHECK(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) == 0);
  HALFPIPE_CHECK(setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  sockaddr* const any = reinterpret_cast<sockaddr*>(&address);
  HALFPIPE_CHECK(bind(listener, any, size) == 0 && listen(listener, 1) == 0);
  HALFPIPE_CHECK(getsockname(listener, any, &size) == 0);
  const int first = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  HALFPIPE_CHECK(setsockopt(first, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0);
  HALFPIPE_CHECK(connect(first, any, size) == 0);
  const int flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
  const int second = accept4(listener, nullptr, nullptr, flags);
  HALFPIPE_CHECK(second >= 0);
  close(listener);
  HALFPIPE_CHECK(fcntl(first, F_SETFL, O_NONBLOCK) == 0);
  return {first, second};
}

}  // namespace

const char* TransportName(Transport transport) {
  return transport == Transport::kUnix ? "Unix" : "Tcp";
}

std::array<int, 2> ConnectedFds(Transport transport) {
  std::array<int, 2> fds;
  if (transport == Transport::kUnix) {
    HALFPIPE_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) ==
                   0);
  } else {
    fds = ConnectedTcpFds();
  }
  const int small = 4096;
  HALFPIPE_CHECK(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) == 0);
  return fds;
}

ssize_t SendDescriptor(int socket, absl::string_view bytes, int passed) {
  iovec piece = {const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &passed, sizeof(passed));
  return sendmsg(socket, &message, MSG_NOSIGNAL);
}

bool AwaitEvents(int fd, short events) {
  pollfd entry = {fd, events, 0};
  return poll(&entry, 1, 60'000) == 1;
}

bool AwaitConnections(int listener, size_t count) {
  for (const Patience patience; patience.Lasts(); usleep(1000)) {
    tcp_info info = {};
    socklen_t size = sizeof(info);
    HALFPIPE_CHECK(getsockopt(listener, IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
    if (info.tcpi_unacked >= count) return true;  // of a listener: connections in its queue
  }
  return false;
}

size_t FillSocket(int fd) {
  int size = 0;
  socklen_t length = sizeof(size);
  HALFPIPE_CHECK(getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &length) == 0);
  // More is queued than the buffer is to hold afterwards, by more than the peer's takes. Half, for
  // the system doubles what it is given.
  const int large = size / 2 + 24 * 1024;
  HALFPIPE_CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &large, sizeof(large)) == 0);
  size_t count = 0;
  const std::string piece(1024, 'f');
  for (;;) {
    const ssize_t sent = send(fd, piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) break;
    count += static_cast<size_t>(sent);
  }
  const int small = size / 2;
  HALFPIPE_CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) == 0);
  return count;
}

size_t OpenDescriptorCount() {
  DIR* const directory = opendir("/proc/self/fd");
  HALFPIPE_CHECK(directory != nullptr);
  size_t count = 0;
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count - 3;  // ".", ".." and the directory itself
}

std::string Pattern(size_t size) {
  std::string text(size, '\0');
  uint32_t state = 12345;
  for (char& c : text) {
    state = state * 1664525u + 1013904223u;
    c = static_cast<char>(state >> 24);
  }
  return text;
}

}  // namespace halfpipe
