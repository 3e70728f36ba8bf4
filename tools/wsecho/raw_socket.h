#ifndef HALFPIPE_TOOLS_WSECHO_RAW_SOCKET_H_
#define HALFPIPE_TOOLS_WSECHO_RAW_SOCKET_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace halfpipe::tools {

// A blocking TCP socket of the system, for tests that want to be sure of the bytes. Waits for a
// minute at most, then fails the test.
class RawSocket {
 public:
  explicit RawSocket(int fd);  // Takes it over.
  ~RawSocket();
  RawSocket(const RawSocket&) = delete;
  RawSocket& operator=(const RawSocket&) = delete;

  void Send(absl::string_view bytes);
  // The peer sees the end of the stream.
  void EndSending();
  // Exactly `size` bytes; fewer, and a failed test, at the end of the stream.
  std::string Receive(size_t size);
  // What comes up to and with `end`.
  std::string ReceiveUntil(absl::string_view end);
  // What comes up to the end of the stream.
  std::string ReceiveAll();

 private:
  bool ReceiveSome(std::string* to, size_t max);

  const int fd_;
};

// Connects to 127.0.0.1 at `port`.
int RawConnect(uint16_t port);

// Listens on 127.0.0.1, any port.
class RawListener {
 public:
  RawListener();
  ~RawListener();
  RawListener(const RawListener&) = delete;
  RawListener& operator=(const RawListener&) = delete;

  uint16_t port() const { return port_; }
  int Accept();

 private:
  int fd_;
  uint16_t port_;
};

}  // namespace halfpipe::tools

#endif  // HALFPIPE_TOOLS_WSECHO_RAW_SOCKET_H_
