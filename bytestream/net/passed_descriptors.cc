#include "bytestream/net/passed_descriptors.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace halfpipe {

PassedDescriptors::~PassedDescriptors() {
  CloseAll();
  std::free(entries_);
}

void PassedDescriptors::Offer(Control* control, msghdr* message) const {
  const size_t room = kMax - size_;
  message->msg_control = room > 0 ? control->bytes : nullptr;
  // Without the padding of CMSG_SPACE(), into which the system would put one more.
  message->msg_controllen = room > 0 ? CMSG_LEN(sizeof(int) * room) : 0;
}

void PassedDescriptors::Collect(const msghdr& message, uint64_t place) {
  // Its flags say that control data of some kind was cut.
  if ((message.msg_flags & MSG_CTRUNC) != 0) Lost(place);
  if (message.msg_controllen == 0) return;
  // CMSG_NXTHDR() wants a message that it could change.
  msghdr walk = message;
  for (cmsghdr* header = CMSG_FIRSTHDR(&walk); header != nullptr;
       header = CMSG_NXTHDR(&walk, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(fd), sizeof(fd));
      if (Append(fd, place)) continue;
      close(fd);
      Lost(place);
    }
  }
}

bool PassedDescriptors::Append(int fd, uint64_t place) {
  if (entries_ == nullptr) {
    entries_ = static_cast<Entry*>(std::malloc(kMax * sizeof(Entry)));
    if (entries_ == nullptr) return false;
  }
  if (size_ == kMax) return false;
  if (begin_ + size_ == kMax) {
    std::memmove(entries_, entries_ + begin_, size_ * sizeof(Entry));
    begin_ = 0;
  }
  entries_[begin_ + size_++] = {place, fd};
  return true;
}

void PassedDescriptors::Lost(uint64_t place) {
  if (lost_begin_ == lost_end_) lost_begin_ = place;
  lost_end_ = place + 1;
}

int PassedDescriptors::Take(uint64_t place, int* fd, bool* last) {
  DropBefore(place);
  const bool lost = lost_begin_ <= place && place < lost_end_;
  if (size_ == 0 || entries_[begin_].place != place) return lost ? EMSGSIZE : EPROTO;
  *fd = entries_[begin_++].fd;
  --size_;
  *last = !lost && (size_ == 0 || entries_[begin_].place != place);
  return 0;
}

void PassedDescriptors::DropBefore(uint64_t place) {
  while (size_ > 0 && entries_[begin_].place < place) {
    close(entries_[begin_++].fd);
    --size_;
  }
  if (size_ == 0) begin_ = 0;
  lost_begin_ = std::max(lost_begin_, place);
  lost_end_ = std::max(lost_end_, lost_begin_);
}

void PassedDescriptors::CloseAll() { DropBefore(UINT64_MAX); }

}  // namespace halfpipe
