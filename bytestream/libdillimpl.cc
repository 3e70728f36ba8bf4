// The C calls for objects of the user's.

#define DILL_DISABLE_RAW_NAMES
#include "bytestream/libdillimpl.h"

#include <cerrno>
#include <new>

#include "bytestream/bytestream.h"
#include "bytestream/c_call.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/handle/handle_type.h"
#include "bytestream/message_socket.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/socket_faces.h"
#include "bytestream/user_bytestream.h"
#include "bytestream/user_message_socket.h"

static const char bsock_type_place = 0;
static const char msock_type_place = 0;
const void* dill_bsock_type = &bsock_type_place;
const void* dill_msock_type = &msock_type_place;

namespace halfpipe {
namespace {

// What a handle of hmake() stands for. To our protocols it is the Bytestream or MessageSocket that
// the user's tables make of it; types of the library's own never reach the user's query function.
class UserObject final : public HandleObject, private UserStreamOwner {
 public:
  UserObject(HandleTable* table, dill_hvfs* vfs)
      : runtime_(table->runtime()),
        vfs_(vfs),
        stream_(this, table->background()),
        messages_(table->runtime()) {}

  void* Query(const void* type) override {
    if (type == &kBytestreamType) return AsBytestream();
    if (type == &kMessageSocketType) return AsMessageSocket();
    return nullptr;
  }
  void* QueryForUser(const void* type) override { return vfs_->query(vfs_, type); }
  bool runs_user_code() const override { return true; }
  void Close() noexcept override { stream_.Abort(); }
  void Dispose() noexcept override { stream_.Dispose(); }

 private:
  ~UserObject() = default;

  Bytestream* AsBytestream() {
    if (stream_.vfs() == nullptr) {
      stream_.set_vfs(static_cast<dill_bsock_vfs*>(vfs_->query(vfs_, dill_bsock_type)));
    }
    return stream_.vfs() != nullptr ? &stream_ : nullptr;
  }

  MessageSocket* AsMessageSocket() {
    if (messages_.vfs() == nullptr) {
      messages_.set_vfs(static_cast<dill_msock_vfs*>(vfs_->query(vfs_, dill_msock_type)));
    }
    return messages_.vfs() != nullptr ? &messages_ : nullptr;
  }

  void CloseUserObject() noexcept override {
    messages_.Close();
    Coroutine* const self = runtime_->current();
    ++self->closing_depth;
    vfs_->close(vfs_);
    --self->closing_depth;
  }
  void DestroyUserObject() noexcept override { delete this; }

  Runtime* const runtime_;
  dill_hvfs* const vfs_;
  UserBytestream stream_;
  UserMessageSocket messages_;
};

// A handle or a negative errno.
int MakeUserHandle(dill_hvfs* vfs) {
  if (vfs == nullptr || vfs->query == nullptr || vfs->close == nullptr) return -EINVAL;
  HandleTable& table = HandleTable::Current();
  if (const int error = table.runtime()->CheckCancelled()) return -error;
  if (const int error = table.CheckRoom()) return -error;
  HandleObject* const object = new (std::nothrow) UserObject(&table, vfs);
  // There is room, and nothing has switched since.
  return object != nullptr ? table.Make(object) : -ENOMEM;
}

void* QueryHandle(int h, const void* type) {
  HandleObject* const object = HandleTable::Current().Find(h);
  if (object == nullptr) {
    errno = EBADF;
    return nullptr;
  }
  void* interface = object->QueryForUser(type);
  if (interface == nullptr && type == dill_bsock_type) interface = BsockFace(object);
  if (interface == nullptr && type == dill_msock_type) interface = MsockFace(object);
  if (interface == nullptr) errno = ENOTSUP;
  return interface;
}

}  // namespace
}  // namespace halfpipe

int dill_hmake(struct dill_hvfs* vfs) {
  const int result = halfpipe::MakeUserHandle(vfs);
  return result >= 0 ? result : halfpipe::FailCall(-result);
}

void* dill_hquery(int h, const void* type) { return halfpipe::QueryHandle(h, type); }
