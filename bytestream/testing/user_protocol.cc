#include "bytestream/testing/user_protocol.h"

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "bytestream/iolist.h"
#include "bytestream/libdillimpl.h"
#include "bytestream/msocket.h"
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

const char flip_place = 0;
const void* const flip_type = &flip_place;
const char mark_place = 0;
const void* const mark_type = &mark_place;

// The object goes with the last of: its handle, the calls inside.
struct User {
  struct hvfs hvfs;
  struct bsock_vfs bvfs;
  struct msock_vfs mvfs;
  const void* type;
  int lower;
  int calls;
  bool closed;
  UserProtocolLog* log;
};

User* FromBsock(struct bsock_vfs* vfs) {
  return reinterpret_cast<User*>(reinterpret_cast<char*>(vfs) - offsetof(User, bvfs));
}
User* FromMsock(struct msock_vfs* vfs) {
  return reinterpret_cast<User*>(reinterpret_cast<char*>(vfs) - offsetof(User, mvfs));
}

void* Query(struct hvfs* vfs, const void* type) {
  User* const self = reinterpret_cast<User*>(vfs);
  if (type == self->type) return self;
  if (type == bsock_type && self->type == flip_type) return &self->bvfs;
  if (type == msock_type && self->type == mark_type) return &self->mvfs;
  return nullptr;
}

void Close(struct hvfs* vfs) {
  User* const self = reinterpret_cast<User*>(vfs);
  if (self->log != nullptr) ++self->log->closes;
  self->closed = true;
  if (self->lower >= 0) hclose(self->lower);
  if (self->calls == 0) std::free(self);
}

// Counts a call in and out, so that the object outlives it.
class CallScope {
 public:
  explicit CallScope(User* self) : self_(self) { ++self_->calls; }
  ~CallScope() {
    const int error = errno;
    if (--self_->calls == 0 && self_->closed) std::free(self_);
    errno = error;
  }
  CallScope(const CallScope&) = delete;
  CallScope& operator=(const CallScope&) = delete;

 private:
  User* const self_;
};

int FlipSend(struct bsock_vfs* vfs, struct iolist* first, struct iolist*, int64_t deadline) {
  User* const self = FromBsock(vfs);
  CallScope scope(self);
  if (self->log != nullptr) ++self->log->sends;
  std::vector<char> wire;
  for (struct iolist* it = first; it != nullptr; it = it->iol_next) {
    const char* const bytes = static_cast<const char*>(it->iol_base);
    for (size_t i = 0; i < it->iol_len; ++i) wire.push_back(static_cast<char>(~bytes[i]));
  }
  return bsend(self->lower, wire.data(), wire.size(), deadline);
}

int FlipReceive(struct bsock_vfs* vfs, struct iolist* first, struct iolist* last,
                int64_t deadline) {
  User* const self = FromBsock(vfs);
  CallScope scope(self);
  size_t size = 0;
  for (struct iolist* it = first; it != nullptr; it = it->iol_next) size += it->iol_len;
  if (self->log != nullptr) {
    ++self->log->receives;
    if (size > self->log->longest_receive) self->log->longest_receive = size;
  }
  if (brecvl(self->lower, first, last, deadline) != 0) return -1;
  if (self->log != nullptr) self->log->received_bytes += size;
  for (struct iolist* it = first; it != nullptr; it = it->iol_next) {
    char* const bytes = static_cast<char*>(it->iol_base);
    for (size_t i = 0; bytes != nullptr && i < it->iol_len; ++i) {
      bytes[i] = static_cast<char>(~bytes[i]);
    }
  }
  return 0;
}

int MarkSend(struct msock_vfs* vfs, struct iolist* first, struct iolist* last, int64_t deadline) {
  User* const self = FromMsock(vfs);
  CallScope scope(self);
  if (self->log != nullptr) ++self->log->sends;
  char mark[] = "!";
  struct iolist head = {mark, 1, first, 0};
  return msendl(self->lower, &head, last, deadline);
}

ssize_t MarkReceive(struct msock_vfs* vfs, struct iolist* first, struct iolist* last,
                    int64_t deadline) {
  User* const self = FromMsock(vfs);
  CallScope scope(self);
  if (self->log != nullptr) ++self->log->receives;
  char mark = 0;
  struct iolist everything = {nullptr, SIZE_MAX - 1, nullptr, 0};
  struct iolist head = {&mark, 1, first != nullptr ? first : &everything, 0};
  const ssize_t size = mrecvl(self->lower, &head, first != nullptr ? last : &everything, deadline);
  if (size < 0) return -1;
  if (size == 0 || mark != '!') {
    errno = EPROTO;
    return -1;
  }
  return size - 1;
}

int Attach(int lower, const void* type, UserProtocolLog* log) {
  const int owned = hown(lower);
  if (owned < 0) return -1;
  int error = ENOMEM;
  User* const self = static_cast<User*>(std::malloc(sizeof(User)));
  if (self != nullptr) {
    *self = {{&Query, &Close},
             {&FlipSend, &FlipReceive},
             {&MarkSend, &MarkReceive},
             type,
             owned,
             0,
             false,
             log};
    const int handle = hmake(&self->hvfs);
    if (handle >= 0) return handle;
    error = errno;
    std::free(self);
  }
  hclose(owned);
  errno = error;
  return -1;
}

int Detach(int s, const void* type) {
  User* const self = static_cast<User*>(hquery(s, type));
  if (self == nullptr) return -1;
  if (self->calls > 0) {
    errno = EBUSY;
    return -1;
  }
  const int lower = self->lower;
  self->lower = -1;
  return hclose(s) == 0 ? lower : -1;
}

}  // namespace

int FlipAttach(int lower, UserProtocolLog* log) { return Attach(lower, flip_type, log); }
int FlipDetach(int s) { return Detach(s, flip_type); }
int MarkAttach(int lower, UserProtocolLog* log) { return Attach(lower, mark_type, log); }
int MarkDetach(int s) { return Detach(s, mark_type); }

}  // namespace halfpipe
