/* Messages over a bytestream, each with its length before it. C11 and C++. The rules for every call
   are those in bytestream/sockets.h; messages are sent and received with msend(), mrecv() and so on
   (bytestream/msocket.h). */
#ifndef HALFPIPE_BYTESTREAM_FRAMING_PREFIX_H_
#define HALFPIPE_BYTESTREAM_FRAMING_PREFIX_H_

#include <stddef.h>

#include "bytestream/sockets.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DILL_PREFIX_BIG_ENDIAN 0
#define DILL_PREFIX_LITTLE_ENDIAN 1

DILL_STORAGE(dill_prefix_storage, 256);

/* Takes over the bytestream `s` and makes a message socket of it. `s` is dead afterwards, and closed
   if the call fails, but for the errors that say otherwise.

   hdrlen   bytes of the length before each message: 1 to 8
   flags    DILL_PREFIX_LITTLE_ENDIAN for the byte order of the length, else 0
   mem      (_mem) storage of the caller

   Returns the new handle, or -1 with errno:
     EINVAL     a bad hdrlen or flag, or mem is NULL
     ECANCELED  the coroutine is being closed
     ENOMEM     for the object, or (_mem too) for one more handle
     EBADF, ENOTSUP  not a handle, not a bytestream; nothing was done
     EBUSY      a call is in progress on it; nothing was done

   On the new handle msend() gives EMSGSIZE for a message whose size hdrlen bytes cannot say, and
   mrecv() gives EPROTO, for good, when the peer announces 2^63 bytes or more, ECONNRESET when the
   stream ends inside a message, and EINVAL for a buffer that wants bytes which an interrupted call
   for the same message has dropped already. */
int dill_prefix_attach(int s, size_t hdrlen, int flags);
int dill_prefix_attach_mem(int s, size_t hdrlen, int flags, struct dill_prefix_storage* mem);

/* Takes the protocol off; never waits, and works in a coroutine that is being closed. The next byte
   of the bytestream is the first one of the next message that was not received.

   Returns the handle of the bytestream, or -1 with errno; everything is closed then but for the last
   three:
     ECONNRESET the stream ended inside a message; or one that was too large, or was being dropped,
                has not come to its end yet
     EPROTO     the peer had broken the protocol
     ENOMEM     now, or in a receive before
     EBUSY      a call is in progress on it
     EBADF, ENOTSUP  not a handle, not one of prefix_attach() */
int dill_prefix_detach(int s);

#ifndef DILL_DISABLE_RAW_NAMES
#define PREFIX_BIG_ENDIAN DILL_PREFIX_BIG_ENDIAN
#define PREFIX_LITTLE_ENDIAN DILL_PREFIX_LITTLE_ENDIAN
#define prefix_storage dill_prefix_storage

int prefix_attach(int s, size_t hdrlen, int flags) __asm__("dill_prefix_attach");
int prefix_attach_mem(int s, size_t hdrlen, int flags,
                      struct dill_prefix_storage* mem) __asm__("dill_prefix_attach_mem");
int prefix_detach(int s) __asm__("dill_prefix_detach");
#endif

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* HALFPIPE_BYTESTREAM_FRAMING_PREFIX_H_ */
