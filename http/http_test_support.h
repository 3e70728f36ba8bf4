#ifndef HALFPIPE_HTTP_HTTP_TEST_SUPPORT_H_
#define HALFPIPE_HTTP_HTTP_TEST_SUPPORT_H_

// What the tests of the C calls share.

#include <cerrno>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "bytestream/base/clock.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/handle/handle_type.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/testing/scripted_bytestream.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/stream_handle.h"
#include "gtest/gtest.h"
#include "http/http.h"

namespace halfpipe {

// The errno of a call: 0 if it did not fail.
inline int Errno(int result) { return result >= 0 ? 0 : errno; }

inline int64_t NowMillis() { return Clock::Current().NowNanos() / 1'000'000; }

inline int Close(int s) { return HandleTable::Current().Close(s); }

inline uint32_t OpenHandles() { return HandleTable::Current().live_count(); }

inline Bytestream* StreamOf(int s) {
  HandleObject* const object = HandleTable::Current().Find(s);
  return object == nullptr ? nullptr : static_cast<Bytestream*>(object->Query(&kBytestreamType));
}

inline absl::Status Write(Bytestream* stream, absl::string_view text,
                          Deadline deadline = Deadline::Never()) {
  const IoSlice slice(text);
  return stream->Write(absl::MakeConstSpan(&slice, 1), /*more=*/false, deadline);
}

// Up to 64 KiB of what can be read without waiting.
inline std::string Arrived(Bytestream* stream) {
  std::string text;
  for (;;) {
    uint8_t room[4096];
    const absl::StatusOr<size_t> size =
        stream->ReadSome(absl::MakeSpan(room), 1, Deadline::Immediately());
    if (!size.ok() || *size == 0) return text;
    text.append(reinterpret_cast<char*>(room), *size);
  }
}

// Field lines received one by one: "name=value", or "errno NUMBER".
inline std::string ReceiveField(int s, int64_t deadline = -1) {
  char name[64];
  std::vector<char> value(9000);
  const int error =
      Errno(http_recvfield(s, name, sizeof(name), value.data(), value.size(), deadline));
  return error != 0 ? absl::StrCat("errno ", error) : absl::StrCat(name, "=", value.data());
}

inline std::string ReceiveRequest(int s, int64_t deadline = -1) {
  char command[64];
  std::vector<char> resource(9000);
  const int error = Errno(
      http_recvrequest(s, command, sizeof(command), resource.data(), resource.size(), deadline));
  return error != 0 ? absl::StrCat("errno ", error) : absl::StrCat(command, " ", resource.data());
}

inline std::string ReceiveStatus(int s, int64_t deadline = -1) {
  std::vector<char> reason(9000);
  const int status = http_recvstatus(s, reason.data(), reason.size(), deadline);
  return status < 0 ? absl::StrCat("errno ", errno) : absl::StrCat(status, " ", reason.data());
}

inline std::string Is(int error) { return absl::StrCat("errno ", error); }

// One call of the family, with arguments that are fine.
struct Call {
  const char* name;
  std::function<int(int s, int64_t deadline)> run;
};

inline const Call kSendRequest = {
    "sendrequest", [](int s, int64_t d) { return http_sendrequest(s, "GET", "/", d); }};
inline const Call kSendStatus = {"sendstatus",
                                 [](int s, int64_t d) { return http_sendstatus(s, 200, "OK", d); }};
inline const Call kSendField = {"sendfield",
                                [](int s, int64_t d) { return http_sendfield(s, "A", "1", d); }};
inline const Call kDone = {"done", [](int s, int64_t d) { return http_done(s, d); }};
inline const Call kReceiveRequest = {
    "recvrequest", [](int s, int64_t d) { return http_recvrequest(s, nullptr, 0, nullptr, 0, d); }};
inline const Call kReceiveStatus = {
    "recvstatus", [](int s, int64_t d) { return http_recvstatus(s, nullptr, 0, d); }};
inline const Call kReceiveField = {
    "recvfield", [](int s, int64_t d) { return http_recvfield(s, nullptr, 0, nullptr, 0, d); }};
inline const Call kDetach = {"detach", [](int s, int64_t d) { return http_detach(s, d); }};

// A call, whether it sends or receives, and what has to have happened before it is due.
struct Due {
  const Call* call;
  bool sends;
  absl::string_view line;           // what it sends or receives
  std::vector<const Call*> before;  // sending: made first; receiving: `prelude` is read by them
  absl::string_view prelude;
};

inline const std::vector<Due>& AllDue() {
  static const std::vector<Due>* const all = new std::vector<Due>{
      {&kSendRequest, true, "GET / HTTP/1.1\r\n", {}, ""},
      {&kSendStatus, true, "HTTP/1.1 200 OK\r\n", {}, ""},
      {&kSendField, true, "A: 1\r\n", {&kSendRequest}, "GET / HTTP/1.1\r\n"},
      {&kDone, true, "\r\n", {&kSendRequest}, "GET / HTTP/1.1\r\n"},
      {&kReceiveRequest, false, "GET / HTTP/1.1\r\n", {}, ""},
      {&kReceiveStatus, false, "HTTP/1.1 200 OK\r\n", {}, ""},
      {&kReceiveField, false, "A: 1\r\n", {&kReceiveRequest}, "GET / HTTP/1.1\r\n"},
  };
  return *all;
}

// All of them.
inline const Call* const kAllCalls[] = {&kSendRequest,  &kSendStatus,     &kSendField,
                                        &kDone,         &kReceiveRequest, &kReceiveStatus,
                                        &kReceiveField, &kDetach};

class HttpTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(OpenHandles(), 0u); }

  // An HTTP handle on one end of a pair; the other end is peer_.
  int Attach(PairOptions options = {}) {
    auto [a, b] = MakePair(&runtime_, options);
    peer_ = std::move(b);
    const int s = http_attach(StreamHandle::Make(std::move(a)));
    EXPECT_GT(s, 0);
    return s;
  }

  // An HTTP handle on script_.
  int AttachScript() {
    ScriptedBytestreamPtr stream = MakeScripted(&runtime_);
    script_ = stream.get();
    const int s = http_attach(StreamHandle::Make(std::move(stream)));
    EXPECT_GT(s, 0);
    return s;
  }

  // One on script_ at which `due` is due and has to wait: nothing can be read, or written.
  int AttachBlocked(const Due& due) {
    const int s = AttachScript();
    if (due.sends) {
      if (!due.prelude.empty()) script_->ExpectWrite(due.prelude);
    } else if (!due.prelude.empty()) {
      script_->Deliver(due.prelude);
    }
    for (const Call* call : due.before) EXPECT_EQ(Errno(call->run(s, -1)), 0) << call->name;
    if (due.sends) script_->BlockWrites();
    return s;
  }

  // Lets what is due happen.
  void Unblock(const Due& due) {
    if (due.sends) {
      script_->UnblockWrites().ExpectWrite(due.line);
    } else {
      script_->Deliver(due.line);
    }
  }

  // Runs `call` in a coroutine that is being closed; its errno.
  int Cancelled(const std::function<int()>& call) {
    int error = 0;
    Bundle bundle(&runtime_);
    EXPECT_THAT(bundle.Go([&] {
      EXPECT_EQ(runtime_.SleepUntil(Deadline::Never()), ECANCELED);
      error = Errno(call());
    }),
                IsOk());
    bundle.CancelAndJoin();
    return error;
  }

  SimRuntime runtime_;
  BytestreamPtr peer_;
  ScriptedBytestream* script_ = nullptr;
};

}  // namespace halfpipe

#endif  // HALFPIPE_HTTP_HTTP_TEST_SUPPORT_H_
