/* WebSocket (RFC 6455): the C calls. C11 and C++.

   What holds for every call:
   * A handle is a positive int of the thread that made it. One that is not open is EBADF, one of
   another kind ENOTSUP.
   * `deadline` is absolute, in milliseconds on the clock of now(); -1 waits for ever, 0 does not
   wait. An expired deadline still completes what needs no waiting.
   * A call that waits suspends the calling coroutine only.
   * Failure is -1 with errno. In a coroutine that is being closed every blocking call is ECANCELED.
   A call whose handle is closed meanwhile ends with EBADF.
   * EMFILE, ENFILE, ENOMEM, ENOBUFS and ENOSPC may come from any call that waits: the system had no
   descriptor or memory for it. Nothing was done, nothing is lost: make the call again, but for
   attach and detach, which close, and for the ENOMEM that ws_recv() names.
   * Where ECONNRESET is named the system may say more of the network: EHOSTUNREACH, ENETUNREACH,
   ENETDOWN, ECONNABORTED, ECONNREFUSED, EACCES, EPERM, EIO.
   * Buffers are borrowed until the call returns. */
#ifndef HALFPIPE_WEBSOCKET_WS_H_
#define HALFPIPE_WEBSOCKET_WS_H_

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bytestream/iolist.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DILL_WS_BINARY 0
#define DILL_WS_TEXT 1
#define DILL_WS_NOHTTP 2
#define DILL_WS_GATHER 4

/* Bytes in the buffers of ws_request_key() and ws_response_key(), NUL included. */
#define DILL_WS_KEY_SIZE 32

/* Room for the object of an attached WebSocket, for the *_mem calls: borrowed from the attach until
   the handle is closed or detached, and no call may be using the handle then. */
struct dill_ws_storage {
  char _[1536];
} __attribute__((aligned(16)));

/* Asks the server at the other end of bytestream `s` to speak WebSocket (RFC 6455 section 4.1) and
   returns the WebSocket's handle. `s` dies in any case but EBADF, ENOTSUP and EBUSY; on failure the
   connection is closed.

   flags     WS_TEXT or WS_BINARY: the type of msend() and mrecv(). WS_NOHTTP leaves the handshake
             out; resource and host may be NULL then. WS_GATHER: small replies to messages that
             came together may leave together, at the latest when the receiver has to wait; without
             it each send leaves at once.
   resource  path and query, such as "/chat?room=1"
   host      host[:port] for the Host field

     EINVAL     bad flags, or a resource or host that may not be sent (such as CR or LF in it)
     EACCES     a well-formed answer that refuses
     EPROTO     any other answer than a correct 101
     ECONNRESET the connection ended or broke
     ENOMEM, EMFILE, ETIMEDOUT, ECANCELED, EBADF, ENOTSUP
     EBUSY      another coroutine uses `s` */
int dill_ws_attach_client(int s, int flags, const char* resource, const char* host,
                          int64_t deadline);

/* The same in memory of the caller: allocates no object. EINVAL also if `mem` is NULL. */
int dill_ws_attach_client_mem(int s, int flags, const char* resource, const char* host,
                              struct dill_ws_storage* mem, int64_t deadline);

/* Waits for a client to ask bytestream `s` to speak WebSocket (RFC 6455 section 4.2), answers, and
   returns the WebSocket's handle; `s` as above. A bad request is answered with the right status
   (400, 405, 408, 414, 421, 426, 431, 501, 505) before the call fails.

   flags                    as above
   resource, resourcelen    filled with path and query and a NUL; a NULL buffer is not filled
   host, hostlen            filled with the Host field and a NUL; a NULL buffer is not filled

     EPROTO     a bad request
     EMSGSIZE   resource or host do not fit; answered with 414 or 431
     EINVAL     bad flags
     ECONNRESET, ENOMEM, EMFILE, ETIMEDOUT, ECANCELED, EBADF, ENOTSUP, EBUSY as above */
int dill_ws_attach_server(int s, int flags, char* resource, size_t resourcelen, char* host,
                          size_t hostlen, int64_t deadline);

/* The same in memory of the caller: allocates nothing. EINVAL also if `mem` is NULL. */
int dill_ws_attach_server_mem(int s, int flags, char* resource, size_t resourcelen, char* host,
                              size_t hostlen, struct dill_ws_storage* mem, int64_t deadline);

/* Sends one message of `len` bytes.

   flags    WS_TEXT (UTF-8) or WS_BINARY

   Returns 0 when the layer below has every byte. If time runs out, or the coroutine is cancelled,
   after the first byte has left, the rest leaves in the background and the call returns 0; a rest
   above 1 MiB breaks the connection (ECONNRESET). Otherwise -1 with errno:
     EINVAL     bad flags, text that is not UTF-8, or a NULL buffer with a length; nothing was sent
     EPIPE      our outbound half has ended: ws_done was called, or the stream below was done
                before, or a receive was ENOMEM; nothing was sent
     EBUSY      another coroutine is sending; nothing was sent
     ETIMEDOUT, ECANCELED   nothing was sent; call again
     ECONNRESET the connection is broken
     ENOMEM, EBADF, ENOTSUP */
int dill_ws_send(int s, int flags, const void* buf, size_t len, int64_t deadline);

/* The same with a list of buffers, which are one message. EINVAL also for a list that is NULL,
   broken, looped or does not end with `last`. */
int dill_ws_sendl(int s, int flags, struct dill_iolist* first, struct dill_iolist* last,
                  int64_t deadline);

/* Receives one message, however the peer has cut it into fragments, and returns its size. Pings
   that come meanwhile are answered.

   flags    may be NULL; else set to WS_TEXT (the payload is UTF-8) or WS_BINARY
   buf, len where to; NULL skips up to len bytes

     EMSGSIZE   the message is larger than `len`; the connection lives, and the next receive skips
                what is left of the message and gives the next one
     EPIPE      the peer has sent its Close: ws_status() tells what it said
     EPROTO     the peer broke the protocol or a limit; the right Close code was sent
     ETIMEDOUT, ECANCELED   nothing is lost: the next receive delivers the whole message
     EINVAL     part of the message was skipped (NULL) by an interrupted call, and this one wants it
     ENOMEM     no memory to keep what an interrupted call has received; the inbound half has ended,
                and with a Close of 1011 the outbound one
     EBUSY      another coroutine is receiving
     ECONNRESET the connection ended without a Close, or broke
     EBADF, ENOTSUP */
ssize_t dill_ws_recv(int s, int* flags, void* buf, size_t len, int64_t deadline);

/* The same into a list of buffers; a NULL iol_base skips iol_len bytes. Two NULLs for a list drop
   one message of any size. EINVAL also for a list that is broken. */
ssize_t dill_ws_recvl(int s, int* flags, struct dill_iolist* first, struct dill_iolist* last,
                      int64_t deadline);

/* Ends the outbound half of WebSocket `s` by sending a Close frame (RFC 6455 section 5.5.1).
   Receiving stays possible until the peer's Close arrives.

   status    0 sends an empty Close; else 1000..1003, 1007..1014 or 3000..4999
   buf, len  UTF-8 reason, 0..123 bytes (a control frame carries 125, two of them the status). Needs
   a status other than 0.

   Returns 0, or -1 with errno:
     EINVAL     bad status, a reason without a status or not UTF-8; nothing was sent
     EMSGSIZE   reason over 123 bytes; nothing was sent
     EPIPE      ws_done was already called
     EBUSY      another coroutine is sending
     ETIMEDOUT, ECANCELED   nothing was sent; call again
     ECONNRESET the connection failed
     EBADF, ENOTSUP */
int dill_ws_done(int s, int status, const void* buf, size_t len, int64_t deadline);

/* Ends the WebSocket in order: ws_done() if that has not happened, then drops what still arrives up
   to the peer's Close, and returns the handle of the bytestream below, intact; bytes behind the
   Close can be read from it. `s` dies in any case but EBADF, ENOTSUP and EBUSY; on failure
   everything is closed. Arguments and further errors as for ws_done(), but EPIPE only if the stream
   below was done before; and EPROTO, ENOMEM. */
int dill_ws_detach(int s, int status, const void* buf, size_t len, int64_t deadline);

/* What the peer's Close said. Never waits.

   status    may be NULL; else set to the code, 0 if the Close carried none
   buf, len  filled with the reason (UTF-8, at most 123 bytes, no NUL added); may be NULL with len 0

   Returns the length of the reason, or -1 with errno:
     EAGAIN     the peer's Close has not been met yet (receives meet it)
     EMSGSIZE   the reason is longer than `len`; nothing was written
     ECONNRESET the connection ended without a Close
     EPROTO     it was ended because the peer broke the protocol
     EBADF, ENOTSUP */
ssize_t dill_ws_status(int s, int* status, void* buf, size_t len);

/* For those who do the HTTP part by themselves (WS_NOHTTP). Writes a fresh Sec-WebSocket-Key and a
   NUL (RFC 6455 section 4.1) to `request_key`, WS_KEY_SIZE bytes. 0; EINVAL for NULL. */
int dill_ws_request_key(char* request_key);

/* Writes the Sec-WebSocket-Accept that belongs to `request_key`, and a NUL (section 4.2.2) to
   `response_key`, WS_KEY_SIZE bytes. 0; EINVAL: NULL, or not a key of 16 bytes in base64. */
int dill_ws_response_key(const char* request_key, char* response_key);

#ifndef DILL_DISABLE_RAW_NAMES
#define WS_BINARY DILL_WS_BINARY
#define WS_TEXT DILL_WS_TEXT
#define WS_NOHTTP DILL_WS_NOHTTP
#define WS_GATHER DILL_WS_GATHER
#define WS_KEY_SIZE DILL_WS_KEY_SIZE
#define ws_storage dill_ws_storage

int ws_attach_client(int s, int flags, const char* resource, const char* host,
                     int64_t deadline) __asm__("dill_ws_attach_client");
int ws_attach_client_mem(int s, int flags, const char* resource, const char* host,
                         struct dill_ws_storage* mem,
                         int64_t deadline) __asm__("dill_ws_attach_client_mem");
int ws_attach_server(int s, int flags, char* resource, size_t resourcelen, char* host,
                     size_t hostlen, int64_t deadline) __asm__("dill_ws_attach_server");
int ws_attach_server_mem(int s, int flags, char* resource, size_t resourcelen, char* host,
                         size_t hostlen, struct dill_ws_storage* mem,
                         int64_t deadline) __asm__("dill_ws_attach_server_mem");
int ws_send(int s, int flags, const void* buf, size_t len,
            int64_t deadline) __asm__("dill_ws_send");
ssize_t ws_recv(int s, int* flags, void* buf, size_t len, int64_t deadline) __asm__("dill_ws_recv");
int ws_sendl(int s, int flags, struct dill_iolist* first, struct dill_iolist* last,
             int64_t deadline) __asm__("dill_ws_sendl");
ssize_t ws_recvl(int s, int* flags, struct dill_iolist* first, struct dill_iolist* last,
                 int64_t deadline) __asm__("dill_ws_recvl");
int ws_done(int s, int status, const void* buf, size_t len,
            int64_t deadline) __asm__("dill_ws_done");
int ws_detach(int s, int status, const void* buf, size_t len,
              int64_t deadline) __asm__("dill_ws_detach");
ssize_t ws_status(int s, int* status, void* buf, size_t len) __asm__("dill_ws_status");
int ws_request_key(char* request_key) __asm__("dill_ws_request_key");
int ws_response_key(const char* request_key, char* response_key) __asm__("dill_ws_response_key");
#endif

#ifdef __cplusplus
} /* extern "C" */

#ifndef DILL_DISABLE_RAW_NAMES
/* The shapes that the example of ws_done(3) has: older than the signatures above. */
inline int ws_attach_client(int s, const char* resource, const char* host, int flags,
                            int64_t deadline) {
  return dill_ws_attach_client(s, flags, resource, host, deadline);
}

/* ws_detach() with status 1000 and no reason. */
inline int ws_detach(int s, int64_t deadline) {
  return dill_ws_detach(s, 1000, nullptr, 0, deadline);
}
#endif
#endif

#endif /* HALFPIPE_WEBSOCKET_WS_H_ */
