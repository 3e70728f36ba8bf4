/* Channels between coroutines: the C calls, in the shape of libdill's. C11 and C++. hclose() and
   hown() are in bytestream/sockets.h.

   A channel has two ends, each a handle, and carries messages of any size both ways. It stores
   none: a sender waits for a receiver at the other end, a receiver for a sender. Any number of
   coroutines may send and receive at an end; on either side the one that has waited longest comes
   first. The sizes must agree: where they do not, both sides get EMSGSIZE, and the message is
   dropped.

   chdone() ends the direction away from its end, hclose() both directions. Coroutines that wait for
   a direction that ends, at either end of the channel, get EPIPE, and so do later calls there.

   Rules for every call:
   - A handle is a positive int and belongs to the thread that made it.
   - A deadline is absolute, in milliseconds on the clock of now(); -1 waits for ever, 0 does what
     is possible without waiting. An expired deadline still completes what needs no waiting.
   - Failure is -1 with errno. After ETIMEDOUT and ECANCELED nothing was transferred: make the call
     again. A message that has been transferred counts, even if the coroutine is cancelled before it
     runs again; its next call reports the cancellation.
   - hown() of an end that coroutines wait at is EBUSY.

   Example:
     coroutine void worker(int ch) {
       int value = 42;
       chsend(ch, &value, sizeof(value), -1);
     }
     int ch[2];
     chmake(ch);
     int h = go(worker(ch[0]));
     int value;
     chrecv(ch[1], &value, sizeof(value), now() + 1000);

   Each call has its linkage name, dill_NAME, and its raw name, NAME, which is the same symbol. The
   raw names are declared at the end, unless DILL_DISABLE_RAW_NAMES is defined. */
#ifndef HALFPIPE_BYTESTREAM_CHANNELS_H_
#define HALFPIPE_BYTESTREAM_CHANNELS_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Storage of the caller: opaque, its size is public. */
struct __attribute__((aligned(16))) dill_chstorage {
  char opaque[320];
};

/* What a clause of choose() does. */
#define DILL_CHSEND 1
#define DILL_CHRECV 2

struct dill_chclause {
  int op;     /* DILL_CHSEND or DILL_CHRECV */
  int ch;     /* an end of a channel */
  void* val;  /* as for chsend() or chrecv(); borrowed until return */
  size_t len; /* bytes at val */
};

/* Makes a channel; chv[0] and chv[1] are the handles of its ends.

   mem        (_mem) where it lives. Valid, and touched by nobody else, until both ends are closed
              and their last user has returned.

   Returns 0, or -1 with errno:
     ECANCELED  the coroutine is being closed
     EMFILE     a million handles are open
     ENOMEM
     EINVAL     chv is NULL; (_mem) mem is NULL */
int dill_chmake(int chv[2]);
int dill_chmake_mem(struct dill_chstorage* mem, int chv[2]);

/* Sends a message from end `ch`: waits until a receiver at the other end has it.

   val, len   the message, any size; val may be NULL if len is 0. Borrowed until return.

   Returns 0, or -1 with errno:
     EPIPE      chdone() was called on `ch`, or an end of the channel was closed
     EMSGSIZE   the receiver wanted another size; it has got EMSGSIZE too
     ETIMEDOUT, ECANCELED  nothing was sent
     EINVAL     val is NULL and len is not 0
     EBADF, ENOTSUP  not a handle, not a channel */
int dill_chsend(int ch, const void* val, size_t len, int64_t deadline);

/* Receives a message at end `ch`.

   val, len   exactly the size of the message; val may be NULL if len is 0. Borrowed until return.

   Returns 0, or -1 with errno:
     EPIPE      chdone() was called on the other end, or an end of the channel was closed
     EMSGSIZE   the sender's message has another size; it has got EMSGSIZE too
     ETIMEDOUT, ECANCELED  nothing was received
     EINVAL     val is NULL and len is not 0
     EBADF, ENOTSUP  not a handle, not a channel */
int dill_chrecv(int ch, void* val, size_t len, int64_t deadline);

/* Says that nothing more is sent from end `ch`. Receivers at the other end, and senders at this
   one, get EPIPE. The other direction goes on. Works in a coroutine that is being closed.

   Returns 0, or -1 with errno:
     EPIPE      it was done already
     EBADF, ENOTSUP  not a handle, not a channel */
int dill_chdone(int ch);

/* Performs one of the clauses: the first one of the array that can be performed, or has failed; if
   there is none, the first one of which that becomes true. One channel may be in several clauses.

   clauses    nclauses of them, borrowed until return; may be NULL if there are none. Without any,
              the deadline is waited for.

   Returns the index of the clause, with errno:
     0          it was performed
     EPIPE, EMSGSIZE, EINVAL, EBADF, ENOTSUP  as chsend() or chrecv() says; EINVAL also when op is
                neither of both
   or -1 with errno:
     ETIMEDOUT, ECANCELED  no clause was performed
     ENOMEM     to wait for more than 16 clauses
     EINVAL     nclauses is negative; clauses is NULL and nclauses is not 0 */
int dill_choose(struct dill_chclause* clauses, int nclauses, int64_t deadline);

#ifdef __cplusplus
} /* extern "C" */
#endif

/* ---- Raw names ------------------------------------------------------------------------------- */

#ifndef DILL_DISABLE_RAW_NAMES

#ifdef __cplusplus
extern "C" {
#endif

int chmake(int chv[2]) __asm__("dill_chmake");
int chmake_mem(struct dill_chstorage* mem, int chv[2]) __asm__("dill_chmake_mem");
int chsend(int ch, const void* val, size_t len, int64_t deadline) __asm__("dill_chsend");
int chrecv(int ch, void* val, size_t len, int64_t deadline) __asm__("dill_chrecv");
int chdone(int ch) __asm__("dill_chdone");
int choose(struct dill_chclause* clauses, int nclauses, int64_t deadline) __asm__("dill_choose");

#ifdef __cplusplus
} /* extern "C" */
#endif

#define chclause dill_chclause
#define chstorage dill_chstorage

#define CHSEND DILL_CHSEND
#define CHRECV DILL_CHRECV

#endif /* DILL_DISABLE_RAW_NAMES */

#endif /* HALFPIPE_BYTESTREAM_CHANNELS_H_ */
