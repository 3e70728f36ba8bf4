// The C calls of TLS: each checks its arguments, finds the object, calls it and sets errno.

#define DILL_DISABLE_RAW_NAMES
#include "bytestream/tls/tls.h"

#include <cerrno>
#include <memory>
#include <new>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/bytestream.h"
#include "bytestream/bytestream_handle.h"
#include "bytestream/c_call.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/handle/handle_type.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/tls/process_trust.h"
#include "bytestream/tls/tls_context.h"
#include "bytestream/tls/tls_stream.h"

namespace halfpipe {
namespace {

inline constexpr HandleType kTlsType{"TLS connection"};

// What a TLS handle stands for. Also an ordinary bytestream, so that a layer above can own it.
class TlsObject final : public TlsStream, public HandleObject {
 public:
  // `lower_object` and `lower` are the same object; the stream owns it.
  TlsObject(Runtime* runtime, HandleObject* lower_object, BytestreamPtr lower, bool on_heap)
      : TlsStream(runtime, std::move(lower)), lower_object_(lower_object), on_heap_(on_heap) {}

  void* Query(const void* type) override {
    if (type == &kBytestreamType) return static_cast<Bytestream*>(this);
    return type == &kTlsType ? this : nullptr;
  }
  bool runs_user_code() const override { return lower_object_->runs_user_code(); }
  void Close() noexcept override { Abort(); }
  void Dispose() noexcept override {
    if (on_heap_) {
      delete this;
    } else {
      this->~TlsObject();
    }
  }

  HandleObject* lower_object() const { return lower_object_; }

 private:
  HandleObject* const lower_object_;
  const bool on_heap_;
};

static_assert(sizeof(TlsObject) <= sizeof(dill_tls_storage), "public size");
static_assert(alignof(TlsObject) <= alignof(dill_tls_storage), "public size");

// Where the object is to live.
struct TlsPlace {
  bool in_callers_storage = false;
  void* storage = nullptr;  // null where it should not be: EINVAL
};

// Takes the bytestream over, has `handshake(stream)` (which returns an errno) done on it, and makes
// the handle: that, or a negative errno.
template <typename Handshake>
int Attach(int s, TlsPlace place, bool valid, Handshake handshake) {
  HandleObject* lower_object = nullptr;
  Bytestream* taken = nullptr;
  if (const int error = TakeBytestream(s, &lower_object, &taken)) return -error;
  BytestreamPtr lower(taken);
  if (!valid || (place.in_callers_storage && place.storage == nullptr)) return -EINVAL;
  Runtime& runtime = Runtime::Current();
  if (const int error = runtime.CheckCancelled()) return -error;
  void* const memory =
      place.in_callers_storage ? place.storage : ::operator new(sizeof(TlsObject), std::nothrow);
  if (memory == nullptr) return -ENOMEM;
  auto* const object =
      new (memory) TlsObject(&runtime, lower_object, std::move(lower), !place.in_callers_storage);
  const int error = handshake(object);
  const int handle = error != 0 ? -error : HandleTable::Current().Make(object);
  if (handle < 0) object->Dispose();
  return handle;
}

int AttachClientHost(int s, const char* host, TlsPlace place, int64_t deadline) {
  return EndCallWithResult(Attach(s, place, host != nullptr, [&](TlsStream* stream) {
    const absl::StatusOr<ProcessTrust::Ref> trust = ProcessTrust::Get();
    if (!trust.ok()) return StatusErrno(trust.status());
    return StatusErrno(stream->Handshake(trust->for_host(), host, Deadline::FromMillis(deadline)));
  }));
}

int AttachClient(int s, TlsPlace place, int64_t deadline) {
  return EndCallWithResult(Attach(s, place, true, [&](TlsStream* stream) {
    const absl::StatusOr<ProcessTrust::Ref> trust = ProcessTrust::Get();
    if (!trust.ok()) return StatusErrno(trust.status());
    if (trust->for_chain() == nullptr) return EACCES;
    return StatusErrno(stream->Handshake(*trust->for_chain(), "", Deadline::FromMillis(deadline)));
  }));
}

int AttachServer(int s, const char* cert, const char* pkey, TlsPlace place, int64_t deadline) {
  const bool valid = cert != nullptr && pkey != nullptr;
  return EndCallWithResult(Attach(s, place, valid, [&](TlsStream* stream) {
    TlsServerOptions options;
    options.identity.certificates.file = cert;
    options.identity.key.file = pkey;
    const auto context = TlsContext::ForServer(options);
    if (!context.ok()) return StatusErrno(context.status());
    return StatusErrno(stream->Handshake(**context, "", Deadline::FromMillis(deadline)));
  }));
}

int Done(int s, int64_t deadline) {
  PinnedHandle pin(s);
  if (!pin) return EBADF;
  TlsObject* const object = pin.Query<TlsObject>(kTlsType);
  if (object == nullptr) return ENOTSUP;
  return StatusErrno(object->Done(Deadline::FromMillis(deadline)));
}

int Detach(int s, int64_t deadline) {
  HandleTable& table = HandleTable::Current();
  HandleObject* const found = table.Find(s);
  if (found == nullptr) return -EBADF;
  TlsObject* const object = static_cast<TlsObject*>(found->Query(&kTlsType));
  if (object == nullptr) return -ENOTSUP;
  if (HandleTable::Pinned(found)) return -EBUSY;
  HandleObject* const lower_object = object->lower_object();
  absl::StatusOr<BytestreamPtr> lower = BytestreamPtr();
  {
    // The number stays until the end, so that hclose() can cut the wait short.
    PinnedHandle pin(found);
    lower = object->Detach(Deadline::FromMillis(deadline));
    if (pin.closed()) return -EBADF;
    static_cast<void>(table.Close(s));
  }
  if (!lower.ok()) return -StatusErrno(lower.status());
  const int handle = MakeBytestreamHandle(lower_object);
  if (handle >= 0) static_cast<void>(lower->release());
  return handle;
}

}  // namespace
}  // namespace halfpipe

int dill_tls_trust_file(const char* path) {
  const int error = halfpipe::StatusErrno(halfpipe::ProcessTrust::Set(path));
  return error == 0 ? 0 : halfpipe::FailCall(error);
}

int dill_tls_attach_client_host(int s, const char* host, int64_t deadline) {
  return halfpipe::AttachClientHost(s, host, {}, deadline);
}

int dill_tls_attach_client_host_mem(int s, const char* host, struct dill_tls_storage* mem,
                                    int64_t deadline) {
  return halfpipe::AttachClientHost(s, host, {true, mem}, deadline);
}

int dill_tls_attach_client(int s, int64_t deadline) {
  return halfpipe::AttachClient(s, {}, deadline);
}

int dill_tls_attach_client_mem(int s, struct dill_tls_storage* mem, int64_t deadline) {
  return halfpipe::AttachClient(s, {true, mem}, deadline);
}

int dill_tls_attach_server(int s, const char* cert, const char* pkey, int64_t deadline) {
  return halfpipe::AttachServer(s, cert, pkey, {}, deadline);
}

int dill_tls_attach_server_mem(int s, const char* cert, const char* pkey,
                               struct dill_tls_storage* mem, int64_t deadline) {
  return halfpipe::AttachServer(s, cert, pkey, {true, mem}, deadline);
}

int dill_tls_done(int s, int64_t deadline) {
  return halfpipe::EndCall(halfpipe::Done(s, deadline));
}

int dill_tls_detach(int s, int64_t deadline) {
  return halfpipe::EndCallWithResult(halfpipe::Detach(s, deadline));
}
