/* The heads of HTTP/1.1 messages (RFC 9112): the C calls, in the shape of libdill's. C11 and C++.

   One attachment is one head each way: a start line, fields, an empty line. The two directions are
   independent; a client sends a request line and receives a status line, a server the other way
   round. What follows a head (content, or another protocol) is read and written on the bytestream
   that http_detach() gives back; for the next head, be it the one after 100 (Continue), attach
   again. No call reads or writes a byte beyond the end of the head.

     s = http_attach(s);
     http_sendrequest(s, "GET", "/chat", -1);
     http_sendfield(s, "Host", "www.example.org", -1);
     http_done(s, -1);
     int status = http_recvstatus(s, reason, sizeof(reason), -1);
     while (http_recvfield(s, name, sizeof(name), value, sizeof(value), -1) == 0) { ... }
     if (errno != EPIPE) { ... }
     s = http_detach(s, -1);

   Rules for every call:
   - A handle is a positive int and belongs to the thread that made it.
   - A deadline is absolute, in milliseconds on the clock of now(); -1 waits for ever, 0 does what
     is possible without waiting. An expired deadline still completes what needs no waiting.
   - Failure is -1 with errno. Common to all calls:
       EBADF      not a handle (any more), or closed by another coroutine meanwhile
       ENOTSUP    a handle of another kind
       EBUSY      another coroutine is in a call of the same direction, or in http_detach()
       ECANCELED  the coroutine is being closed
     After ETIMEDOUT and ECANCELED a sending call has sent nothing and a receiving one has lost
     nothing: make the call again.
   - Texts are strings: they end with a NUL. Those that are passed in are borrowed until return.
   - hclose() never waits; it closes the bytestream below too.
   - EMFILE, ENFILE, ENOMEM, ENOBUFS and ENOSPC may come from any call that waits: the system had no
     descriptor or memory for it. Nothing was done, nothing is lost: make the call again, but for
     attach and detach, which close.
   - Where ECONNRESET is named the system may say more of the network: EHOSTUNREACH, ENETUNREACH,
     ENETDOWN, ECONNABORTED, ECONNREFUSED, EACCES, EPERM, EIO.

   Each call has its linkage name, dill_NAME, and its raw name, NAME, which is the same symbol. The
   raw names are declared at the end, unless DILL_DISABLE_RAW_NAMES is defined. */
#ifndef HALFPIPE_HTTP_HTTP_H_
#define HALFPIPE_HTTP_HTTP_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Storage of the caller: opaque, its size is public. */
struct __attribute__((aligned(16))) dill_http_storage {
  char opaque[512];
};

/* ---- Begin and end --------------------------------------------------------------------------- */

/* Takes over the bytestream `s`, whose number is dead from now on, for one head each way. Bytes
   that it has received already are the first ones of the peer's head. Does not wait. After a
   failure `s` is closed, but for EBADF, ENOTSUP and EBUSY.

   Returns the new handle, or -1 with errno:
     EBADF, ENOTSUP  not a handle, not a bytestream; nothing was done
     EBUSY      a call is in progress on `s`; nothing was done
     ECANCELED
     ENOMEM */
int dill_http_attach(int s);

/* The same in storage of the caller, which stays valid and is touched by nobody else until the
   handle is closed or detached and its last user has returned. Allocates no object.

     EINVAL     mem is NULL; `s` is closed */
int dill_http_attach_mem(int s, struct dill_http_storage* mem);

/* Ends our head: sends the empty line. The bytestream goes on, and so does receiving.

   Returns 0, or -1 with errno:
     EPIPE      it was done already
     EINVAL     there was no start line; nothing was sent
     ETIMEDOUT, ECANCELED
     ECONNRESET the connection failed
     EBADF, ENOTSUP, EBUSY */
int dill_http_done(int s, int64_t deadline);

/* Gives the bytestream back, and ends the handle `s`. If our head has begun and not ended, sends
   its end. If the peer's start line was received, skips those of its fields that were not, up to
   the empty line; they are checked all the same. What comes behind is left to be read from the
   bytestream. A head that has not begun is left alone: a server may detach to read a request's
   content and attach again to answer.

   After a failure everything is closed, but for EBADF, ENOTSUP and EBUSY.

   Returns the handle of the bytestream, or -1 with errno:
     EPROTO     the rest of the peer's head, or what of it was received before, is malformed
     ECONNRESET the connection failed, or ended inside the peer's head
     ETIMEDOUT, ECANCELED
     ENOMEM
     EBADF, ENOTSUP
     EBUSY      a call is in progress on it */
int dill_http_detach(int s, int64_t deadline);

/* ---- Sending --------------------------------------------------------------------------------- */

/* Sends a start line, at once: of a request, such as "GET /chat HTTP/1.1", or of a response, such
   as "HTTP/1.1 200 OK".

   command   the method: a token (RFC 9110 section 5.6.2)
   resource  the request-target: visible ASCII without " # < >
   status    100..599
   reason    may be empty; visible ASCII, space, tab and bytes above 0x7F

   There is no limit to their length. Returns 0, or -1 with errno:
     EINVAL     an argument is NULL or has a byte that may not be in it, such as CR or LF; or the
                start line was sent already. Nothing was sent.
     EPIPE      http_done() was called, or the outbound direction of the bytestream has ended
     ETIMEDOUT, ECANCELED
     ECONNRESET the connection failed
     EBADF, ENOTSUP, EBUSY */
int dill_http_sendrequest(int s, const char* command, const char* resource, int64_t deadline);
int dill_http_sendstatus(int s, int status, const char* reason, int64_t deadline);

/* Sends one field, at once.

   name      a token (RFC 9110 section 5.6.2)
   value     may be empty; visible ASCII, space, tab and bytes above 0x7F. Blanks round it are not
             sent.

   Errors as those of the start line; EINVAL also before it. */
int dill_http_sendfield(int s, const char* name, const char* value, int64_t deadline);

/* ---- Receiving ------------------------------------------------------------------------------- */

/* Each of these calls returns when its line is there, whatever else has arrived. A buffer of `len`
   bytes is filled with the text and a NUL; one that is NULL is not, whatever its length.

   Common errors:
     EMSGSIZE   a buffer is too small. None is filled and the line stays: make the call again with
                larger ones (or NULL), 8193 bytes always do.
     EPROTO     the line is not one that we accept: malformed, or of another version than HTTP/1.1
                (a later minor version is fine), or above a limit: 8192 bytes in a line, its CRLF
                not counted; 16384 bytes and 100 fields in the head. Every later receive says so
                too.
     EINVAL     a start line is wanted where fields are due, or the other way round
     ECONNRESET the connection failed, or ended inside the head
     ETIMEDOUT, ECANCELED
     EBADF, ENOTSUP, EBUSY
   and those named with the call. */

/* Receives the start line of a request.

   Returns 0, or -1 with errno as above, or:
     EPIPE      the stream ended before it; or the head has ended */
int dill_http_recvrequest(int s, char* command, size_t commandlen, char* resource,
                          size_t resourcelen, int64_t deadline);

/* Receives the start line of a response. Returns its status, 100..599, or -1 with errno as
   http_recvrequest(). */
int dill_http_recvstatus(int s, char* reason, size_t reasonlen, int64_t deadline);

/* Receives one field. Blanks round the value are no part of it. A name comes as it was sent; it is
   compared without regard to case.

   Returns 0, or -1 with errno as above, or:
     EPIPE      there are no more: the head has ended */
int dill_http_recvfield(int s, char* name, size_t namelen, char* value, size_t valuelen,
                        int64_t deadline);

/* ---- Raw names ------------------------------------------------------------------------------- */

#ifndef DILL_DISABLE_RAW_NAMES

int http_attach(int s) __asm__("dill_http_attach");
int http_attach_mem(int s, struct dill_http_storage* mem) __asm__("dill_http_attach_mem");
int http_done(int s, int64_t deadline) __asm__("dill_http_done");
int http_detach(int s, int64_t deadline) __asm__("dill_http_detach");
int http_sendrequest(int s, const char* command, const char* resource,
                     int64_t deadline) __asm__("dill_http_sendrequest");
int http_recvrequest(int s, char* command, size_t commandlen, char* resource, size_t resourcelen,
                     int64_t deadline) __asm__("dill_http_recvrequest");
int http_sendstatus(int s, int status, const char* reason,
                    int64_t deadline) __asm__("dill_http_sendstatus");
int http_recvstatus(int s, char* reason, size_t reasonlen,
                    int64_t deadline) __asm__("dill_http_recvstatus");
int http_sendfield(int s, const char* name, const char* value,
                   int64_t deadline) __asm__("dill_http_sendfield");
int http_recvfield(int s, char* name, size_t namelen, char* value, size_t valuelen,
                   int64_t deadline) __asm__("dill_http_recvfield");

#define http_storage dill_http_storage

#endif /* DILL_DISABLE_RAW_NAMES */

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* HALFPIPE_HTTP_HTTP_H_ */
