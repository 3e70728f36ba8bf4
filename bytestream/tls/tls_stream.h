#ifndef HALFPIPE_BYTESTREAM_TLS_TLS_STREAM_H_
#define HALFPIPE_BYTESTREAM_TLS_TLS_STREAM_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
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
#include "bytestream/tls/tls_context.h"
#include "bytestream/tls/tls_session.h"

namespace halfpipe {

// TLS 1.2 and 1.3 (RFC 5246, RFC 8446) over any bytestream.
//
// See bytestream.h for what the operations promise. Ours besides:
// * "The first byte has left" means that a record was encrypted. A record goes to the stream below
//   whole, by WriteTail(), and no other follows before the tail there is gone; so a bound of less
//   than 17 KiB for that tail is too small. What has not been encrypted is our own tail.
// * Done() sends close_notify and nothing else: the stream below stays whole, and can be had back
//   by Detach(). The end of the stream below without the peer's close_notify is ECONNRESET.
// * An end that is aborted or destroyed sends close_notify if that can be done at once and nothing
//   is lost by it: no tail, nothing unread. Else the peer gets ECONNRESET.
// * EPROTO: the peer broke the protocol, or said that we did. EACCES: it has refused our
//   certificate, which with TLS 1.3 a client learns when it first reads. Both directions are over
//   then; the message has the reason.
// * KeyUpdate and the like are answered by whichever call meets them.
// * Describe() is the stream's below; buffered_bytes and tail_bytes include ours.
//
// OpenSSL's calls run on the stack of whoever calls, and callbacks on that of whoever polls: 64 KiB
// are enough for a handshake.
//
// Example:
//   auto context = TlsContext::ForClient(TlsClientOptions());
//   auto tls = TlsStream::Connect(&runtime, std::move(tcp), **context, "example.org", deadline);
//   if (!tls.ok()) return tls.status();
class TlsStream : public Bytestream, private InboundSource, private OutboundSink {
 public:
  struct Options {
    // The most bytes, before encryption, that wait in memory after an interrupted Write().
    size_t send_tail_bytes_max = kDefaultSendTailBytesMax;
  };

  // A stream that is of use once Handshake() has succeeded. `runtime` is borrowed and outlives it.
  TlsStream(Runtime* runtime, BytestreamPtr lower, Options options);
  TlsStream(Runtime* runtime, BytestreamPtr lower)
      : TlsStream(runtime, std::move(lower), Options()) {}
  // As Abort().
  ~TlsStream() override;

  // Both at once. On failure `lower` is closed. `context` is borrowed until return.
  static absl::StatusOr<std::unique_ptr<TlsStream>> Connect(Runtime* runtime, BytestreamPtr lower,
                                                            const TlsContext& context,
                                                            absl::string_view host,
                                                            Deadline deadline);
  static absl::StatusOr<std::unique_ptr<TlsStream>> Accept(Runtime* runtime, BytestreamPtr lower,
                                                           const TlsContext& context,
                                                           Deadline deadline);

  // Makes the connection; to be called before anything else. `host` is the name or IP address that
  // a client wants (asked for by RFC 6066 section 3 if it is a name; the certificate is verified
  // for either); ignored by a server. `context` is borrowed until it has succeeded or failed for
  // good. After ETIMEDOUT and ECANCELED the same call may be made again; after others the object is
  // good for nothing but its end:
  //   EACCES     the peer's certificate is refused, or the peer refused ours; the message tells why
  //   EPROTO     the two do not agree, or the peer broke the protocol
  //   ECONNRESET the stream below broke or ended
  //   EINVAL     no host, though the context verifies it, or one that is not a name
  //   EBADF (Abort() was called), ENOMEM, and what the stream below gives. Where memory fails inside
  //              OpenSSL, which does not always say so, it may be EINVAL, EACCES or EPROTO
  absl::Status Handshake(const TlsContext& context, absl::string_view host, Deadline deadline);

  absl::StatusOr<absl::Span<uint8_t>> Peek(size_t min, Deadline deadline) override;
  void Consume(size_t count) override { inbound_.Consume(count); }
  absl::Status Read(absl::Span<const IoSpan> slices, Deadline deadline) override;
  absl::StatusOr<size_t> ReadSome(absl::Span<uint8_t> dst, size_t min, Deadline deadline) override;
  absl::Status Write(absl::Span<const IoSlice> slices, bool more, Deadline deadline) override;
  absl::Status WriteTail(absl::Span<const IoSlice> slices) override;
  absl::Status Flush(Deadline deadline) override;
  absl::Status Done(Deadline deadline) override;
  void Abort() noexcept override;
  void WhenReadable(Callback callback) override;
  void WhenWritable(Callback callback) override;
  size_t buffered() const override { return inbound_.buffered(); }
  size_t tail_size() const override { return outbound_.tail_size(); }
  bool reader_busy() const override { return inbound_.busy(); }
  bool writer_busy() const override { return outbound_.busy(); }
  void Describe(StreamInfo* info) const override;

  // Takes TLS off: Done() unless it was called, then drops what the peer still sends until its
  // close_notify. Returns the stream below, whole; the byte after the peer's close_notify is the
  // next one. Afterwards this object is as after Abort(). ETIMEDOUT and ECANCELED: call again, only
  // that input was dropped. EBUSY: a coroutine is inside a function of the stream.
  absl::StatusOr<BytestreamPtr> Detach(Deadline deadline);

  TlsInfo tls_info() const { return session_.Info(); }

 private:
  class Notice final : public HeldOutput {
   public:
    Notice(TlsStream* stream, void (TlsStream::*call)()) : stream_(stream), call_(call) {}
    void ReleaseHeldOutput() override { (stream_->*call_)(); }

   private:
    TlsStream* const stream_;
    void (TlsStream::*const call_)();
  };

  // InboundSource
  IoResult ReceiveSome(absl::Span<const iovec> pieces, Deadline deadline) override;
  int WaitReadable(Deadline deadline) override;
  void BeforeReaderWaits() override { outbound_.ReleaseHeld(); }

  // OutboundSink
  IoResult SendSome(absl::Span<const iovec> pieces, Deadline deadline) override;
  bool CanSend() override { return outbound_.error() != 0 || lower_->tail_size() == 0; }
  bool AwaitWritable() override;
  int SendEnd() override;
  void Reset() override;

  size_t FetchSize() const;
  int Fetch(Deadline deadline);
  int WaitUntilSendable(Deadline deadline);
  int WaitForInput(Deadline deadline);
  int FinishMessage(Deadline deadline);
  TlsSession::Step Encrypt(absl::Span<const iovec> pieces, size_t* count);
  IoResult DecryptSome(absl::Span<const iovec> pieces);
  int SessionFailed();
  int WriteError() const;
  absl::Status Explain(absl::Status status) const;
  bool EndsCleanly() const;
  int WaitFor(WaiterList* list, Deadline deadline);
  void Wake(WaiterList* list, int result);
  void BreakBoth(int error);
  void ArmWritable();
  bool CanReceive();
  void ArmReadable();
  void OnLowerReadable();
  void OnReadable();
  void NoticeReadable();
  void OnLowerWritable();

  Runtime* const runtime_;
  BytestreamPtr lower_;
  TlsSession session_;
  Inbound inbound_;
  Outbound outbound_;
  WaiterList writers_;        // until the lower stream has no tail
  WaiterList input_waiters_;  // writers, until there is more to read
  Callback when_readable_;
  Notice readable_notice_{this, &TlsStream::OnLowerReadable};
  Notice writable_notice_{this, &TlsStream::OnLowerWritable};
  bool prepared_ = false;
  bool connected_ = false;
  bool writable_armed_ = false;
  bool arming_ = false;
  bool arming_readable_ = false;
  bool readable_now_ = false;
  bool awaits_input_ = false;  // the tail does, because OpenSSL must read before it writes
  bool had_turn_ = false;      // a reader has been given its share without result
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TLS_TLS_STREAM_H_
