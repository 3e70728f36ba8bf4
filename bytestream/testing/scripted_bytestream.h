#ifndef HALFPIPE_BYTESTREAM_TESTING_SCRIPTED_BYTESTREAM_H_
#define HALFPIPE_BYTESTREAM_TESTING_SCRIPTED_BYTESTREAM_H_

#include <sys/uio.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/inbound.h"
#include "bytestream/net/outbound.h"
#include "bytestream/runtime/engine.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/runtime/waiter.h"

namespace halfpipe {

// A bytestream whose other end is a script: steps that happen in the order in which they were
// given. What the code under test does beside the script fails the test and breaks the connection
// (ECONNRESET), so that the test ends; so do steps that are left when the stream is destroyed. A
// step may be added at any time. To be used by the coroutines of one runtime, on real or simulated
// time.
//
// The rules of bytestream.h (tail, put back, EBUSY, ...) are those of production streams.
//
//   step           | is over when
//   ExpectWrite    | its bytes have been written, in pieces of any size; other bytes fail
//   ExpectDone     | Done() was called, everything before having left
//   Deliver        | its bytes have been received, by one receive or several; never by one receive
//                  | together with those of another step
//   End            | the end of the stream has been received
//   Reset          | at once: later receives and sends are ECONNRESET
//   FailRead(e)    | a receive has failed with errno e
//   FailWrite(e)   | a send has failed with errno e
//   BlockReads     | at once: nothing is received until UnblockReads
//   BlockWrites    | at once: nothing is sent until UnblockWrites; writers wait, tails stay
//   Unblock...     | at once
//   AwaitReader    | a receive has found nothing: everything delivered was used
//   AwaitWriter    | a send has found writes blocked
//
// Example:
//   auto stream = MakeScripted(&runtime);
//   stream->Deliver("hello").BlockWrites().AwaitWriter().UnblockWrites().ExpectWrite("world");
class ScriptedBytestream final : public Bytestream {
 public:
  // `runtime` is borrowed and outlives the stream.
  explicit ScriptedBytestream(Runtime* runtime,
                              size_t send_tail_bytes_max = kDefaultSendTailBytesMax);
  ~ScriptedBytestream() override;

  ScriptedBytestream& ExpectWrite(absl::string_view bytes);
  ScriptedBytestream& ExpectDone();
  ScriptedBytestream& Deliver(absl::string_view bytes);
  ScriptedBytestream& End();
  ScriptedBytestream& Reset();
  ScriptedBytestream& FailRead(int error);
  ScriptedBytestream& FailWrite(int error);
  ScriptedBytestream& BlockReads();
  ScriptedBytestream& UnblockReads();
  ScriptedBytestream& BlockWrites();
  ScriptedBytestream& UnblockWrites();
  // Both.
  ScriptedBytestream& Unblock() { return UnblockReads().UnblockWrites(); }
  ScriptedBytestream& AwaitReader();
  ScriptedBytestream& AwaitWriter();

  // Steps that have not happened yet. 0 is a script that was played to its end.
  size_t steps_left() const { return steps_.size(); }
  // Aborted, or broken by the code under test: a tail above its bound.
  bool aborted() const { return aborted_; }
  bool was_reset() const { return was_reset_; }

  absl::StatusOr<absl::Span<uint8_t>> Peek(size_t min, Deadline deadline) override;
  void Consume(size_t count) override { inbound_.Consume(count); }
  absl::Status Read(absl::Span<const IoSpan> slices, Deadline deadline) override;
  absl::StatusOr<size_t> ReadSome(absl::Span<uint8_t> dst, size_t min, Deadline deadline) override;
  absl::Status Write(absl::Span<const IoSlice> slices, bool more, Deadline deadline) override {
    return outbound_.Write(slices, more, deadline);
  }
  absl::Status WriteTail(absl::Span<const IoSlice> slices) override {
    return outbound_.WriteTail(slices);
  }
  absl::Status Flush(Deadline deadline) override { return outbound_.Flush(deadline); }
  absl::Status Done(Deadline deadline) override { return outbound_.Done(deadline); }
  void Abort() noexcept override;
  void WhenReadable(Callback callback) override;
  void WhenWritable(Callback callback) override { outbound_.WhenWritable(std::move(callback)); }
  size_t buffered() const override { return inbound_.buffered(); }
  size_t tail_size() const override { return outbound_.tail_size(); }
  bool reader_busy() const override { return inbound_.busy(); }
  bool writer_busy() const override { return outbound_.busy(); }

 private:
  enum class Kind {
    kExpectWrite,
    kExpectDone,
    kDeliver,
    kEnd,
    kReset,
    kFailRead,
    kFailWrite,
    kBlockReads,
    kUnblockReads,
    kBlockWrites,
    kUnblockWrites,
    kAwaitReader,
    kAwaitWriter,
  };
  struct Step {
    Kind kind;
    std::string bytes;
    int error = 0;
    int number = 0;
  };

  // The script as the production streams' halves see it.
  class Source final : public InboundSource {
   public:
    explicit Source(ScriptedBytestream* stream) : stream_(stream) {}
    IoResult ReceiveSome(absl::Span<const iovec> pieces, Deadline deadline) override;
    int WaitReadable(Deadline deadline) override;
    void BeforeReaderWaits() override { stream_->outbound_.ReleaseHeld(); }

   private:
    ScriptedBytestream* const stream_;
  };
  class Sink final : public OutboundSink {
   public:
    explicit Sink(ScriptedBytestream* stream) : stream_(stream) {}
    IoResult SendSome(absl::Span<const iovec> pieces, Deadline deadline) override;
    bool CanSend() override { return stream_->CanSend(); }
    bool AwaitWritable() override;
    int SendEnd() override;
    void Reset() override;

   private:
    ScriptedBytestream* const stream_;
  };

  // Calls back before the runtime next polls.
  class Notice final : public HeldOutput {
   public:
    Notice(ScriptedBytestream* stream, void (ScriptedBytestream::*call)())
        : stream_(stream), call_(call) {}
    void ReleaseHeldOutput() override { (stream_->*call_)(); }

   private:
    ScriptedBytestream* const stream_;
    void (ScriptedBytestream::*const call_)();
  };

  static const char* Name(Kind kind);
  static std::string Describe(const Step& step);
  ScriptedBytestream& Add(Kind kind, absl::string_view bytes = {}, int error = 0);
  bool At(Kind kind) const { return !steps_.empty() && steps_.front().kind == kind; }
  void Pop();
  void Advance();
  void Changed();
  bool CanReceive() const;
  bool CanSend() const { return aborted_ || broken_ || !writes_blocked_; }
  IoResult Send(absl::Span<const iovec> pieces);
  int Deviate(absl::string_view what);
  void NoticeBuffered();
  void OnReadableNotice();
  void OnWritableNotice();
  void WakeAll(WaiterList* list, int result);

  Runtime* const runtime_;
  std::deque<Step> steps_;
  int step_count_ = 0;
  bool reads_blocked_ = false;
  bool writes_blocked_ = false;
  bool ended_ = false;
  bool broken_ = false;
  bool aborted_ = false;
  bool was_reset_ = false;
  bool awaits_writable_ = false;
  WaiterList readers_;
  WaiterList writers_;
  Callback on_readable_;
  Notice readable_notice_{this, &ScriptedBytestream::OnReadableNotice};
  Notice writable_notice_{this, &ScriptedBytestream::OnWritableNotice};
  Source source_{this};
  Sink sink_{this};
  Inbound inbound_;
  Outbound outbound_;
};

// The owner of a scripted stream; converts to BytestreamPtr.
using ScriptedBytestreamPtr = std::unique_ptr<ScriptedBytestream, BytestreamDisposer>;

ScriptedBytestreamPtr MakeScripted(Runtime* runtime);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_SCRIPTED_BYTESTREAM_H_
