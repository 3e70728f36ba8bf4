/* TLS on a bytestream, in the shape of libdill's calls. C11 and C++. The rules for every call are
   those in bytestream/sockets.h; on the new handle bsend(), brecv() and so on carry the data.

   TLS 1.2 and 1.3, without renegotiation, compression or resumption. Clients verify: see
   tls_attach_client_host(). OpenSSL's calls run on the stack of the caller, and of whichever
   coroutine lets the runtime wait: give those of go_mem() 64 KiB. OpenSSL's own objects are on the
   heap, also with the _mem calls. */
#ifndef HALFPIPE_BYTESTREAM_TLS_TLS_H_
#define HALFPIPE_BYTESTREAM_TLS_TLS_H_

#include <stdint.h>

#include "bytestream/sockets.h"

#ifdef __cplusplus
extern "C" {
#endif

DILL_STORAGE(dill_tls_storage, 1024);

/* Says whom clients of this process trust: the certificates in the PEM file `path`, in place of the
   system's; NULL for the system's again. For all threads, and for whatever is attached from then on.
   Reads the file at once, which may block the thread.

   Returns 0, or -1 with errno, and then nothing has changed:
     EINVAL     no certificate in PEM form, or one that is broken
     EMSGSIZE   the file is above 16 MiB
     ENOMEM
     and those of open(2) and read(2) */
int dill_tls_trust_file(const char* path);

/* Every attach takes over the bytestream `s`, makes the TLS connection, and returns its new handle.
   `s` is dead afterwards, and closed if the call fails, but for the last two errors. Or -1 with errno:
     EACCES     a certificate was refused: the peer's, or ours by the peer
     EPROTO     the two do not agree on a version or a cipher, or the peer broke the protocol
     ECONNRESET the stream below broke, or ended
     EINVAL     an argument is NULL, or no host name
     ETIMEDOUT, ECANCELED
     EMFILE     also: others have taken all numbers for handles meanwhile
     ENOMEM, and what receiving from `s` gives otherwise. Where memory fails inside OpenSSL,
                which does not always say so, it may be EINVAL, EACCES or EPROTO
     EBADF, ENOTSUP  not a handle, not a bytestream; nothing was done
     EBUSY      a call is in progress on it; nothing was done

   On the new handle, beyond what they give on any bytestream:
     EPROTO     the peer broke the protocol; both directions are over
     EACCES     the peer has refused our certificate; with TLS 1.3 a client learns that when it first
                receives
     ECONNRESET also if the stream below ends without the peer's close_notify: somebody may have cut
                it off
   hclose() sends close_notify if that is possible at once and nothing is lost by it. */

/* The client's side. The server must have a certificate for `host`, a name or an IP address, with a
   chain to a root that is trusted: those of tls_trust_file(), else the system's. The server is told
   the name (RFC 6066 section 3). */
int dill_tls_attach_client_host(int s, const char* host, int64_t deadline);
int dill_tls_attach_client_host_mem(int s, const char* host, struct dill_tls_storage* mem,
                                    int64_t deadline);

/* The same without a name, so that any certificate will do whose root is one of tls_trust_file().
   EACCES also if that was not called: to believe whoever has some certificate of the system's roots
   would be to verify nothing. */
int dill_tls_attach_client(int s, int64_t deadline);
int dill_tls_attach_client_mem(int s, struct dill_tls_storage* mem, int64_t deadline);

/* The server's side.

   cert     PEM file with the certificate, followed by those between it and the root
   pkey     PEM file with its private key, not encrypted

   Both are read at each call, which may block the thread. Errors beyond those above:
     EINVAL     the files are not what they should be
     EMSGSIZE   one is above 16 MiB
     and those of open(2) and read(2), among them ENOENT and EACCES */
int dill_tls_attach_server(int s, const char* cert, const char* pkey, int64_t deadline);
int dill_tls_attach_server_mem(int s, const char* cert, const char* pkey,
                               struct dill_tls_storage* mem, int64_t deadline);

/* Ends the outbound direction: sends close_notify (RFC 8446 section 6.1) after everything that was
   sent before. The peer reads the end of the stream. Receiving goes on; the stream below stays open.

   Returns 0, or -1 with errno:
     EPIPE      tls_done() was already called
     EBUSY      another coroutine is sending
     ETIMEDOUT, ECANCELED  it has not happened; call again
     ECONNRESET the connection is broken, or breaks now: the system has nothing to send with
     EHOSTUNREACH, ENETUNREACH, ENETDOWN, ECONNABORTED  it breaks now, as the system says
     ENOMEM     in OpenSSL
     EPROTO, EACCES  as said above
     EBADF, ENOTSUP  not a handle (any more), not one of TLS */
int dill_tls_done(int s, int64_t deadline);

/* Takes TLS off: tls_done() if that has not happened, then drops what the peer still sends until its
   close_notify. The next byte of the bytestream is the one behind that.

   Returns the handle of the bytestream, or -1 with errno; everything is closed then but for the last
   two:
     ECONNRESET the connection is broken, or has ended without close_notify
     ETIMEDOUT, ECANCELED
     ENOMEM, and what receiving gives otherwise; of a number for the handle there is always one
     EPROTO, EACCES  as said above
     EBADF, ENOTSUP  not a handle (any more), not one of TLS
     EBUSY      a call is in progress on it */
int dill_tls_detach(int s, int64_t deadline);

#ifndef DILL_DISABLE_RAW_NAMES
#define tls_storage dill_tls_storage

int tls_trust_file(const char* path) __asm__("dill_tls_trust_file");
int tls_attach_client_host(int s, const char* host,
                           int64_t deadline) __asm__("dill_tls_attach_client_host");
int tls_attach_client_host_mem(int s, const char* host, struct dill_tls_storage* mem,
                               int64_t deadline) __asm__("dill_tls_attach_client_host_mem");
int tls_attach_client(int s, int64_t deadline) __asm__("dill_tls_attach_client");
int tls_attach_client_mem(int s, struct dill_tls_storage* mem,
                          int64_t deadline) __asm__("dill_tls_attach_client_mem");
int tls_attach_server(int s, const char* cert, const char* pkey,
                      int64_t deadline) __asm__("dill_tls_attach_server");
int tls_attach_server_mem(int s, const char* cert, const char* pkey, struct dill_tls_storage* mem,
                          int64_t deadline) __asm__("dill_tls_attach_server_mem");
int tls_done(int s, int64_t deadline) __asm__("dill_tls_done");
int tls_detach(int s, int64_t deadline) __asm__("dill_tls_detach");
#endif

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* HALFPIPE_BYTESTREAM_TLS_TLS_H_ */
