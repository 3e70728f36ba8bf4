/* The C calls that pass descriptors of the system over Unix sockets, in the shape of libdill's. C11
   and C++. Rules for every call: see sockets.h. */
#ifndef HALFPIPE_BYTESTREAM_IPC_DESCRIPTORS_H_
#define HALFPIPE_BYTESTREAM_IPC_DESCRIPTORS_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A descriptor goes with a byte of its own, which is the next one in the stream and means nothing.
   So the two ends must agree on where in the stream there is one, and there the receiver calls
   ipc_recvfd(). What was read ahead does not matter: descriptors keep their places, and stay with
   the connection while other protocols are attached to it and detached. A descriptor whose byte is
   received by brecv(), or by a protocol above, is closed then. At most 64 that have arrived wait to
   be taken; they are closed with the connection. */

/* Passes a copy of the descriptor `fd`, which stays the caller's, over the Unix connection `s`,
   behind everything that was sent before.

   Returns 0, or -1 with errno:
     ETIMEDOUT, ECANCELED  nothing was sent; call again
     EINVAL     fd is not an open descriptor, or one that the system does not pass
     ETOOMANYREFS  too many descriptors of this user are under way; nothing was sent
     EPIPE      ipc_done() was called
     ECONNRESET the connection failed
     EBUSY      another coroutine is sending
     EBADF, ENOTSUP  not a handle (any more), not a Unix connection */
int dill_ipc_sendfd(int s, int fd, int64_t deadline);

/* Receives the next byte of the Unix connection `s` and the descriptor that came with it. If a peer
   has passed several with one byte, each call gives one of them, and the last one takes the byte.

   Returns the descriptor, close-on-exec and the caller's to close, or -1 with errno, and then
   nothing has been received:
     ETIMEDOUT, ECANCELED  call again
     EPROTO     the next byte came without a descriptor; brecv() has it
     EMSGSIZE   it came with one that was lost: there was no number free for it in this process, or
                no memory, or 64 were waiting already. brecv() has the byte
     EPIPE      the stream has ended
     ECONNRESET the connection failed
     EMFILE, ENFILE, ENOMEM, ENOBUFS, ENOSPC  nothing left to wait or to receive with; call again
     EBUSY      another coroutine is receiving
     EBADF, ENOTSUP  not a handle (any more), not a Unix connection */
int dill_ipc_recvfd(int s, int64_t deadline);

#ifndef DILL_DISABLE_RAW_NAMES
int ipc_sendfd(int s, int fd, int64_t deadline) __asm__("dill_ipc_sendfd");
int ipc_recvfd(int s, int64_t deadline) __asm__("dill_ipc_recvfd");
#endif

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* HALFPIPE_BYTESTREAM_IPC_DESCRIPTORS_H_ */
