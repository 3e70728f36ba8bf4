#ifndef HALFPIPE_BYTESTREAM_TESTING_REFUSING_PORT_H_
#define HALFPIPE_BYTESTREAM_TESTING_REFUSING_PORT_H_

#include <cstdint>

namespace halfpipe {

// A TCP port of 127.0.0.1 that refuses connections. It is bound for as long as the object lives, so
// that nobody else can come to listen there, as on one that has merely been closed. Ends the process
// where the system has none.
class RefusingPort {
 public:
  RefusingPort();
  ~RefusingPort();
  RefusingPort(const RefusingPort&) = delete;
  RefusingPort& operator=(const RefusingPort&) = delete;

  uint16_t number() const { return number_; }

 private:
  int fd_;
  uint16_t number_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_REFUSING_PORT_H_
