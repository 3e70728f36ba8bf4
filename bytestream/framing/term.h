/* The terminal handshake over any message socket: WebSocket, prefix, suffix, or one of the user's.
   Each peer says a message that was agreed on when it is done, and after both have, both know where
   they are in the messages below. C11 and C++. The rules for every call are those in
   bytestream/sockets.h; messages are sent and received with msend(), mrecv() and so on
   (bytestream/msocket.h). */
#ifndef HALFPIPE_BYTESTREAM_FRAMING_TERM_H_
#define HALFPIPE_BYTESTREAM_FRAMING_TERM_H_

#include <stddef.h>
#include <stdint.h>

#include "bytestream/sockets.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The longest terminal message. */
#define DILL_TERM_MAXLEN 32

DILL_STORAGE(dill_term_storage, 256);

/* Takes over the message socket `s`. `s` is dead afterwards, and closed if the call fails, but for
   the errors that say otherwise.

   buf, len   the terminal message, up to DILL_TERM_MAXLEN bytes; copied. With none an empty message
              is the end, and buf may be NULL.
   mem        (_mem) storage of the caller

   Returns the new handle, or -1 with errno:
     EINVAL     buf is NULL with a len, len is too large, or mem is NULL
     ECANCELED  the coroutine is being closed
     ENOMEM     for the object, or (_mem too) for one more handle
     EBADF, ENOTSUP  not a handle, not a message socket; nothing was done
     EBUSY      a call is in progress on it; nothing was done

   On the new handle msend() gives EINVAL for the terminal message itself and EPIPE after
   term_done(); mrecv() gives EPIPE from the peer's terminal message on, and ECONNRESET if the socket
   below ends without one. */
int dill_term_attach(int s, const void* buf, size_t len);
int dill_term_attach_mem(int s, const void* buf, size_t len, struct dill_term_storage* mem);

/* Sends the terminal message. Receiving goes on.

   Returns 0, or -1 with errno:
     EPIPE      it was sent already, or the outbound half below has ended
     ETIMEDOUT, ECANCELED  it was not sent; call again
     ECONNRESET the connection failed
     EBUSY      another coroutine is sending
     ENOMEM
     EBADF, ENOTSUP  not a handle (any more), not one of term_attach() */
int dill_term_done(int s, int64_t deadline);

/* term_done() unless that has happened, then drops messages up to the peer's terminal message. The
   next message of the socket below is the one behind it.

   Returns the handle of the message socket, or -1 with errno; everything is closed then but for the
   last two lines:
     ECONNRESET the connection failed, or ended without a terminal message
     EPIPE      the outbound half below had ended
     EPROTO     the peer broke the protocol below
     ETIMEDOUT, ECANCELED
     ENOMEM
     EBUSY      a call is in progress on it
     EBADF, ENOTSUP  not a handle, not one of term_attach(); EBADF also: closed meanwhile */
int dill_term_detach(int s, int64_t deadline);

#ifndef DILL_DISABLE_RAW_NAMES
#define term_storage dill_term_storage

int term_attach(int s, const void* buf, size_t len) __asm__("dill_term_attach");
int term_attach_mem(int s, const void* buf, size_t len,
                    struct dill_term_storage* mem) __asm__("dill_term_attach_mem");
int term_done(int s, int64_t deadline) __asm__("dill_term_done");
int term_detach(int s, int64_t deadline) __asm__("dill_term_detach");
#endif

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* HALFPIPE_BYTESTREAM_FRAMING_TERM_H_ */
