#include "websocket/testing/handles.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>

#include "absl/status/statusor.h"
#include "bytestream/base/check.h"
#include "bytestream/bytestream_handle.h"
#include "bytestream/handle/handle_type.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/sockets.h"

namespace halfpipe::websocket {
namespace {

constexpr int kSocketBufferBytes = 4096;

// A bytestream that has a handle and forwards everything to one that has none.
class Wrapped final : public Bytestream, public HandleObject {
 public:
  explicit Wrapped(BytestreamPtr inner) : inner_(std::move(inner)) {}

  absl::StatusOr<absl::Span<uint8_t>> Peek(size_t min, Deadline deadline) override {
    return inner_->Peek(min, deadline);
  }
  void Consume(size_t count) override { inner_->Consume(count); }
  absl::Status Read(absl::Span<const IoSpan> slices, Deadline deadline) override {
    return inner_->Read(slices, deadline);
  }
  absl::StatusOr<size_t> ReadSome(absl::Span<uint8_t> dst, size_t min, Deadline deadline) override {
    return inner_->ReadSome(dst, min, deadline);
  }
  absl::Status Write(absl::Span<const IoSlice> slices, bool more, Deadline deadline) override {
    return inner_->Write(slices, more, deadline);
  }
  absl::Status WriteTail(absl::Span<const IoSlice> slices) override {
    return inner_->WriteTail(slices);
  }
  absl::Status Flush(Deadline deadline) override { return inner_->Flush(deadline); }
  absl::Status Done(Deadline deadline) override { return inner_->Done(deadline); }
  void Abort() noexcept override { inner_->Abort(); }
  void WhenReadable(Callback callback) override { inner_->WhenReadable(std::move(callback)); }
  void WhenWritable(Callback callback) override { inner_->WhenWritable(std::move(callback)); }
  size_t buffered() const override { return inner_->buffered(); }
  size_t tail_size() const override { return inner_->tail_size(); }
  bool reader_busy() const override { return inner_->reader_busy(); }
  bool writer_busy() const override { return inner_->writer_busy(); }

  void* Query(const void* type) override {
    return type == &kBytestreamType ? static_cast<Bytestream*>(this) : nullptr;
  }
  void Close() noexcept override { inner_->Abort(); }
  void Dispose() noexcept override { delete this; }

 private:
  BytestreamPtr inner_;
};

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
  const int handle = MakeBytestreamHandle(new Wrapped(std::move(stream)));
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

}  // namespace halfpipe::websocket
