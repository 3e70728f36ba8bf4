#include "tools/wsecho/raw_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/match.h"
#include "bytestream/base/check.h"
#include "gtest/gtest.h"

namespace halfpipe::tools {
namespace {

constexpr timeval kBound = {60, 0};

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// Makes the call again where it was interrupted, as one with a bound is when the process has been
// stopped and goes on.
template <typename Call>
auto Insist(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

}  // namespace

RawSocket::RawSocket(int fd) : fd_(fd) {
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &kBound, sizeof(kBound));
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &kBound, sizeof(kBound));
}

RawSocket::~RawSocket() { close(fd_); }

void RawSocket::Send(absl::string_view bytes) {
  EXPECT_EQ(Insist([&] { return send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }),
            static_cast<ssize_t>(bytes.size()));
}

void RawSocket::EndSending() { EXPECT_EQ(shutdown(fd_, SHUT_WR), 0); }

bool RawSocket::ReceiveSome(std::string* to, size_t max) {
  char buffer[4096];
  const ssize_t count = Insist([&] { return recv(fd_, buffer, std::min(max, sizeof(buffer)), 0); });
  EXPECT_GE(count, 0) << "after " << *to;
  if (count > 0) to->append(buffer, static_cast<size_t>(count));
  return count > 0;
}

std::string RawSocket::Receive(size_t size) {
  std::string bytes;
  while (bytes.size() < size && ReceiveSome(&bytes, size - bytes.size())) {
  }
  EXPECT_EQ(bytes.size(), size);
  return bytes;
}

std::string RawSocket::ReceiveUntil(absl::string_view end) {
  std::string bytes;
  while (!absl::EndsWith(bytes, end) && ReceiveSome(&bytes, 1)) {
  }
  EXPECT_TRUE(absl::EndsWith(bytes, end)) << bytes;
  return bytes;
}

std::string RawSocket::ReceiveAll() {
  std::string bytes;
  while (ReceiveSome(&bytes, SIZE_MAX)) {
  }
  return bytes;
}

int RawConnect(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  HALFPIPE_CHECK(fd >= 0);
  const sockaddr_in address = Loopback(port);
  EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  return fd;
}

RawListener::RawListener() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  HALFPIPE_CHECK(bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0);
  HALFPIPE_CHECK(listen(fd_, 16) == 0);
  HALFPIPE_CHECK(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &kBound, sizeof(kBound));
  port_ = ntohs(address.sin_port);
}

RawListener::~RawListener() { close(fd_); }

int RawListener::Accept() {
  const int fd = Insist([&] { return accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC); });
  EXPECT_GE(fd, 0);
  return fd;
}

}  // namespace halfpipe::tools
