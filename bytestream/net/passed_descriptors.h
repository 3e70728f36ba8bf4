#ifndef HALFPIPE_BYTESTREAM_NET_PASSED_DESCRIPTORS_H_
#define HALFPIPE_BYTESTREAM_NET_PASSED_DESCRIPTORS_H_

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>

namespace halfpipe {

// The descriptors that a peer has passed over a Unix stream socket (SCM_RIGHTS, see unix(7)) and
// nobody has taken yet, in their order, each with its place in the stream.
//
// A place is the offset of a byte from the beginning of the stream: the last one of the receive
// that brought the descriptor. The system ends a receive behind a message that carries descriptors,
// so this is the last byte of that message: of a message of one byte, which is how ipc_sendfd()
// sends, the byte itself. (Of a longer message that a receive had not room for, it is the last byte
// there was room for.) Several descriptors of one message have the same place.
//
// At most kMax are kept; kMax of them wait in memory that is allocated with the first one. Those
// beyond, those for which the process has no number free, and all if memory fails, are lost: closed
// by the system, or at once. Take() tells at their place.
//
// Example: see FdStream::ReceiveWithDescriptors().
class PassedDescriptors {
 public:
  static constexpr size_t kMax = 64;

  // Room for the control data of one receive.
  struct Control {
    alignas(cmsghdr) char bytes[CMSG_SPACE(sizeof(int) * kMax)];
  };

  PassedDescriptors() = default;
  // Closes all.
  ~PassedDescriptors();
  PassedDescriptors(const PassedDescriptors&) = delete;
  PassedDescriptors& operator=(const PassedDescriptors&) = delete;

  // Offers `control`, as far as there is room for more, to a receive into `message`.
  void Offer(Control* control, msghdr* message) const;

  // Takes over what the receive brought; `place` is that of its last byte, and never less than
  // before.
  void Collect(const msghdr& message, uint64_t place);

  // Gives the first descriptor at `place`: 0, *fd is the caller's, and *last is set if there is
  // nothing more at the place. EPROTO: none was passed there. EMSGSIZE: one was, and was lost.
  int Take(uint64_t place, int* fd, bool* last);

  // The bytes before `place` have been received by other means: closes what came with them.
  void DropBefore(uint64_t place);

  void CloseAll();

  // True when DropBefore() would have nothing to do, whatever the place.
  bool empty() const { return size_ == 0 && lost_begin_ == lost_end_; }

  // Descriptors that are kept now.
  size_t size() const { return size_; }

 private:
  struct Entry {
    uint64_t place;
    int fd;
  };

  bool Append(int fd, uint64_t place);
  void Lost(uint64_t place);

  Entry* entries_ = nullptr;  // kMax of them, from malloc; size_ from begin_ on
  size_t begin_ = 0;
  size_t size_ = 0;
  // The places from one to the other where a descriptor was lost, and all those between.
  uint64_t lost_begin_ = 0;
  uint64_t lost_end_ = 0;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_PASSED_DESCRIPTORS_H_
