/* The C calls for UDP, in the shape of libdill's. C11 and C++. Rules for every call: see sockets.h.

   A handle of udp_open() is also a message socket (msocket.h): msend() sends to the remote address,
   EINVAL if there is none, and waits until the system has room for the message; mrecv() is udp_recv()
   without the address. To close it use hclose(). */
#ifndef HALFPIPE_BYTESTREAM_UDP_H_
#define HALFPIPE_BYTESTREAM_UDP_H_

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bytestream/iolist.h"
#include "bytestream/sockets.h"

#ifdef __cplusplus
extern "C" {
#endif

DILL_STORAGE(dill_udp_storage, 384);

/* Opens a UDP socket (RFC 768).

   local    where datagrams are received and come from; if its port is 0 the system chooses one, which
            is written back. NULL: the system chooses address and port when something is sent.
   remote   where datagrams go if the call says nothing else; those of others are dropped. NULL: those
            of everybody are received.

   Returns the handle, or -1 with errno:
     EINVAL     an argument that is no address, or a remote one without port; local and remote are of
                different families; (_mem) mem is NULL
     EADDRINUSE, EADDRNOTAVAIL, EACCES, EPERM  as bind(2) and connect(2) say
     ENETUNREACH, EHOSTUNREACH, ENETDOWN  there is no way to remote
     EAFNOSUPPORT  the machine has no such sockets (IPv6, say)
     EMFILE, ENFILE, ENOMEM, ENOBUFS
     ECANCELED  the coroutine is being closed */
int dill_udp_open(struct dill_ipaddr* local, const struct dill_ipaddr* remote);
int dill_udp_open_mem(struct dill_ipaddr* local, const struct dill_ipaddr* remote,
                      struct dill_udp_storage* mem);

/* Sends `len` bytes from `buf` (may be NULL if `len` is 0) as one datagram to *addr, or if that is
   NULL to the remote address. Never waits: what the system has no room for now is dropped, as it
   might be anywhere on its way, and that is no failure. Works in a coroutine that is being closed.

   Returns 0, or -1 with errno, and then nothing was sent:
     EINVAL     buf is NULL; no address, or one of the other family or without port
     EMSGSIZE   more than 65507 bytes over IPv4, 65527 over IPv6
     ECONNREFUSED  an earlier datagram has found nobody at the remote address; call again
     ENETUNREACH, EHOSTUNREACH, ENETDOWN, EACCES, EPERM  as send(2) says
     ENOMEM
     EBADF, ENOTSUP  not a handle (any more), not a UDP socket */
int dill_udp_send(int s, const struct dill_ipaddr* addr, const void* buf, size_t len);

/* The same with a list of buffers, which are one datagram. EINVAL also for a list that is NULL,
   broken, looped or does not end with `last`. */
int dill_udp_sendl(int s, const struct dill_ipaddr* addr, struct dill_iolist* first,
                   struct dill_iolist* last);

/* Receives one datagram into `buf` of `len` bytes (NULL skips them); its sender's address goes to
   *addr, which may be NULL.

   Returns its size, 0 and more, or -1 with errno:
     EMSGSIZE   it is larger, and has been dropped
     ETIMEDOUT, ECANCELED  nothing was received; call again
     ECONNREFUSED  a datagram that was sent has found nobody at the remote address; call again
     EHOSTUNREACH, ENETUNREACH, ENETDOWN  one has not got there; call again
     EBUSY      another coroutine is receiving
     EMFILE, ENFILE, ENOMEM, ENOBUFS, ENOSPC  nothing left to wait or to receive with; call again
     EBADF, ENOTSUP  not a handle (any more), not a UDP socket */
ssize_t dill_udp_recv(int s, struct dill_ipaddr* addr, void* buf, size_t len, int64_t deadline);

/* The same into a list of buffers; a NULL iol_base skips iol_len bytes, and two NULLs for a list drop
   one datagram of any size. EINVAL for a list that is broken. */
ssize_t dill_udp_recvl(int s, struct dill_ipaddr* addr, struct dill_iolist* first,
                       struct dill_iolist* last, int64_t deadline);

#ifndef DILL_DISABLE_RAW_NAMES
int udp_open(struct dill_ipaddr* local, const struct dill_ipaddr* remote) __asm__("dill_udp_open");
int udp_open_mem(struct dill_ipaddr* local, const struct dill_ipaddr* remote,
                 struct dill_udp_storage* mem) __asm__("dill_udp_open_mem");
int udp_send(int s, const struct dill_ipaddr* addr, const void* buf,
             size_t len) __asm__("dill_udp_send");
int udp_sendl(int s, const struct dill_ipaddr* addr, struct dill_iolist* first,
              struct dill_iolist* last) __asm__("dill_udp_sendl");
ssize_t udp_recv(int s, struct dill_ipaddr* addr, void* buf, size_t len,
                 int64_t deadline) __asm__("dill_udp_recv");
ssize_t udp_recvl(int s, struct dill_ipaddr* addr, struct dill_iolist* first,
                  struct dill_iolist* last, int64_t deadline) __asm__("dill_udp_recvl");
#define udp_storage dill_udp_storage
#endif

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* HALFPIPE_BYTESTREAM_UDP_H_ */
