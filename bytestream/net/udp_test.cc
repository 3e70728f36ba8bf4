#include "bytestream/net/udp.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/net_test_support.h"
#include "bytestream/net/socket_address.h"
#include "bytestream/net/stream_info.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

const Deadline kNever = Deadline::Never();
const Deadline kNow = Deadline::Immediately();

class UdpTest : public testing::TestWithParam<IpFamily> {
 protected:
  UdpTest() : server_address_(IpAddress::Loopback(GetParam(), 0)) {
    const absl::StatusOr<UdpDescriptor> opened = UdpOpenFd(&server_address_, nullptr, UdpOptions());
    if (!opened.ok()) return;
    server_ = std::make_unique<UdpSocket>(&runtime_, *opened);
    client_ = Open(&server_address_);
    client_address_ = *LocalAddress(client_->fd());
  }
  void SetUp() override {
    if (server_ == nullptr) GTEST_SKIP() << "no loopback of this family";
  }

  std::unique_ptr<UdpSocket> Open(const IpAddress* remote) {
    IpAddress local = IpAddress::Loopback(GetParam(), 0);
    return std::make_unique<UdpSocket>(&runtime_, *UdpOpenFd(&local, remote, UdpOptions()));
  }

  static int Send(UdpSocket& socket, const std::string& text, const IpAddress* to = nullptr) {
    const IoSlice slice(text);
    return StatusErrno(socket.Send(to, {&slice, 1}));
  }

  // The datagram, or "errno N".
  static std::string Receive(UdpSocket& socket, Deadline deadline = kNever, size_t room = 70'000,
                             IpAddress* from = nullptr) {
    std::string text(room, '?');
    const IoSpan span(&text[0], room);
    const absl::StatusOr<size_t> size = socket.ReceiveFrom({&span, 1}, from, deadline);
    if (!size.ok()) return ErrnoName(StatusErrno(size.status())).data();
    text.resize(*size);
    return text;
  }

  size_t MaxBytes() const {
    return GetParam() == IpFamily::kIpv6 ? kUdpBytesMaxIpv6 : kUdpBytesMaxIpv4;
  }

  FdLeakCheck leaks_;
  Runtime runtime_;
  IpAddress server_address_;
  IpAddress client_address_;
  std::unique_ptr<UdpSocket> server_;  // for everybody
  std::unique_ptr<UdpSocket> client_;  // of the server
};

INSTANTIATE_TEST_SUITE_P(Families, UdpTest, testing::Values(IpFamily::kIpv4, IpFamily::kIpv6));

TEST_P(UdpTest, ThereAndBack) {
  EXPECT_NE(server_address_.port(), 0);
  EXPECT_EQ(Send(*client_, "hello"), 0);
  IpAddress from;
  EXPECT_EQ(Receive(*server_, kNever, 100, &from), "hello");
  EXPECT_EQ(from, client_address_);
  EXPECT_EQ(Send(*server_, "world", &from), 0);
  EXPECT_EQ(Receive(*client_), "world");
  for (const int fd : {client_->fd(), server_->fd()}) {
    EXPECT_NE(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  }
}

TEST_P(UdpTest, KeepsTheBoundsOfDatagrams) {
  for (const char* text : {"a", "", "bcd"}) EXPECT_EQ(Send(*client_, text), 0);
  EXPECT_EQ(Receive(*server_), "a");
  EXPECT_EQ(Receive(*server_), "");
  EXPECT_EQ(Receive(*server_), "bcd");
  EXPECT_EQ(Receive(*server_, kNow), "ETIMEDOUT");
}

TEST_P(UdpTest, LimitOfSize) {
  for (const int difference : {-1, 0, 1}) {
    const size_t size = MaxBytes() - 1 + static_cast<size_t>(difference + 1);
    EXPECT_EQ(Send(*client_, std::string(size, 'x')), difference > 0 ? EMSGSIZE : 0);
    EXPECT_EQ(difference > 0 ? size : Receive(*server_).size(), size);
  }
  EXPECT_EQ(Send(*client_, std::string(70'000, 'x')), EMSGSIZE);
  EXPECT_EQ(Receive(*server_, kNow), "ETIMEDOUT");
}

TEST_P(UdpTest, TooLargeForTheBufferIsConsumed) {
  for (const size_t room : {9, 10, 11}) {
    EXPECT_EQ(Send(*client_, "0123456789"), 0);
    EXPECT_EQ(Send(*client_, "next"), 0);
    EXPECT_EQ(Receive(*server_, kNever, room), room < 10 ? "EMSGSIZE" : "0123456789");
    EXPECT_EQ(Receive(*server_), "next");
  }
  EXPECT_EQ(Send(*client_, "x"), 0);
  EXPECT_EQ(Receive(*server_, kNever, 0), "EMSGSIZE");
}

// Of one, of as many pieces as need no copy, of more.
TEST_P(UdpTest, ListsOfPieces) {
  for (const size_t count : {size_t{1}, size_t{7}, size_t{8}, size_t{9}, size_t{2000}}) {
    SCOPED_TRACE(count);
    std::string text;
    for (size_t i = 0; i < count * 5; ++i) text.push_back(static_cast<char>('a' + i % 23));
    std::vector<IoSlice> slices;
    for (size_t i = 0; i < count; ++i) slices.emplace_back(text.data() + i * 5, 5);
    EXPECT_TRUE(client_->SendTo(nullptr, slices, kNever).ok());
    std::string received(text.size(), '?');
    std::vector<IoSpan> spans;
    for (size_t i = 0; i < count; ++i) spans.emplace_back(&received[i * 5], 5);
    const absl::StatusOr<size_t> size = server_->ReceiveFrom(spans, nullptr, kNever);
    ASSERT_TRUE(size.ok()) << size.status();
    EXPECT_EQ(*size, text.size());
    EXPECT_EQ(received, text);
  }
}

TEST_P(UdpTest, SkipsPieces) {
  const std::string large = std::string(20'000, 'x') + "head" + std::string(20'000, 'y') + "tail";
  EXPECT_EQ(Send(*client_, large), 0);
  char head[4], tail[4];
  const IoSpan spans[] = {IoSpan(nullptr, 20'000), IoSpan(head, 4), IoSpan(nullptr, 20'000),
                          IoSpan(tail, 4)};
  EXPECT_EQ(*server_->ReceiveFrom(spans, nullptr, kNever), large.size());
  EXPECT_EQ(std::string(head, 4), "head");
  EXPECT_EQ(std::string(tail, 4), "tail");

  // A skip is a limit too.
  for (const size_t skip : {9, 10, 11}) {
    EXPECT_EQ(Send(*client_, "0123456789"), 0);
    const IoSpan span(nullptr, skip);
    const absl::StatusOr<size_t> size = server_->ReceiveFrom({&span, 1}, nullptr, kNever);
    EXPECT_EQ(StatusErrno(size.status()), skip < 10 ? EMSGSIZE : 0);
  }
  // Any datagram.
  for (const std::string& text : {std::string(), std::string(MaxBytes(), 'z')}) {
    EXPECT_EQ(Send(*client_, text), 0);
    EXPECT_EQ(*server_->ReceiveFrom({}, nullptr, kNever), text.size());
    EXPECT_EQ(Send(*client_, text), 0);
    const IoSpan span(nullptr, SIZE_MAX);
    EXPECT_EQ(*server_->ReceiveFrom({&span, 1}, nullptr, kNever), text.size());
  }
  EXPECT_EQ(runtime_.buffer_pool().blocks_in_use(), 0u);
}

TEST_P(UdpTest, OnlyTheRemoteIsHeard) {
  const std::unique_ptr<UdpSocket> stranger = Open(nullptr);
  EXPECT_EQ(Send(*stranger, "psst", &client_address_), 0);
  EXPECT_EQ(Send(*server_, "hello", &client_address_), 0);
  EXPECT_EQ(Receive(*client_), "hello");
  EXPECT_EQ(Receive(*client_, kNow), "ETIMEDOUT");
  // Though it may itself speak to others.
  const IpAddress to = *LocalAddress(stranger->fd());
  EXPECT_EQ(Send(*client_, "psst", &to), 0);
  EXPECT_EQ(Receive(*stranger), "psst");
}

TEST_P(UdpTest, AddressesAreChecked) {
  EXPECT_EQ(Send(*server_, "x"), EINVAL);
  const IpAddress other = IpAddress::Loopback(
      GetParam() == IpFamily::kIpv4 ? IpFamily::kIpv6 : IpFamily::kIpv4, server_address_.port());
  EXPECT_EQ(Send(*server_, "x", &other), EINVAL);
  const IpAddress no_port = IpAddress::Loopback(GetParam(), 0);
  EXPECT_EQ(Send(*server_, "x", &no_port), EINVAL);
  IpAddress local = IpAddress::Loopback(GetParam(), 0);
  EXPECT_EQ(StatusErrno(UdpOpenFd(&local, &other, UdpOptions()).status()), EINVAL);
  EXPECT_EQ(StatusErrno(UdpOpenFd(&local, &no_port, UdpOptions()).status()), EINVAL);
  EXPECT_EQ(local.port(), 0);
  UdpOptions bad;
  bad.buffers.send_bytes = -1;
  EXPECT_EQ(StatusErrno(UdpOpenFd(&local, nullptr, bad).status()), EINVAL);
  IpAddress taken = server_address_;
  EXPECT_EQ(StatusErrno(UdpOpenFd(&taken, nullptr, UdpOptions()).status()), EADDRINUSE);
}

TEST_P(UdpTest, WithoutALocalAddress) {
  UdpSocket socket(&runtime_, *UdpOpenFd(nullptr, &server_address_, UdpOptions()));
  EXPECT_EQ(Send(socket, "hello"), 0);
  IpAddress from;
  EXPECT_EQ(Receive(*server_, kNever, 100, &from), "hello");
  EXPECT_EQ(Send(*server_, "back", &from), 0);
  EXPECT_EQ(Receive(socket), "back");
}

TEST_P(UdpTest, SharedPort) {
  UdpOptions options;
  options.reuse_port = true;
  IpAddress shared = IpAddress::Loopback(GetParam(), 0);
  const UdpDescriptor first = *UdpOpenFd(&shared, nullptr, options);
  const absl::StatusOr<UdpDescriptor> second = UdpOpenFd(&shared, nullptr, options);
  ASSERT_TRUE(second.ok()) << second.status();
  close(first.fd);
  close(second->fd);
}

// The machine of the remote says that nobody is there; the next call is told, once.
TEST_P(UdpTest, NobodyThere) {
  server_.reset();
  EXPECT_EQ(Send(*client_, "anybody?"), 0);
  EXPECT_EQ(Receive(*client_), "ECONNREFUSED");
  EXPECT_EQ(Receive(*client_, kNow), "ETIMEDOUT");
  EXPECT_EQ(Send(*client_, "anybody?"), 0);
  EXPECT_TRUE(AwaitEvents(client_->fd(), 0));  // the answer
  EXPECT_EQ(Send(*client_, "lost"), ECONNREFUSED);
  server_ =
      std::make_unique<UdpSocket>(&runtime_, *UdpOpenFd(&server_address_, nullptr, UdpOptions()));
  EXPECT_EQ(Send(*client_, "hello"), 0);
  EXPECT_EQ(Receive(*server_), "hello");
}

TEST_P(UdpTest, MessageSocketOfTheRemote) {
  MessageSocket& socket = *client_;
  const IoSlice slices[] = {IoSlice("hel"), IoSlice("lo")};
  EXPECT_TRUE(socket.SendMessage(slices, kNever).ok());
  EXPECT_EQ(Receive(*server_), "hello");
  EXPECT_EQ(Send(*server_, "", &client_address_), 0);
  const absl::StatusOr<std::optional<size_t>> size = socket.ReceiveMessage({}, kNever);
  ASSERT_TRUE(size.ok()) << size.status();
  EXPECT_EQ(size->value(), 0u);  // a message, not an end
  EXPECT_FALSE(socket.sender_busy());
  MessageSocket& no_remote = *server_;
  EXPECT_EQ(StatusErrno(no_remote.SendMessage(slices, kNever)), EINVAL);
}

TEST_P(UdpTest, EveryWaitOfReceiving) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      Bundle bundle(&runtime_);
      std::string text;
      ASSERT_TRUE(bundle
                      .Go([&] {
                        fault.set_only(runtime_.current());
                        text = Receive(*server_);
                      })
                      .ok());
      EXPECT_EQ(Send(*client_, "hello"), 0);
      EXPECT_EQ(bundle.Wait(kNever), 0);
      EXPECT_EQ(text, fault.hit() ? ErrnoName(error).data() : "hello");
      EXPECT_EQ(fault.hit() ? Receive(*server_) : "hello", "hello");
    });
    EXPECT_GE(waits, 1);
  }
}

TEST_P(UdpTest, SecondReceiverIsBusyAndAbortEndsTheFirst) {
  Bundle bundle(&runtime_);
  std::string text;
  ASSERT_TRUE(bundle.Go([&] { text = Receive(*server_); }).ok());
  EXPECT_TRUE(server_->receiver_busy());
  EXPECT_EQ(Receive(*server_), "EBUSY");
  // Sending goes on.
  EXPECT_EQ(Send(*server_, "x", &client_address_), 0);
  server_->Abort();
  server_->Abort();
  EXPECT_EQ(bundle.Wait(kNever), 0);
  EXPECT_EQ(text, "EBADF");
  EXPECT_EQ(Receive(*server_), "EBADF");
  EXPECT_EQ(Send(*server_, "x", &client_address_), EBADF);
  EXPECT_EQ(server_->fd(), -1);
}

TEST_P(UdpTest, CancelledCoroutine) {
  EXPECT_EQ(Send(*client_, "hello"), 0);
  Bundle bundle(&runtime_);
  ASSERT_TRUE(
      bundle
          .Go([&] {
            EXPECT_EQ(runtime_.SleepUntil(kNever), ECANCELED);
            EXPECT_EQ(Receive(*server_), "ECANCELED");
            const IoSlice slice("x");
            EXPECT_EQ(StatusErrno(client_->SendTo(nullptr, {&slice, 1}, kNever)), ECANCELED);
            EXPECT_EQ(Send(*client_, "not waiting"), 0);
          })
          .ok());
  bundle.CancelAndJoin();
  EXPECT_EQ(Receive(*server_), "hello");
  EXPECT_EQ(Receive(*server_), "not waiting");
}

TEST_P(UdpTest, Info) {
  EXPECT_EQ(Send(*client_, "hello"), 0);
  EXPECT_EQ(Receive(*server_), "hello");
  StreamInfo info = GetStreamInfo(*client_);
  EXPECT_EQ(info.fd, client_->fd());
  EXPECT_EQ(*info.peer, server_address_);
  EXPECT_EQ(*info.local, client_address_);
  EXPECT_EQ(info.bytes_sent, 5u);
  EXPECT_FALSE(info.round_trip.has_value());
  info = GetStreamInfo(*server_);
  EXPECT_FALSE(info.peer.has_value());
  EXPECT_EQ(info.bytes_received, 5u);
}

}  // namespace
}  // namespace halfpipe
