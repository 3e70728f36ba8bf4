/* Messages over a bytestream, each with a delimiter behind it, such as lines. C11 and C++. The rules
   for every call are those in bytestream/sockets.h; messages are sent and received with msend(),
   mrecv() and so on (bytestream/msocket.h). */
#ifndef HALFPIPE_BYTESTREAM_FRAMING_SUFFIX_H_
#define HALFPIPE_BYTESTREAM_FRAMING_SUFFIX_H_

#include <stddef.h>
#include <stdint.h>

#include "bytestream/sockets.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The longest delimiter. */
#define DILL_SUFFIX_MAXLEN 32

DILL_STORAGE(dill_suffix_storage, 384);

/* Takes over the bytestream `s` and makes a message socket of it. `s` is dead afterwards, and closed
   if the call fails, but for the errors that say otherwise.

   suffix, suffixlen   the delimiter, 1 to DILL_SUFFIX_MAXLEN bytes; copied
   mem                 (_mem) storage of the caller

   Returns the new handle, or -1 with errno:
     EINVAL     suffix is NULL or of a wrong size, or mem is NULL
     ECANCELED  the coroutine is being closed
     ENOMEM     for the object, or (_mem too) for one more handle
     EBADF, ENOTSUP  not a handle, not a bytestream; nothing was done
     EBUSY      a call is in progress on it; nothing was done

   On the new handle msend() gives EINVAL for a message that has the delimiter in it, or would have
   with the real one behind it, and mrecv() gives ECONNRESET when the stream ends inside a message,
   and EINVAL for a buffer that wants bytes which an interrupted call for the same message has
   dropped already. */
int dill_suffix_attach(int s, const void* suffix, size_t suffixlen);
int dill_suffix_attach_mem(int s, const void* suffix, size_t suffixlen,
                           struct dill_suffix_storage* mem);

/* Takes the protocol off. The next byte of the bytestream is the first one of the next message that
   was not received. Waits only for the end of a message of which a part is gone already: one that
   was too large, or one of more than 16 KiB whose receive was interrupted.

   Returns the handle of the bytestream, or -1 with errno; everything is closed then but for the last
   three:
     ECONNRESET the stream broke, or ended inside a message
     ENOMEM     now, or in a receive before
     ETIMEDOUT, ECANCELED
     EBUSY      a call is in progress on it
     EBADF, ENOTSUP  not a handle, not one of suffix_attach() */
int dill_suffix_detach(int s, int64_t deadline);

#ifndef DILL_DISABLE_RAW_NAMES
#define suffix_storage dill_suffix_storage

int suffix_attach(int s, const void* suffix, size_t suffixlen) __asm__("dill_suffix_attach");
int suffix_attach_mem(int s, const void* suffix, size_t suffixlen,
                      struct dill_suffix_storage* mem) __asm__("dill_suffix_attach_mem");
int suffix_detach(int s, int64_t deadline) __asm__("dill_suffix_detach");
#endif

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* HALFPIPE_BYTESTREAM_FRAMING_SUFFIX_H_ */
