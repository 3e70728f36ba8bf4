#include "bytestream/net/stream_info.h"

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/listener.h"
#include "bytestream/net/pair.h"
#include "bytestream/net/tcp.h"
#include "bytestream/net/unix.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/stream_info_source.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/forwarding_bytestream.h"
#include "bytestream/testing/unique_name.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

class StreamInfoTest : public testing::Test {
 protected:
  static void Send(Bytestream* stream, const std::string& text,
                   Deadline deadline = Deadline::Never()) {
    const IoSlice slice(text);
    EXPECT_TRUE(stream->Write({&slice, 1}, /*more=*/false, deadline).ok());
  }

  // What every transport counts.
  static void ExpectCounters(Bytestream* from, Bytestream* to) {
    Send(from, "hello");
    EXPECT_EQ(GetStreamInfo(*from).bytes_sent, 5u);
    EXPECT_EQ(GetStreamInfo(*to).bytes_received, 0u);
    EXPECT_EQ(to->Peek(1, Deadline::Never())->size(), 5u);
    to->Consume(2);
    StreamInfo info = GetStreamInfo(*to);
    EXPECT_EQ(info.bytes_received, 5u);
    EXPECT_EQ(info.buffered_bytes, 3u);
    EXPECT_EQ(info.tail_bytes, 0u);
    EXPECT_EQ(info.bytes_sent, 0u);

    // What does not go at once is the tail, and is not sent yet.
    const std::string much(Bytestream::kDefaultSendTailBytesMax, 'm');
    Send(from, much, Deadline::Immediately());
    info = GetStreamInfo(*from);
    EXPECT_GT(info.tail_bytes, 0u);
    EXPECT_EQ(info.tail_bytes, from->tail_size());
    EXPECT_EQ(info.bytes_sent + info.tail_bytes, 5 + much.size());
    const IoSpan all(nullptr, 3 + much.size());
    EXPECT_TRUE(to->Read({&all, 1}, Deadline::Never()).ok());
    EXPECT_EQ(GetStreamInfo(*from).bytes_sent, 5 + much.size());
    EXPECT_EQ(GetStreamInfo(*to).bytes_received, 5 + much.size());
    EXPECT_EQ(GetStreamInfo(*to).buffered_bytes, 0u);
  }

  FdLeakCheck leaks_;
  Runtime runtime_;
};

TEST_F(StreamInfoTest, Tcp) {
  IpAddress address = IpAddress::Loopback(IpFamily::kIpv4, 0);
  Listener listener(&runtime_, *TcpListenFd(&address, TcpListenOptions()));
  const std::unique_ptr<FdStream> client = *TcpConnect(&runtime_, address, Deadline::Never());
  FdStream server(&runtime_, *listener.Accept(Deadline::Never()));

  StreamInfo info = GetStreamInfo(*client);
  EXPECT_EQ(info.fd, client->fd());
  EXPECT_EQ(*info.peer, address);
  EXPECT_EQ(*info.local, *GetStreamInfo(server).peer);
  EXPECT_EQ(info.local_name, "");
  EXPECT_TRUE(*info.no_delay);
  EXPECT_FALSE(*info.keep_alive);
  TcpOptions options;
  options.no_delay = false;
  options.keep_alive.emplace();
  options.buffers = {100'000, 110'000};
  ASSERT_TRUE(SetTcpOptions(client->fd(), options).ok());
  info = GetStreamInfo(*client);
  EXPECT_FALSE(*info.no_delay);
  EXPECT_TRUE(*info.keep_alive);
  EXPECT_EQ(*info.send_buffer_bytes, 200'000);
  EXPECT_EQ(*info.receive_buffer_bytes, 220'000);

  ExpectCounters(client.get(), &server);
  info = GetStreamInfo(*client);
  ASSERT_TRUE(info.round_trip.has_value());
  EXPECT_GT(*info.round_trip, absl::ZeroDuration());
  EXPECT_GE(*info.round_trip_variation, absl::ZeroDuration());

  client->Abort();
  const StreamInfo closed = GetStreamInfo(*client);
  EXPECT_EQ(closed.fd, -1);
  EXPECT_FALSE(closed.local.has_value());
  EXPECT_FALSE(closed.round_trip.has_value());
  EXPECT_EQ(closed.bytes_sent, info.bytes_sent);
}

TEST_F(StreamInfoTest, Listener) {
  IpAddress address = IpAddress::Loopback(IpFamily::kIpv4, 0);
  Listener listener(&runtime_, *TcpListenFd(&address, TcpListenOptions()));
  const StreamInfo info = GetStreamInfo(listener);
  EXPECT_EQ(info.fd, listener.fd());
  EXPECT_EQ(*info.local, address);
  EXPECT_FALSE(info.peer.has_value());
  EXPECT_FALSE(info.round_trip.has_value());
}

TEST_F(StreamInfoTest, Unix) {
  const std::string name = UniqueName("@halfpipe/stream_info_test/");
  Listener listener(&runtime_, *UnixListenFd(name, 1));
  const std::unique_ptr<FdStream> client = *UnixConnect(&runtime_, name, Deadline::Never());
  FdStream server(&runtime_, *listener.Accept(Deadline::Never()));
  const StreamInfo info = GetStreamInfo(*client);
  EXPECT_EQ(info.fd, client->fd());
  EXPECT_FALSE(info.local.has_value());
  EXPECT_FALSE(info.peer.has_value());
  EXPECT_EQ(info.local_name, "");
  EXPECT_EQ(info.peer_name, name);
  EXPECT_EQ(GetStreamInfo(server).local_name, name);
  EXPECT_FALSE(info.no_delay.has_value());
  EXPECT_FALSE(info.round_trip.has_value());
  EXPECT_GT(*info.send_buffer_bytes, 0);
  ExpectCounters(client.get(), &server);
}

TEST_F(StreamInfoTest, Pair) {
  auto [a, b] = MakePair(&runtime_);
  const StreamInfo info = GetStreamInfo(*a);
  EXPECT_EQ(info.fd, -1);
  EXPECT_FALSE(info.local.has_value());
  EXPECT_FALSE(info.keep_alive.has_value());
  ExpectCounters(a.get(), b.get());
}

// A layer passes the question on.
TEST_F(StreamInfoTest, LayerAbove) {
  auto [a, b] = MakePair(&runtime_);
  ForwardingBytestream above(std::move(a));
  ExpectCounters(&above, b.get());
}

// One that knows nothing about itself is no failure.
TEST_F(StreamInfoTest, SourceThatKnowsNothing) {
  struct Silent final : public StreamInfoSource {};
  const StreamInfo info = GetStreamInfo(Silent());
  EXPECT_EQ(info.fd, -1);
  EXPECT_EQ(info.bytes_received, 0u);
}

TEST_F(StreamInfoTest, DescriptorThatIsNoSocket) {
  StreamInfo info;
  errno = 7;
  DescribeSocket(STDIN_FILENO, &info);
  EXPECT_EQ(errno, 7);
  EXPECT_EQ(info.fd, STDIN_FILENO);
  EXPECT_FALSE(info.local.has_value());
  EXPECT_FALSE(info.send_buffer_bytes.has_value());
}

}  // namespace
}  // namespace halfpipe
