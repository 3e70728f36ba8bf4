#ifndef HALFPIPE_WEBSOCKET_CORE_CLOSE_STATE_H_
#define HALFPIPE_WEBSOCKET_CORE_CLOSE_STATE_H_

#include <cstdint>

namespace halfpipe::websocket {

// How far the closing handshake has come (RFC 6455 section 7.1).
enum class ClosePhase : uint8_t { kOpen, kCloseSent, kCloseReceived, kClosed };

enum class CloseEvent : uint8_t {
  kSendData,
  kSendPingPong,
  kSendClose,
  kReceiveData,
  kReceivePingPong,
  kReceiveClose,
  kEndOfStream,
};

enum class CloseVerdict : uint8_t {
  kProceed,    // Do it.
  kRefuse,     // Our outbound half has ended: EPIPE. Nothing is sent.
  kDrop,       // Not to be sent any more, and nobody's mistake.
  kNotOurs,    // Behind the peer's Close: the bytes belong to the lower stream, leave them there.
  kTruncated,  // The stream ended without a Close: ECONNRESET.
  kEnd,        // The stream ended after the peer's Close, as it may.
};

// The closing handshake. Each half ends by its own Close, so a half-close is possible either way
// (RFC 6455 section 5.5.1 asks only that the answer come as soon as practical, and forbids data
// only behind a Close).
//
//   event           open              close sent       close received    closed
//   send data       proceed           refuse           proceed           refuse
//   send ping/pong  proceed           proceed          drop              drop
//   send close      -> close sent     refuse           -> closed         refuse
//   receive data    proceed           proceed          not ours          not ours
//   receive p/p     proceed           proceed          not ours          not ours
//   receive close   -> close received -> closed        not ours          not ours
//   end of stream   truncated         truncated        end               end
//
// An arrow means: proceed, and that is the state from then on. The end of the stream changes no
// state: it is news of the layer below, which the driver keeps.
//
// A ping is answered until the peer's Close has come, even behind our own (section 5.5.2: unless it
// already received a Close; 5.5.1 forbids only data behind our Close).
//
// Example:
//   if (state.On(CloseEvent::kSendData) == CloseVerdict::kRefuse) return Epipe();
class CloseState {
 public:
  // What is to be done about `event`; the state follows. Report a send when it is certain to go out
  // whole: a Close that could not be sent has not happened.
  [[nodiscard]] CloseVerdict On(CloseEvent event);

  // As On(), without changing anything.
  [[nodiscard]] CloseVerdict Judge(CloseEvent event) const;

  ClosePhase phase() const { return phase_; }
  bool close_sent() const {
    return phase_ == ClosePhase::kCloseSent || phase_ == ClosePhase::kClosed;
  }
  bool close_received() const {
    return phase_ == ClosePhase::kCloseReceived || phase_ == ClosePhase::kClosed;
  }

 private:
  ClosePhase phase_ = ClosePhase::kOpen;
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_CORE_CLOSE_STATE_H_
