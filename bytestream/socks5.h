/* Connecting through a proxy that speaks SOCKS version 5 (RFC 1928, with the usernames and passwords
   of RFC 1929), and being one. C11 and C++. The rules for every call are those in
   bytestream/sockets.h.

   Unlike an attach, these calls leave the handle as it is: they talk over the bytestream `s`, and
   afterwards `s` carries the connection asked for; what came behind the talk is still in it. `s` may
   be any bytestream, also one of the user's own (bytestream/libdillimpl.h).

   After a failure `s` is open and still the caller's, to be closed: nobody knows where in the talk
   the peer is. Errors that say "nothing was sent" or "call again" are the exceptions.

   Example, a client and the proxy's side of it:
     int s = tcp_connect(&proxy, deadline);
     if (socks5_client_connectbyname(s, NULL, NULL, "www.example", 80, deadline) != 0) hclose(s);

     struct ipaddr addr;
     if (socks5_proxy_auth(s, NULL, deadline) == 0 &&
         socks5_proxy_recvcommand(s, &addr, deadline) == SOCKS5_CONNECT) {
       int target = tcp_connect(&addr, deadline);
       socks5_proxy_sendreply(s, target >= 0 ? SOCKS5_SUCCESS : SOCKS5_HOST_UNREACHABLE, &addr,
                              deadline);
     } */
#ifndef HALFPIPE_BYTESTREAM_SOCKS5_H_
#define HALFPIPE_BYTESTREAM_SOCKS5_H_

#include <stdint.h>

#include "bytestream/sockets.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Commands (RFC 1928 section 4). */
#define DILL_SOCKS5_CONNECT 0x01
#define DILL_SOCKS5_BIND 0x02
#define DILL_SOCKS5_UDP_ASSOCIATE 0x03

/* Replies (RFC 1928 section 6). */
#define DILL_SOCKS5_SUCCESS 0x00
#define DILL_SOCKS5_GENERAL_FAILURE 0x01
#define DILL_SOCKS5_CONNECTION_NOT_ALLOWED 0x02
#define DILL_SOCKS5_NETWORK_UNREACHABLE 0x03
#define DILL_SOCKS5_HOST_UNREACHABLE 0x04
#define DILL_SOCKS5_CONNECTION_REFUSED 0x05
#define DILL_SOCKS5_TTL_EXPIRED 0x06
#define DILL_SOCKS5_COMMAND_NOT_SUPPORTED 0x07
#define DILL_SOCKS5_ADDRESS_TYPE_NOT_SUPPORTED 0x08

/* ---- Client ---------------------------------------------------------------------------------- */

/* Asks the proxy at the other end of `s` to connect to `addr`.

   username, password  1 to 255 bytes each. The proxy is offered to have them or to go without, and
                       chooses. If either is NULL, it is offered to go without alone.
   deadline            of the whole talk

   Returns 0, or -1 with errno:
     EINVAL     addr is NULL or no address, or its port is 0; username or password is empty: nothing
                was sent
     EMSGSIZE   username or password is over 255 bytes: nothing was sent
     EBUSY      another coroutine is receiving or sending on `s`: nothing was sent
     EACCES     the proxy wants some other authentication, or refuses this one; or it replies that
                the connection is not allowed (code 2)
     EIO, ENETUNREACH, EHOSTUNREACH, ECONNREFUSED, EOPNOTSUPP, EAFNOSUPPORT
                the proxy's reply: code 1, 3, 4, 5, 7, 8
     EPROTO     the peer does not speak SOCKS 5; or its reply has a code above 8
     ECONNRESET the connection broke, or ended, before the reply
     EPIPE      the outbound direction of `s` is done
     ETIMEDOUT  the deadline passed, or the proxy replies that the time to live expired (code 6)
     ECANCELED
     EBADF, ENOTSUP  not a handle, not a bytestream; nothing was done. (EOPNOTSUPP is the same number
                as ENOTSUP here.) */
int dill_socks5_client_connect(int s, const char* username, const char* password,
                               struct dill_ipaddr* addr, int64_t deadline);

/* The same to port `port` of the host `hostname`, which the proxy looks up: 1 to 255 bytes. An
   address as text is sent as the address.

     EINVAL     also: hostname is NULL or empty, port is not 1..65535
     EMSGSIZE   also: hostname is over 255 bytes */
int dill_socks5_client_connectbyname(int s, const char* username, const char* password,
                                     const char* hostname, int port, int64_t deadline);

/* ---- Proxy ----------------------------------------------------------------------------------- */

/* Decides whether the client that has these may go on: not 0 for yes. Borrowed; gone after the
   call, which may block. */
typedef int dill_socks5_auth_function(const char* username, const char* password);

/* Receives the client's greeting on `s` and lets it in: if auth_fn is NULL, without authentication;
   else with a username and password, which auth_fn decides on.

   Returns 0, or -1 with errno:
     EACCES     the client does not offer what is asked for, or auth_fn said no; the client has been
                told, as far as that could be
     EPROTO     the peer does not speak SOCKS 5; also a username or password that is empty or has a
                zero byte in it
     EPIPE      the connection ended before its first byte; or our outbound direction is done
     ECONNRESET the connection broke, or ended in the middle
     EBUSY      another coroutine is receiving or sending on `s`; nothing was done
     ETIMEDOUT, ECANCELED
     EBADF, ENOTSUP  not a handle, not a bytestream; nothing was done */
int dill_socks5_proxy_auth(int s, dill_socks5_auth_function* auth_fn, int64_t deadline);

/* Receives what the client asks for. *addr is set to the address and port; a name is looked up, as
   by ipaddr_remote(), before `deadline`.

   Returns the command, DILL_SOCKS5_CONNECT, DILL_SOCKS5_BIND or DILL_SOCKS5_UDP_ASSOCIATE, or -1
   with errno:
     EINVAL     addr is NULL; nothing was done
     EADDRNOTAVAIL  there is no such name, or it has no address: the command has been received, and
                can be answered
     EHOSTUNREACH   no name server gave an answer: the same
     EPROTO     the peer broke the protocol; or another command or kind of address, and the client
                has been told (replies 7 and 8)
     EPIPE      the connection ended before the command
     ECONNRESET the connection broke, or ended in the middle
     EBUSY      another coroutine is receiving or sending on `s`; nothing was done
     ETIMEDOUT, ECANCELED  the command, or its address, was not there in time: call again
     EMFILE, ENFILE, ENOMEM  no descriptor or memory to look the name up with: the same
     EBADF, ENOTSUP  not a handle, not a bytestream; nothing was done */
int dill_socks5_proxy_recvcommand(int s, struct dill_ipaddr* addr, int64_t deadline);

/* The same without looking anything up.

   host   room for 256 bytes: the name, or the address as text, and a terminating zero
   port   0..65535

   Errors as above but for EADDRNOTAVAIL and those of the lookup; EINVAL: host or port is NULL. */
int dill_socks5_proxy_recvcommandbyname(int s, char* host, int* port, int64_t deadline);

/* Answers the command. After DILL_SOCKS5_SUCCESS to a CONNECT, `s` carries the connection; after a
   failure it is to be closed within 10 seconds (RFC 1928 section 6).

   reply   one of DILL_SOCKS5_SUCCESS to DILL_SOCKS5_ADDRESS_TYPE_NOT_SUPPORTED
   addr    of a CONNECT that succeeded, the address that the proxy connected from; else any

   Returns 0, or -1 with errno:
     EINVAL     any other reply, addr is NULL or no address: nothing was sent
     EPIPE      the outbound direction of `s` is done
     EBUSY      another coroutine is sending on `s`; nothing was sent
     ETIMEDOUT, ECANCELED  nothing was sent: call again
     ECONNRESET
     EBADF, ENOTSUP  not a handle, not a bytestream; nothing was done */
int dill_socks5_proxy_sendreply(int s, int reply, struct dill_ipaddr* addr, int64_t deadline);

#ifndef DILL_DISABLE_RAW_NAMES
#define SOCKS5_CONNECT DILL_SOCKS5_CONNECT
#define SOCKS5_BIND DILL_SOCKS5_BIND
#define SOCKS5_UDP_ASSOCIATE DILL_SOCKS5_UDP_ASSOCIATE
#define SOCKS5_SUCCESS DILL_SOCKS5_SUCCESS
#define SOCKS5_GENERAL_FAILURE DILL_SOCKS5_GENERAL_FAILURE
#define SOCKS5_CONNECTION_NOT_ALLOWED DILL_SOCKS5_CONNECTION_NOT_ALLOWED
#define SOCKS5_NETWORK_UNREACHABLE DILL_SOCKS5_NETWORK_UNREACHABLE
#define SOCKS5_HOST_UNREACHABLE DILL_SOCKS5_HOST_UNREACHABLE
#define SOCKS5_CONNECTION_REFUSED DILL_SOCKS5_CONNECTION_REFUSED
#define SOCKS5_TTL_EXPIRED DILL_SOCKS5_TTL_EXPIRED
#define SOCKS5_COMMAND_NOT_SUPPORTED DILL_SOCKS5_COMMAND_NOT_SUPPORTED
#define SOCKS5_ADDRESS_TYPE_NOT_SUPPORTED DILL_SOCKS5_ADDRESS_TYPE_NOT_SUPPORTED

int socks5_client_connect(int s, const char* username, const char* password,
                          struct dill_ipaddr* addr,
                          int64_t deadline) __asm__("dill_socks5_client_connect");
int socks5_client_connectbyname(int s, const char* username, const char* password,
                                const char* hostname, int port,
                                int64_t deadline) __asm__("dill_socks5_client_connectbyname");
int socks5_proxy_auth(int s, dill_socks5_auth_function* auth_fn,
                      int64_t deadline) __asm__("dill_socks5_proxy_auth");
int socks5_proxy_recvcommand(int s, struct dill_ipaddr* addr,
                             int64_t deadline) __asm__("dill_socks5_proxy_recvcommand");
int socks5_proxy_recvcommandbyname(int s, char* host, int* port,
                                   int64_t deadline) __asm__("dill_socks5_proxy_recvcommandbyname");
int socks5_proxy_sendreply(int s, int reply, struct dill_ipaddr* addr,
                           int64_t deadline) __asm__("dill_socks5_proxy_sendreply");
#endif

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* HALFPIPE_BYTESTREAM_SOCKS5_H_ */
