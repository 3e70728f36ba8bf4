#ifndef HALFPIPE_WEBSOCKET_STREAM_H_
#define HALFPIPE_WEBSOCKET_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/base/set_aside.h"
#include "bytestream/bytestream.h"
#include "bytestream/message_socket.h"
#include "bytestream/runtime/callback_timer.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/runtime/waiter.h"
#include "websocket/core/close_code.h"
#include "websocket/core/close_state.h"
#include "websocket/core/mask_key.h"
#include "websocket/core/message_receiver.h"
#include "websocket/core/message_sender.h"
#include "websocket/core/opcode.h"
#include "websocket/core/protocol_error.h"
#include "websocket/message_type.h"
#include "websocket/options.h"

namespace halfpipe::websocket {

// Whether one message is sent compressed, on a connection that has agreed on it.
enum class Compress : uint8_t {
  kAuto,    // From DeflateOptions::compress_bytes_min on.
  kAlways,  // The smallest too.
  kNever,   // For what is compressed already, or is secret.
};

// What a receive into the caller's memory brought.
struct MessageInfo {
  MessageType type = MessageType::kBinary;
  size_t size = 0;  // bytes
};

// A received message where it lies. Valid until the next receive on the stream (a send in between
// is fine), Detach() or the stream's end.
struct MessageView {
  MessageType type = MessageType::kBinary;
  absl::Span<const uint8_t> payload;

  absl::string_view text() const {
    return absl::string_view(reinterpret_cast<const char*>(payload.data()), payload.size());
  }
};

// A piece of a message, in the caller's memory or where it lies, as a MessageView does.
struct MessagePart {
  MessageType type = MessageType::kBinary;
  bool first = false;                 // The message begins with it.
  bool last = false;                  // The message ends with it.
  absl::Span<const uint8_t> payload;  // May be empty if `last`.
};

// The peer's Close.
struct CloseInfo {
  uint16_t code = kCloseNoStatus;  // 1005 if the Close carried none.
  absl::string_view reason;        // UTF-8; as long as the stream lives.
};

// A WebSocket connection after the opening handshake (RFC 6455): whole messages both ways over a
// bytestream, pings answered, closes answered or left to the caller, breaches of the protocol
// refused with the right code. The one place where the rules meet waiting.
//
// Waiting: calls with a Deadline suspend the calling coroutine. Errors (errno of the status):
//   ETIMEDOUT, ECANCELED  receive: nothing is lost, the next receive delivers the whole message;
//                         send, Done: nothing was sent, the call may be made again. What needs no
//                         waiting is done all the same, but for what a peer sends without end
//   EBUSY       another coroutine is receiving (senders queue, each under its own deadline)
//   EPIPE       send, Done: our outbound half has ended
//   EPROTO      receive: the peer broke the protocol or a limit; a Close with the right code was
//               sent (or goes as soon as it can); the status's message names the rule. Final.
//   ECONNRESET  the connection is broken, or ended without a Close, or failed by EPROTO, or was
//               given up for a bound in time (Options: dead_after, close_time_max); the message says.
//               Send: what did not leave in time is above the lower stream's bound for its tail, or
//               there is no memory to keep it in: the message would be left half said
//   EMSGSIZE    receive: the message is larger than the memory given; the next receive skips what
//               is left of it, still checked, and gives the next message
//   EINVAL      send: text that is not UTF-8; nothing was sent. Receive: a list that wants bytes
//               which an earlier, interrupted call for this message skipped; the rest of a message
//               that ReceivePart() has begun, with anything but it or Discard()
//   ENOMEM      receive: no memory for a message; a Close with 1011 was sent, sends are EPIPE. Final.
//               Send: no memory to mask a message in (a client's); nothing was sent, the call may be
//               made again. What cannot be compressed for want of memory is sent as it is.
//   EMFILE, ENFILE, ENOBUFS, ENOSPC, and ENOMEM while failure() is 0: the system had nothing left to
//               wait or to transfer with; as ETIMEDOUT
//   EBADF       Abort() was called
//
// Memory: nothing but the object while idle; a message put together for ReceiveView() and what an
// interrupted receive leaves behind are bounded by message_bytes_max and the call's own length. With
// compression (Options::deflate_params) also its two contexts, from the first compressed message on:
// at most DeflaterMemoryMax() and InflaterMemoryMax() of //websocket/deflate, between messages
// nothing for a direction without context takeover.
//
// Example:
//   while (true) {
//     auto message = stream.ReceiveView(Deadline::Never());
//     if (!message.ok() || !message->has_value()) break;
//     if (!stream.Send((*message)->type, (*message)->payload, Deadline::Never()).ok()) break;
//   }
class Stream final : public MessageSocket {
 public:
  // `lower` stands behind the opening handshake; what it has buffered are the first frames.
  // `runtime` is borrowed and outlives the stream.
  Stream(Runtime* runtime, BytestreamPtr lower, const Options& options);

  // As Abort(), then the end of the lower stream. No call may be running.
  ~Stream() override;

  // Sends one message made of all `slices`, borrowed until return.
  absl::Status Send(MessageType type, absl::Span<const IoSlice> slices, Deadline deadline);
  absl::Status Send(MessageType type, absl::Span<const uint8_t> payload, Deadline deadline);
  absl::Status SendText(absl::string_view text, Deadline deadline);
  // The same, with a say in whether it is compressed.
  absl::Status Send(MessageType type, absl::Span<const IoSlice> slices, Compress compress,
                    Deadline deadline);

  // Sends frames that are encoded already, one message or several, whole: for one message that goes
  // to many (a server's only, whose frames are not masked; EINVAL for a client). Goes out in one
  // gathered write and never waits; may be called anywhere, in callbacks too. Errors:
  //   ETIMEDOUT   nothing was sent: the stream is full, or a sender is at work
  //   EPIPE, ECONNRESET, EBADF, and shortages (ENOBUFS, ...)  as Send()
  // A part that could not leave is in the lower stream's tail, which counts as sent. Takes no memory
  // but for that.
  //
  // `compressed`: the frames are of compressed messages (kRsv1), which the connection must have
  // agreed on (EINVAL), each compressed from an empty window no larger than the connection's. The
  // stream's own next one then begins with an empty window too.
  absl::Status TrySendEncoded(absl::Span<const IoSlice> frames, bool compressed = false);

  using Callback = Bytestream::Callback;

  // True while the next receive begins a message, and not a byte for it has been read yet: nothing
  // is buffered or set aside, no view is in use, and neither has the connection failed nor the
  // peer's Close come. What waits for the next message then needs no coroutine but WhenReadable().
  bool at_message_boundary() const;

  // Calls `callback` once, when a receive would find something: bytes of a frame, the end, or a
  // failure; at once, from within, if that is so now. The rest of a message may still have to be
  // waited for, so this is for connections at_message_boundary(). Replaces the one before; an empty
  // one clears it, as does Abort(). The callback must not wait, and may destroy the stream. Ends
  // the life of a view as a receive does.
  void WhenReadable(Callback callback);

  // Calls `callback` once, when a send would probably be taken without waiting, or would fail: no
  // other sender is at work, nothing is queued, and the lower stream has no tail and some room. Else
  // as WhenReadable(); where it is due to what a call of this object has done, it comes with the
  // runtime's next poll.
  void WhenWritable(Callback callback);

  // Gives back what compressing holds, unless sender_busy(): for connections that may be idle
  // for long. The next compressed message begins with an empty window, which costs it some size.
  // (What inflating holds is the peer's to do without: client_, server_no_context_takeover.)
  void ReleaseCompressor();

  // Bytes that compressing and inflating hold now, and the most they have held.
  size_t deflate_memory_bytes() const;
  size_t deflate_memory_peak_bytes() const;

  // Sends a ping with 0..125 bytes of payload (EMSGSIZE), between messages or the fragments of one.
  // The peer's pong is not waited for. EPIPE behind either Close.
  absl::Status Ping(absl::Span<const uint8_t> payload, Deadline deadline);

  // Sends a ping and waits for its pong: the time in between. Another coroutine has to receive
  // meanwhile. The payload is random, so that no other pong counts; but that of a later ping does,
  // since a peer need not answer each (RFC 6455 section 5.5.3). May be called by several coroutines
  // at once. ETIMEDOUT, ECANCELED: the pong, if it still comes, is nobody's. EPIPE: the peer's
  // Close has come, or came in place of the pong.
  absl::StatusOr<absl::Duration> MeasureRoundTrip(Deadline deadline);

  // The latest round trip that was measured, by MeasureRoundTrip() or a ping for liveness.
  std::optional<absl::Duration> round_trip_time() const;

  // Called for each pong, asked for or not, with its payload; an empty one clears it. Runs in the
  // receiving coroutine, inside the receive: it must neither wait nor destroy the stream.
  using PongCallback = absl::AnyInvocable<void(absl::Span<const uint8_t> payload)>;
  void OnPong(PongCallback callback);

  // Receives one message into `slices`, whose null ones skip their size. Nothing after the peer's
  // Close: see peer_close(). Zero slices: a message of zero bytes, EMSGSIZE for all others.
  absl::StatusOr<std::optional<MessageInfo>> Receive(absl::Span<const IoSpan> slices,
                                                     Deadline deadline);

  // Receives one message without a copy if it is one frame that fits into the read buffer, else put
  // together in memory of the stream.
  absl::StatusOr<std::optional<MessageView>> ReceiveView(Deadline deadline);

  // Drops one message of whatever size, checked like all others, and tells what it was. Interrupted
  // before it has dropped a byte it has done nothing; else what is left of the message is for another
  // Discard(), or for a Receive() that skips as much.
  absl::StatusOr<std::optional<MessageInfo>> Discard(Deadline deadline);

  // Receives the next piece of a message, as soon as there is any, for messages larger than memory:
  // at most Options::streamed_message_bytes_max. Into `memory`, not empty (EINVAL), which
  // the part's payload is then the beginning of; or, without a copy where the message is not
  // compressed, as a view that lives as that of ReceiveView() does. Where a message is cut says
  // nothing: not into its fragments, nor, in a text, at the borders of characters; the text is
  // checked over all of it.
  //
  // A call that is interrupted loses nothing. What is left of a message that this has begun (if
  // only its header) can be received in parts or dropped by Discard(), which tells its whole size;
  // Receive() and ReceiveView() are EINVAL until then. The other way round, a message whose Receive()
  // was interrupted may be received in parts from its beginning.
  absl::StatusOr<std::optional<MessagePart>> ReceivePart(absl::Span<uint8_t> memory,
                                                         Deadline deadline);
  absl::StatusOr<std::optional<MessagePart>> ReceivePartView(Deadline deadline);

  // MessageSocket: messages of the type that Options::text_messages names. One of the other type is
  // EPROTO, is consumed, and leaves the connection as it is.
  absl::Status SendMessage(absl::Span<const IoSlice> slices, Deadline deadline) override;
  absl::StatusOr<std::optional<size_t>> ReceiveMessage(absl::Span<const IoSpan> slices,
                                                       Deadline deadline) override;

  // Ends our outbound half with a Close (RFC 6455 section 5.5.1). Receiving goes on until the
  // peer's Close. `code` 0 sends an empty Close, else it is one that may stand on the wire;
  // `reason` is UTF-8, at most 123 bytes (EMSGSIZE), and needs a code. EINVAL: bad code or reason.
  absl::Status Done(int code, absl::string_view reason, Deadline deadline);

  // Done() if that has not happened, then drops what still comes up to the peer's Close, then gives
  // the lower stream back; bytes behind the Close are still in it. On failure the connection is
  // aborted and the stream of no more use; EBUSY alone changes nothing.
  absl::StatusOr<BytestreamPtr> Detach(int code, absl::string_view reason, Deadline deadline);

  // The orderly end for programs: Done() if that has not happened, waits for the peer's Close and
  // the end of its stream (so that nothing we sent is lost to a reset), then Abort(). A server ends
  // its stream as soon as there are both Closes, a client a second later if the server has not (RFC
  // 6455 section 7.1.1). Waits for no longer than Options::close_time_max, whatever the deadline
  // (ETIMEDOUT). Whatever happens but EBUSY, the connection is closed when it returns; a failure says
  // that it was not orderly.
  absl::Status Close(int code, absl::string_view reason, Deadline deadline);

  // Breaks the connection at once; never waits. A Close with 1001 is written first if none was sent
  // and one can be written at once. Callers inside get EBADF, and so does every later call.
  void Abort() noexcept;

  // The peer's Close, once a receive has met it.
  std::optional<CloseInfo> peer_close() const;

  // 0 while the connection may still receive; else why it cannot: EPROTO, ECONNRESET, ...
  int failure() const { return failure_; }

  bool close_sent() const { return close_state_.close_sent(); }
  // True while a Close of our own accord waits for the lower stream to take it.
  bool close_queued() const { return close_queued_; }
  bool receiver_busy() const { return receiving_; }
  // True also between the pieces of a MessageWriter.
  bool sender_busy() const override { return sending_ || message_open_; }
  Bytestream* lower() { return lower_.get(); }
  const Options& options() const { return options_; }

 private:
  friend class MessageWriter;

  struct Control;
  struct Deflate;
  struct PingWaiter;
  struct RoundTrip;
  class InflateSink;
  class FillSink;
  class CollectSink;
  class DropSink;

  // Compression, stream_deflate.cc.
  static std::unique_ptr<Deflate> MakeDeflate(const Options& options);
  static uint64_t EncodedBytesMax(uint64_t message_bytes_max);
  bool ShouldCompress(uint64_t size, Compress compress) const;
  absl::Status SendDeflated(MessageType type, absl::Span<const IoSlice> slices, bool more,
                            Deadline deadline);
  absl::Status DeflateFrames(MessageSender* sender, absl::Span<const IoSlice> slices, bool last,
                             bool begun, bool more, Deadline deadline, bool* no_memory);
  absl::Status WriteFragments(MessageSender* sender, uint8_t* payload, size_t size, bool last,
                              bool begun, bool more, Deadline deadline);
  absl::Status FillInflated(absl::Span<const IoSpan> slices, ReceiveEvent* event,
                            Deadline deadline);
  absl::Status CollectInflated(ReceiveEvent* event, Deadline deadline);
  absl::Status DropInflated(ReceiveEvent* event, Deadline deadline);
  absl::Status InflateMessage(InflateSink* sink, ReceiveEvent* event, Deadline deadline);
  absl::Status InflatePiece(absl::Span<const uint8_t> in, bool last, Opcode opcode,
                            InflateSink* sink);
  absl::StatusOr<absl::Span<const uint8_t>> PendingPayload();
  absl::Status DropPending();
  absl::Status FeedInflater(ReceiveEvent* event, Deadline deadline);
  absl::Status InflatePart(absl::Span<uint8_t> memory, MessagePart* part, ReceiveEvent* event,
                           Deadline deadline);
  void ReleaseInflater();
  void ReleaseCompressorLocked();

  // Receiving, stream_receive.cc.
  absl::StatusOr<std::optional<MessageInfo>> ReceiveNow(absl::Span<const IoSpan> slices,
                                                        bool discard, Deadline deadline);
  absl::StatusOr<std::optional<MessageView>> ReceiveViewNow(Deadline deadline);
  absl::Status FirstDataEvent(ReceiveEvent* event, Deadline deadline);
  absl::Status BeginReceive(bool by_parts = false);
  void EndReceive(absl::Status* status);
  void SettleReceive(absl::Status* status);
  absl::Status CheckAside(absl::Span<const IoSpan> slices);
  absl::Status NextDataEvent(ReceiveEvent* event, Deadline deadline);
  void CountWork(uint64_t amount) { work_ += amount; }
  absl::Status LookAtClock(Deadline deadline);
  absl::Status TakeHeader(size_t min_bytes, Deadline deadline);
  absl::Status TakeControl(size_t min_bytes, Deadline deadline);
  absl::Status SkipMessage(Deadline deadline);
  absl::Status FillMessage(absl::Span<const IoSpan> slices, ReceiveEvent* event, Deadline deadline);
  absl::Status FillPiece(IoSpan piece, uint64_t frame_bytes_left, size_t* taken, Deadline deadline);
  absl::Status CollectMessage(ReceiveEvent* event, Deadline deadline);
  absl::Status ViewFrame(size_t size, ReceiveEvent* event, absl::Span<const uint8_t>* payload,
                         Deadline deadline);
  absl::Status DrainToClose(Deadline deadline);
  absl::Status DrainLower(Deadline deadline);
  absl::Status DropMessage(ReceiveEvent* event, Deadline deadline);
  absl::StatusOr<std::optional<MessagePart>> ReceivePartNow(absl::Span<uint8_t> memory,
                                                            Deadline deadline);
  absl::Status TakePart(absl::Span<uint8_t> memory, MessagePart* part, ReceiveEvent* event,
                        Deadline deadline);
  absl::StatusOr<absl::Span<uint8_t>> UnmaskPayload(uint64_t frame_bytes_left, Deadline deadline);
  absl::Status ViewPiece(ReceiveEvent* event, absl::Span<const uint8_t>* payload,
                         Deadline deadline);
  void TakeFromAside(absl::Span<uint8_t> memory, MessagePart* part);
  absl::Status DropRest(ReceiveEvent* event, Deadline deadline);
  absl::Status DropRestNow(ReceiveEvent* event, Deadline deadline);
  uint64_t MessageOffset() const;
  void SetMessageBounds(bool by_parts);
  void Fail(int error, const char* text);
  void ForgetWaiters();
  void DropCallbacks();
  absl::Status NoMemory();
  absl::Status TooLarge(bool skip = true);
  absl::Status EndOfStream();
  absl::Status FailConnection(const ProtocolError& error);
  absl::Status Failure() const;
  void Interrupted(absl::Span<const IoSpan> slices, uint64_t received);
  void ForgetAside();
  absl::Status Ended(const ReceiveEvent& event);
  void ReleaseView();
  bool WholeMessageBuffered();

  // Sending, stream_send.cc.
  absl::Status LockSend(Deadline deadline);
  absl::Status LockPiece(Deadline deadline);
  void UnlockSend();
  void PassSendLock();
  void EndPiece(bool open, const absl::Status& sent);
  void AbandonMessage();
  absl::Status CheckMaySend() const;
  absl::Status BetweenFrames();
  absl::Status SendLocked(MessageType type, absl::Span<const IoSlice> slices, bool more,
                          Deadline deadline);
  absl::Status SendFrames(MessageSender* sender, absl::Span<const IoSlice> slices, bool last,
                          bool more, Deadline deadline);
  absl::Status SendFramePlain(absl::Span<const uint8_t> header, SliceCursor<IoSlice>* payload,
                              uint64_t size, bool begun, bool more, Deadline deadline);
  absl::Status SendFrameMasked(absl::Span<const uint8_t> header, MaskKey key, uint8_t* scratch,
                               SliceCursor<IoSlice>* payload, uint64_t size, bool begun, bool more,
                               Deadline deadline);
  absl::Status WriteOrFinish(absl::Span<const IoSlice> slices, bool begun, bool more,
                             Deadline deadline);
  // Whether a control frame may go to the lower stream's tail instead of failing.
  enum class ToTail : uint8_t { kNever, kInShortage, kAlways };
  absl::Status WriteControl(Opcode opcode, absl::Span<const uint8_t> payload, Deadline deadline,
                            ToTail to_tail = ToTail::kNever);
  absl::Status SendCloseLocked(int code, absl::string_view reason, Deadline deadline);
  absl::Status MendSend(absl::Status status) const;
  MaskKey NextMaskKey();

  // What goes between frames of its own accord, stream_outbox.cc.
  enum class Queued : uint8_t { kNothing, kClose, kPong, kLivePing, kPing };
  Queued NextQueued(bool pongs_only);
  absl::Status SendQueued(Queued queued, ToTail to_tail);
  void DropQueued(Queued queued, int error);
  void QueuePong(absl::Span<const uint8_t> payload);
  void QueueClose(int code, absl::string_view reason);
  void FlushOutbox();
  void FlushOutboxLocked(bool pongs_only);
  absl::Status FlushClose(Deadline deadline);
  absl::Status SendPing(absl::Span<const uint8_t> payload, int64_t* sent_nanos, Deadline deadline);
  void EndPings(int error);

  // Pings of our own and bounds in time, stream_control.cc.
  Control& MakeControl();
  void BeginWatch();
  void Watch();
  Deadline WatchPeer(int64_t now);
  Deadline WatchIdle(int64_t now);
  void NoticeUnread(int64_t now);
  void GiveUp(const char* why);
  bool CountControlFrame();
  void PongCame(absl::Span<const uint8_t> payload);
  void EndRoundTrips(int error);
  void MarkHeard();
  void NoteBuffered();
  void MarkMessage();
  bool MayGather(size_t size);

  // Being told of the lower stream, stream_readiness.cc.
  bool ArmWritable();
  void LowerWritable();
  void OfferWritable();
  void LowerReadable();
  void TellWaiting();
  void TellWaitingNow();

  Runtime* const runtime_;
  BytestreamPtr lower_;
  const Options options_;

  std::unique_ptr<Deflate> deflate_;  // null without compression
  MessageReceiver receiver_;
  CloseState close_state_;
  SetAside aside_;
  size_t view_bytes_ =
      0;               // of the lower buffer, in use by the last view: consumed at the next receive
  uint64_t work_ = 0;  // of the receiver, since the clock was looked at; about bytes
  const Coroutine* last_receiver_ = nullptr;
  WaiterList send_queue_;
  Waiter* piece_waiter_ = nullptr;            // a MessageWriter that waits for a ping to be written
  WaiterList ping_queue_;                     // of PingWaiter; sent between frames
  std::unique_ptr<Control> control_;          // null without pings of our own and bounds in time
  int64_t control_window_nanos_ = INT64_MIN;  // where the second began in which
  uint32_t control_frames_ = 0;               // so many control frames have come
  const char* failure_text_ = "";             // of ECONNRESET
  Callback on_readable_;
  Callback on_writable_;
  std::unique_ptr<CallbackTimer> teller_;  // of what a call has found for them; made when needed
  int failure_ = 0;
  ProtocolError protocol_error_;
  bool receiving_ = false;
  bool sending_ = false;
  bool view_in_aside_ = false;
  bool skipping_ = false;          // the rest of a message that did not fit
  bool in_parts_ = false;          // a message that ReceivePart() has begun
  bool part_given_ = false;        // of that message
  bool bounds_by_parts_ = false;   // message_bytes_max is that of parts now
  uint8_t* part_block_ = nullptr;  // where ReceivePartView() inflates to, while that is in use
  size_t aside_given_ = 0;         // of what is set aside, in parts
  bool message_open_ = false;      // between the pieces of a MessageWriter
  bool live_ping_queued_ = false;
  bool aborted_ = false;
  bool peer_close_met_ = false;
  bool pong_queued_ = false;
  bool close_queued_ = false;
  bool arming_ = false;            // ArmWritable() is at work,
  bool writable_at_once_ = false;  // and was called back from within
  uint8_t pong_size_ = 0;
  uint8_t queued_close_size_ = 0;
  uint8_t pong_[kMaxControlPayload];
  uint8_t queued_close_[kMaxControlPayload];
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_STREAM_H_
