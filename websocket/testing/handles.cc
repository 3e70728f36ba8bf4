#include "websocket/testing/handles.h"

#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bytestream/base/check.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/sockets.h"
#include "bytestream/stream_info.h"
#include "bytestream/testing/patience.h"
#include "bytestream/testing/stream_handle.h"

namespace halfpipe::websocket {
namespace {

constexpr int kSocketBufferBytes = 4096;

void SetSmallBuffers(int fd) {
  const int size = kSocketBufferBytes;
  HALFPIPE_CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) == 0);
  HALFPIPE_CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) == 0);
}

std::pair<int, int> TcpPair() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  HALFPIPE_CHECK(listener >= 0);
  SetSmallBuffers(listener);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  HALFPIPE_CHECK(bind(listener, any, size) == 0 && listen(listener, 1) == 0);
  HALFPIPE_CHECK(getsockname(listener, any, &size) == 0);
  const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  HALFPIPE_CHECK(client >= 0);
  SetSmallBuffers(client);
  HALFPIPE_CHECK(connect(client, any, size) == 0);
  const int server = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  HALFPIPE_CHECK(server >= 0);
  close(listener);
  return {client, server};
}

}  // namespace

int HandleOf(BytestreamPtr stream) {
  const int handle = StreamHandle::Make(std::move(stream));
  HALFPIPE_CHECK(handle >= 0);
  return handle;
}

std::pair<int, int> ConnectedHandles(Transport transport) {
  std::pair<int, int> handles;
  if (transport == Transport::kPair) {
    PairOptions options;
    options.capacity_bytes = kSocketBufferBytes;
    auto [a, b] = MakePair(&Runtime::Current(), options);
    handles = {HandleOf(std::move(a)), HandleOf(std::move(b))};
  } else if (transport == Transport::kUnix) {
    int fds[2];
    HALFPIPE_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    for (const int fd : fds) SetSmallBuffers(fd);
    handles = {dill_ipc_fromfd(fds[0]), dill_ipc_fromfd(fds[1])};
  } else {
    const auto [client, server] = TcpPair();
    handles = {dill_tcp_fromfd(client), dill_tcp_fromfd(server)};
  }
  HALFPIPE_CHECK(handles.first >= 0 && handles.second >= 0);
  return handles;
}

void AwaitArrival(int s, size_t bytes) {
  const int fd = dill_stream_fd(s);
  if (fd < 0) return;
  for (const Patience patience; patience.Lasts(); usleep(1000)) {
    int arrived = 0;
    HALFPIPE_CHECK(ioctl(fd, FIONREAD, &arrived) == 0);
    if (static_cast<size_t>(arrived) >= bytes) return;
  }
  HALFPIPE_CHECK(!"the bytes have not arrived");
}

}  // namespace halfpipe::websocket
