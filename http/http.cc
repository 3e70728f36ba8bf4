// The C calls for HTTP/1.1 heads: each looks up its handle, converts its arguments, calls the
// HeadExchange, lets go of everything and sets errno.

#define DILL_DISABLE_RAW_NAMES
#include "http/http.h"

#include <cerrno>
#include <cstring>
#include <new>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bytestream/base/check.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/bytestream.h"
#include "bytestream/bytestream_handle.h"
#include "bytestream/c_call.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/handle/handle_type.h"
#include "bytestream/runtime/runtime.h"
#include "http/core/head_parser.h"
#include "http/core/header_list.h"
#include "http/head_exchange.h"

namespace halfpipe::http {
namespace {

inline constexpr HandleType kHttpType{"HTTP head"};

// What a handle of http_attach() stands for.
class HttpSocket final : public HandleObject {
 public:
  // `lower_object` and `lower` are the same object; the exchange owns it.
  HttpSocket(Runtime* runtime, HandleObject* lower_object, BytestreamPtr lower,
             bool in_callers_storage)
      : exchange(runtime, std::move(lower)),
        lower_object(lower_object),
        in_callers_storage_(in_callers_storage) {}

  void* Query(const void* type) override {
    if (type == &kStreamInfoType) return FindStreamInfoSource(lower_object);
    return type == &kHttpType ? this : nullptr;
  }
  bool runs_user_code() const override { return lower_object->runs_user_code(); }
  bool in_callers_memory() const override {
    return in_callers_storage_ || lower_object->in_callers_memory();
  }
  void Close() noexcept override { exchange.Abort(); }
  void Dispose() noexcept override {
    if (in_callers_storage_) {
      this->~HttpSocket();
    } else {
      delete this;
    }
  }
  // The bytestream may be somebody's else own; it knows what to do.
  bool Abandon() noexcept override {
    if (!lower_object->Abandon()) return false;
    static_cast<void>(exchange.ReleaseStream().release());
    Dispose();
    return true;
  }

  HeadExchange exchange;
  HandleObject* const lower_object;

 private:
  ~HttpSocket() = default;

  const bool in_callers_storage_;
};

static_assert(sizeof(HttpSocket) <= sizeof(dill_http_storage), "public size");
static_assert(alignof(HttpSocket) <= alignof(dill_http_storage), "public size");

// A handle, or a negative errno. `memory` is storage of the caller or null for the heap.
int Attach(int s, void* memory, bool in_callers_storage) {
  HandleObject* lower_object = nullptr;
  Bytestream* taken = nullptr;
  if (const int error = TakeBytestream(s, &lower_object, &taken)) return -error;
  BytestreamPtr lower(taken);
  Runtime& runtime = Runtime::Current();
  if (const int error = runtime.CheckCancelled()) return -error;
  if (in_callers_storage && memory == nullptr) return -EINVAL;
  if (!in_callers_storage) memory = ::operator new(sizeof(HttpSocket), std::nothrow);
  if (memory == nullptr) return -ENOMEM;
  HttpSocket* const socket =
      new (memory) HttpSocket(&runtime, lower_object, std::move(lower), in_callers_storage);
  const int handle = HandleTable::Current().Make(socket);
  if (handle < 0) socket->Dispose();
  return handle;
}

// A handle, or a negative errno; everything is closed then but for EBADF, ENOTSUP and EBUSY.
int Detach(int s, int64_t deadline) {
  HandleTable& table = HandleTable::Current();
  HandleObject* const object = table.Find(s);
  if (object == nullptr) return -EBADF;
  HttpSocket* const socket = static_cast<HttpSocket*>(object->Query(&kHttpType));
  if (socket == nullptr) return -ENOTSUP;
  if (HandleTable::Pinned(object)) return -EBUSY;
  absl::StatusOr<BytestreamPtr> lower = BytestreamPtr();
  {
    // The number stays until the end, so that hclose() can cut the wait short.
    PinnedHandle pin(object);
    lower = socket->exchange.Detach(Deadline::FromMillis(deadline));
    if (pin.closed()) return -EBADF;
    if (!lower.ok()) {
      static_cast<void>(table.Close(s));
      return -StatusErrno(lower.status());
    }
  }
  // The exchange has kept others out, so nobody else has pinned the object.
  int error = 0;
  HALFPIPE_CHECK(table.Release(s, &error) != nullptr);
  HandleObject* const lower_object = socket->lower_object;
  socket->Dispose();
  const int handle = MakeBytestreamHandle(lower_object);
  if (handle >= 0) static_cast<void>(lower->release());
  return handle;
}

// Runs function(exchange), which returns a number or a negative errno, on what is behind `s`.
template <typename Function>
int WithExchange(int s, Function function) {
  PinnedHandle pin(s);
  if (!pin) return -EBADF;
  HttpSocket* const socket = pin.Query<HttpSocket>(kHttpType);
  if (socket == nullptr) return -ENOTSUP;
  const int result = function(&socket->exchange);
  return pin.closed() ? -EBADF : result;
}

// The same for functions that return a Status and send what the caller passed.
template <typename Function>
int Send(int s, bool arguments_valid, Function function) {
  return EndCallWithResult(WithExchange(s, [&](HeadExchange* exchange) {
    if (!arguments_valid) return -EINVAL;
    return -StatusErrno(function(exchange));
  }));
}

// A buffer of the caller for one text.
struct TextBuffer {
  char* data;
  size_t size;

  bool Holds(absl::string_view text) const { return data == nullptr || text.size() < size; }
  void Fill(absl::string_view text) const {
    if (data == nullptr) return;
    if (!text.empty()) std::memcpy(data, text.data(), text.size());
    data[text.size()] = '\0';
  }
};

int ReceiveRequest(HeadExchange* exchange, TextBuffer command, TextBuffer resource,
                   Deadline deadline) {
  const absl::StatusOr<RequestLine> line = exchange->PeekRequestLine(deadline);
  if (!line.ok()) return -StatusErrno(line.status());
  if (!command.Holds(line->method) || !resource.Holds(line->target)) return -EMSGSIZE;
  command.Fill(line->method);
  resource.Fill(line->target);
  exchange->TakeLine();
  return 0;
}

int ReceiveStatus(HeadExchange* exchange, TextBuffer reason, Deadline deadline) {
  const absl::StatusOr<StatusLine> line = exchange->PeekStatusLine(deadline);
  if (!line.ok()) return -StatusErrno(line.status());
  if (!reason.Holds(line->reason)) return -EMSGSIZE;
  reason.Fill(line->reason);
  exchange->TakeLine();
  return line->status;
}

int ReceiveField(HeadExchange* exchange, TextBuffer name, TextBuffer value, Deadline deadline) {
  const absl::StatusOr<std::optional<Field>> field = exchange->PeekField(deadline);
  if (!field.ok()) return -StatusErrno(field.status());
  if (!field->has_value()) return -EPIPE;
  if (!name.Holds((*field)->name) || !value.Holds((*field)->value)) return -EMSGSIZE;
  name.Fill((*field)->name);
  value.Fill((*field)->value);
  exchange->TakeLine();
  return 0;
}

}  // namespace
}  // namespace halfpipe::http

using halfpipe::Deadline;
using halfpipe::EndCallWithResult;
using halfpipe::http::HeadExchange;

int dill_http_attach(int s) {
  return EndCallWithResult(halfpipe::http::Attach(s, nullptr, /*in_callers_storage=*/false));
}

int dill_http_attach_mem(int s, struct dill_http_storage* mem) {
  return EndCallWithResult(halfpipe::http::Attach(s, mem, /*in_callers_storage=*/true));
}

int dill_http_done(int s, int64_t deadline) {
  return halfpipe::http::Send(s, true, [&](HeadExchange* exchange) {
    return exchange->SendEnd(Deadline::FromMillis(deadline));
  });
}

int dill_http_detach(int s, int64_t deadline) {
  return EndCallWithResult(halfpipe::http::Detach(s, deadline));
}

int dill_http_sendrequest(int s, const char* command, const char* resource, int64_t deadline) {
  const bool valid = command != nullptr && resource != nullptr;
  return halfpipe::http::Send(s, valid, [&](HeadExchange* exchange) {
    return exchange->SendRequestLine(command, resource, Deadline::FromMillis(deadline));
  });
}

int dill_http_sendstatus(int s, int status, const char* reason, int64_t deadline) {
  return halfpipe::http::Send(s, reason != nullptr, [&](HeadExchange* exchange) {
    return exchange->SendStatusLine(status, reason, Deadline::FromMillis(deadline));
  });
}

int dill_http_sendfield(int s, const char* name, const char* value, int64_t deadline) {
  const bool valid = name != nullptr && value != nullptr;
  return halfpipe::http::Send(s, valid, [&](HeadExchange* exchange) {
    return exchange->SendField(name, value, Deadline::FromMillis(deadline));
  });
}

int dill_http_recvrequest(int s, char* command, size_t commandlen, char* resource,
                          size_t resourcelen, int64_t deadline) {
  return EndCallWithResult(halfpipe::http::WithExchange(s, [&](HeadExchange* exchange) {
    return halfpipe::http::ReceiveRequest(exchange, {command, commandlen}, {resource, resourcelen},
                                          Deadline::FromMillis(deadline));
  }));
}

int dill_http_recvstatus(int s, char* reason, size_t reasonlen, int64_t deadline) {
  return EndCallWithResult(halfpipe::http::WithExchange(s, [&](HeadExchange* exchange) {
    return halfpipe::http::ReceiveStatus(exchange, {reason, reasonlen},
                                         Deadline::FromMillis(deadline));
  }));
}

int dill_http_recvfield(int s, char* name, size_t namelen, char* value, size_t valuelen,
                        int64_t deadline) {
  return EndCallWithResult(halfpipe::http::WithExchange(s, [&](HeadExchange* exchange) {
    return halfpipe::http::ReceiveField(exchange, {name, namelen}, {value, valuelen},
                                        Deadline::FromMillis(deadline));
  }));
}
