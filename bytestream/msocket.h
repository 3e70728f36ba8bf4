/* Message sockets: the C calls that work on any connection which carries whole messages, such as
   a WebSocket. C11 and C++. */
#ifndef HALFPIPE_BYTESTREAM_MSOCKET_H_
#define HALFPIPE_BYTESTREAM_MSOCKET_H_

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bytestream/iolist.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Sends one message of `len` bytes, borrowed until return. `deadline` is absolute milliseconds of
   now(); -1 waits for ever, 0 does not wait.

   Returns 0 when the layer below has every byte, or -1 with errno:
     EINVAL     a NULL buffer with a length; a payload the protocol cannot carry; nothing was sent
     EMSGSIZE   larger than the protocol can carry; nothing was sent
     EPIPE      our outbound half has ended
     EBUSY      another coroutine is sending
     ETIMEDOUT, ECANCELED   nothing was sent; call again
     ECONNRESET the connection is broken
     ENOMEM, EBADF
     ENOTSUP    not a message socket
   and, as from mrecv(), what a protocol of the user's (libdillimpl.h) says besides. */
int dill_msend(int s, const void* buf, size_t len, int64_t deadline);

/* The same with a list of buffers, which are one message. EINVAL also for a list that is NULL,
   broken, looped or does not end with `last`. */
int dill_msendl(int s, struct dill_iolist* first, struct dill_iolist* last, int64_t deadline);

/* Receives one message into `buf` of `len` bytes (NULL skips them) and returns its size, or -1:
     EMSGSIZE   the message is larger; the next receive gives the next one
     EPIPE      the peer has ended its half
     EPROTO     the peer broke the protocol; or, and then the connection lives and the message is
                consumed, a WebSocket message is not of the type the socket was attached with
     ETIMEDOUT, ECANCELED   nothing is lost; call again
     EBUSY      another coroutine is receiving
     EINVAL, ENOMEM, ECONNRESET, EBADF, ENOTSUP */
ssize_t dill_mrecv(int s, void* buf, size_t len, int64_t deadline);

/* The same into a list of buffers; a NULL iol_base skips iol_len bytes, and two NULLs for a list
   drop one message of any size. EINVAL also for a list that is broken. */
ssize_t dill_mrecvl(int s, struct dill_iolist* first, struct dill_iolist* last, int64_t deadline);

#ifndef DILL_DISABLE_RAW_NAMES
int msend(int s, const void* buf, size_t len, int64_t deadline) __asm__("dill_msend");
int msendl(int s, struct dill_iolist* first, struct dill_iolist* last,
           int64_t deadline) __asm__("dill_msendl");
ssize_t mrecv(int s, void* buf, size_t len, int64_t deadline) __asm__("dill_mrecv");
ssize_t mrecvl(int s, struct dill_iolist* first, struct dill_iolist* last,
               int64_t deadline) __asm__("dill_mrecvl");
#endif

#ifdef __cplusplus
}
#endif

#endif /* HALFPIPE_BYTESTREAM_MSOCKET_H_ */
