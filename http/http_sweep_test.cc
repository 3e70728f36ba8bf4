#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/testing/fault_bytestream.h"
#include "bytestream/testing/scripted_bytestream.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/stream_handle.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"
#include "http/http.h"
#include "http/http_test_support.h"

namespace halfpipe {
namespace {

// The N-th wait of each receive timed out, for all N, its line coming in three pieces: the next
// call has the whole line.
TEST_F(HttpTest, EveryWaitOfAReceiveTimedOut) {
  for (const Due& due : AllDue()) {
    if (due.sends) continue;
    SCOPED_TRACE(due.call->name);
    const int waits = SweepWaits(&runtime_, ETIMEDOUT, [&](WaitFault& fault) {
      fault.set_only(runtime_.current());
      const int s = Attach();
      EXPECT_THAT(Write(peer_.get(), due.prelude), IsOk());
      for (const Call* call : due.before) EXPECT_EQ(Errno(call->run(s, 0)), 0);
      Bundle bundle(&runtime_);
      ASSERT_THAT(bundle.Go([&] {
        for (size_t at = 0; at < due.line.size(); at += (due.line.size() + 2) / 3) {
          EXPECT_EQ(runtime_.SleepUntil(Deadline::In(absl::Milliseconds(1))), 0);
          EXPECT_THAT(Write(peer_.get(), due.line.substr(at, (due.line.size() + 2) / 3)), IsOk());
        }
      }),
                  IsOk());
      const int error = Errno(due.call->run(s, -1));
      EXPECT_EQ(error, fault.hit() ? ETIMEDOUT : 0);
      if (error != 0) {
        EXPECT_EQ(Errno(due.call->run(s, -1)), 0);
      }
      EXPECT_EQ(ReceiveField(s, 0), Is(ETIMEDOUT));
      EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
      EXPECT_EQ(Close(s), 0);
    });
    EXPECT_EQ(waits, 3);
  }
}

// The same, cancelled: another coroutine has the whole line.
TEST_F(HttpTest, EveryWaitOfAReceiveCancelled) {
  for (const Due& due : AllDue()) {
    if (due.sends) continue;
    SCOPED_TRACE(due.call->name);
    const int waits = SweepWaits(&runtime_, ECANCELED, [&](WaitFault& fault) {
      fault.set_only(nullptr);
      const int s = AttachScript();
      if (!due.prelude.empty()) script_->Deliver(due.prelude);
      for (const Call* call : due.before) EXPECT_EQ(Errno(call->run(s, 0)), 0);
      int error = 0;
      Bundle bundle(&runtime_);
      ASSERT_THAT(bundle.Go([&] {
        fault.set_only(runtime_.current());
        error = Errno(due.call->run(s, -1));
      }),
                  IsOk());
      for (size_t at = 0; at < due.line.size(); at += 5) script_->Deliver(due.line.substr(at, 5));
      while (!bundle.empty()) EXPECT_EQ(runtime_.Yield(), 0);
      EXPECT_EQ(error, fault.hit() ? ECANCELED : 0);
      if (error != 0) {
        EXPECT_EQ(Errno(due.call->run(s, -1)), 0);
      }
      EXPECT_EQ(ReceiveField(s, 0), Is(ETIMEDOUT));
      EXPECT_EQ(Close(s), 0);
    });
    EXPECT_GE(waits, 1);
  }
}

// The N-th wait of each send, nothing having left: the next call sends the line, once.
TEST_F(HttpTest, EveryWaitOfASend) {
  for (const int fault_error : {ETIMEDOUT, ECANCELED}) {
    for (const Due& due : AllDue()) {
      if (!due.sends) continue;
      SCOPED_TRACE(due.call->name);
      const int waits = SweepWaits(&runtime_, fault_error, [&](WaitFault& fault) {
        const int s = AttachBlocked(due);
        int error = 0;
        Bundle bundle(&runtime_);
        ASSERT_THAT(bundle.Go([&] {
          fault.set_only(runtime_.current());
          error = Errno(due.call->run(s, -1));
        }),
                    IsOk());
        Unblock(due);
        while (!bundle.empty()) EXPECT_EQ(runtime_.Yield(), 0);
        EXPECT_EQ(error, fault.hit() ? fault_error : 0);
        if (error != 0) {
          EXPECT_EQ(Errno(due.call->run(s, -1)), 0);
        }
        EXPECT_EQ(script_->steps_left(), 0u);
        EXPECT_EQ(Close(s), 0);
      });
      EXPECT_EQ(waits, 1);
    }
  }
}

// The N-th wait of a detach that has to send and to receive: everything is closed.
TEST_F(HttpTest, EveryWaitOfDetach) {
  for (const int fault_error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&runtime_, fault_error, [&](WaitFault& fault) {
      const int s = AttachScript();
      ScriptedBytestream* const script = script_;
      script->ExpectWrite("GET / HTTP/1.1\r\n").Deliver("HTTP/1.1 200 OK\r\n");
      EXPECT_EQ(Errno(http_sendrequest(s, "GET", "/", -1)), 0);
      EXPECT_EQ(ReceiveStatus(s), "200 OK");
      script->BlockWrites();
      int lower = 0;
      Bundle bundle(&runtime_);
      ASSERT_THAT(bundle.Go([&] {
        fault.set_only(runtime_.current());
        lower = http_detach(s, -1);
        if (lower < 0) {
          EXPECT_EQ(errno, fault_error);
        }
      }),
                  IsOk());
      const absl::string_view pieces[] = {"A: 1\r", "\n", "\r\n"};
      if (!bundle.empty()) script->UnblockWrites().ExpectWrite("\r\n");
      for (const absl::string_view piece : pieces) {
        for (int i = 0; i < 5 && !bundle.empty(); ++i) EXPECT_EQ(runtime_.Yield(), 0);
        if (!bundle.empty()) script->Deliver(piece);
      }
      while (!bundle.empty()) EXPECT_EQ(runtime_.Yield(), 0);
      EXPECT_EQ(lower < 0, fault.hit());
      EXPECT_EQ(OpenHandles(), fault.hit() ? 0u : 1u);
      if (lower > 0) {
        EXPECT_EQ(Close(lower), 0);
      }
    });
    EXPECT_EQ(waits, 4);
  }
}

// Call N of the bytestream fails, for all N: some call says so, and closing leaves nothing.
TEST_F(HttpTest, EveryCallOfTheStreamFails) {
  const int calls = SweepFaults(ECONNRESET, [&](FaultPlan& plan) {
    auto [a, b] = MakePair(&runtime_);
    EXPECT_THAT(Write(b.get(), "HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\n\r\n"), IsOk());
    int s =
        http_attach(StreamHandle::Make(BytestreamPtr(new FaultBytestream(std::move(a), &plan))));
    const Call* const calls[] = {&kSendRequest, &kSendField, &kReceiveStatus, &kReceiveField};
    bool failed = false;
    for (const Call* call : calls) {
      const int error = Errno(call->run(s, -1));
      if (error == 0) continue;
      // A receiver that has no start line gets no fields.
      EXPECT_TRUE(error == ECONNRESET || (failed && error == EINVAL)) << call->name << error;
      failed = true;
    }
    EXPECT_EQ(failed, plan.hit());
    const int lower = http_detach(s, -1);
    if (lower > 0) {
      EXPECT_EQ(Close(lower), 0);
    }
    EXPECT_EQ(OpenHandles(), 0u);
  });
  EXPECT_GE(calls, 6);
}

}  // namespace
}  // namespace halfpipe
