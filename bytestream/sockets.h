/* The C calls for coroutines, handles, bytestreams, addresses, TCP and Unix sockets, in the shape
   of libdill's. C11 and C++.

   Rules for every call:
   - A handle is a positive int and belongs to the thread that made it. A closed one is EBADF, never
     somebody else's connection.
   - A deadline is absolute, in milliseconds on the clock of now(); -1 waits for ever, 0 does what
     is possible without waiting. An expired deadline still completes what needs no waiting.
   - Failure is -1 with errno. ETIMEDOUT and ECANCELED lose nothing: make the call again.
   - EMFILE, ENFILE, ENOMEM, ENOBUFS and ENOSPC may come from any call that makes something, or that
     sends, receives, or waits for the system: it had no descriptor or memory for that, or to wait
     with. Nothing was done, nothing is lost: make the call again (only the ENOMEM that brecv()
     names is the end of receiving). Calls that wait for coroutines, for the clock, or for what was
     accepted to leave, need nothing: msleep(), yield(), bundle_wait(), those of channels.h,
     tcp_done(), ipc_done(). Lookups of names (ipaddr_remote()) and calls that never wait give only
     those that they name; fdin() and fdout() no ENOBUFS, ipc_connect() no ENOSPC.
   - A connection breaks with ECONNRESET, or with what the system says of the network: EHOSTUNREACH,
     ENETUNREACH, ENETDOWN, ECONNABORTED, ECONNREFUSED, EACCES, EPERM, EIO. That direction stays so.
   - Blocking suspends the calling coroutine alone. A coroutine that is being closed gets ECANCELED
     from every blocking call, and from every call that makes a handle.
   - One receiver and one sender at a time on a connection; the next one gets EBUSY. Closing a
   handle that others are blocked in is fine: they get EBADF.
   - A "_mem" call uses storage of the caller instead of the heap. The storage stays valid, and is
     touched by nobody else, until the handle is closed and its last user has returned.

   Each call has its linkage name, dill_NAME, and its raw name, NAME, which is the same symbol. The
   raw names are declared at the end, unless DILL_DISABLE_RAW_NAMES is defined. */
#ifndef HALFPIPE_BYTESTREAM_SOCKETS_H_
#define HALFPIPE_BYTESTREAM_SOCKETS_H_

#include <stddef.h>
#include <stdint.h>

#include "bytestream/iolist.h"

/* Storage of the caller: opaque, its size is public. */
#define DILL_STORAGE(name, size)             \
  struct __attribute__((aligned(16))) name { \
    char opaque[size];                       \
  }

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Time and descriptors -------------------------------------------------------------------- */

/* Milliseconds of a clock that never goes backwards, since an arbitrary start. Never fails. */
int64_t dill_now(void);

/* Waits until `deadline` has passed; -1 waits until the coroutine is cancelled. A deadline that is
   over (and 0) lets the other coroutines run once.

   Returns 0, or -1 with errno:
     ECANCELED  the coroutine is being closed */
int dill_msleep(int64_t deadline);

/* Waits until descriptor `fd` (of the system, not a handle) can be read without blocking; also at
   end of file or when it has failed. A regular file is always ready.

   Returns 0, or -1 with errno:
     EBADF      not a descriptor, or fdclean() was called during the wait
     EBUSY      another coroutine is in fdin() on it
     ETIMEDOUT, ECANCELED */
int dill_fdin(int fd, int64_t deadline);

/* The same for writing. EBUSY: another coroutine is in fdout() on it. */
int dill_fdout(int fd, int64_t deadline);

/* To be called before `fd` is closed while a coroutine may be in fdin() or fdout() on it: that call
   ends with EBADF. Any other state of `fd` is fine. Returns 0. */
int dill_fdclean(int fd);

/* ---- Coroutines ------------------------------------------------------------------------------ */

/* A bundle owns coroutines; a handle from go() is a bundle of one. hclose() of a bundle cancels its
   coroutines and waits until they have come out, so what they use must live until then. A coroutine
   that has finished gives its stack back at once; its bundle stays until hclose().

   The new coroutine runs at once, on a stack of its own; the caller goes to the end of the queue of
   those that are ready.

   C++: dill_go(call(args)) and its kin below, where the arguments are evaluated before anything
   else runs. C: dill_go_fn(function, argument), where what `argument` points to must live long
   enough.

   Example:
     coroutine void worker(int count) { ... }
     int h = go(worker(4));
     ...
     hclose(h); */

/* To be put before a function that is run as a coroutine. */
#define dill_coroutine __attribute__((noinline))

DILL_STORAGE(dill_bundle_storage, 192);

/* Makes an empty bundle.

   Returns the handle, or -1 with errno:
     ECANCELED  the coroutine is being closed
     EMFILE     a million handles are open
     ENOMEM
     EINVAL     (_mem) mem is NULL */
int dill_bundle(void);
int dill_bundle_mem(struct dill_bundle_storage* mem);

/* Waits until all coroutines of bundle `h` have finished; at once if there are none. Several
   coroutines may wait.

   Returns 0, or -1 with errno:
     EDEADLK    called from a coroutine of that bundle
     EBADF, ENOTSUP  not a handle (any more), not a bundle
     ETIMEDOUT, ECANCELED */
int dill_bundle_wait(int h, int64_t deadline);

/* Lets the other coroutines that are ready run.

   Returns 0, or -1 with errno:
     ECANCELED  the coroutine is being closed */
int dill_yield(void);

/* Runs function(argument) in a new coroutine of a new bundle, or of the bundle `h`.

   stack, size   (_mem) the coroutine's stack, which also holds its control data: at least 4096
   bytes for a coroutine that does little; any alignment.

   Returns the new handle (the _bundle forms 0), or -1 with errno:
     ECANCELED  the coroutine is being closed
     ENOMEM     no memory for a stack, or `size` is too small
     EMFILE     a million handles are open (not the _bundle forms)
     EINVAL     function is NULL; (_mem) stack is NULL
     EBADF, ENOTSUP  (_bundle forms) not a handle, not a bundle */
int dill_go_fn(void (*function)(void*), void* argument);
int dill_go_mem_fn(void (*function)(void*), void* argument, void* stack, size_t size);
int dill_bundle_go_fn(int h, void (*function)(void*), void* argument);
int dill_bundle_go_mem_fn(int h, void (*function)(void*), void* argument, void* stack, size_t size);

/* ---- Handles --------------------------------------------------------------------------------- */

/* Closes whatever the handle `h` is; the number is dead from now on. Never waits for the outside
   world: a connection with unsent bytes is reset, any other is closed plainly (tcp_close() and
   ipc_close() are the orderly ends). Coroutines that are blocked in it get EBADF. A bundle cancels
   its coroutines and waits for them. Works in a coroutine that is being closed.

   Returns 0, or -1 with errno:
     EBADF      not a handle
     EDEADLK    a bundle that could never come to its end, because it would wait for the caller:
                from one of its own coroutines; or from a coroutine of a bundle that one of its own
                is closing, or has made (or taken over with hown()) and so will close when it is
                cancelled; and so on. Nothing was done. */
int dill_hclose(int h);

/* Moves the object to a new handle; the old number is dead from now on, so that whoever had it has
   lost the object.

   Returns the new handle, or -1 with errno:
     EBADF      not a handle
     EBUSY      a call is in progress on it; nothing was done
     EMFILE     a million handles are open; nothing was done
     ENOMEM     nothing was done
     EDEADLK    as ECANCELED, and hclose() would say so
     ECANCELED  the coroutine is being closed; the object was closed */
int dill_hown(int h);

/* ---- Bytestreams ----------------------------------------------------------------------------- */

/* Sends `len` bytes from `buf` (may be NULL if `len` is 0; borrowed). Returns when the system has
   taken them all. If time runs out after the first byte has left, the rest (the tail, at most 1
   MiB) is copied and leaves in the background, and the call succeeds; later sends wait behind it.

   Returns 0, or -1 with errno:
     ETIMEDOUT, ECANCELED  nothing was sent; call again
     EPIPE      done was called
     ECONNRESET the connection failed, or the tail was above its limit, which resets it
     EBUSY      another coroutine is sending
     EINVAL     buf is NULL
     EBADF, ENOTSUP  not a handle (any more), not a bytestream */
int dill_bsend(int s, const void* buf, size_t len, int64_t deadline);

/* Receives exactly `len` bytes into `buf`; NULL skips as many.

   Returns 0, or -1 with errno:
     EPIPE      the stream ended before `len` bytes; what came is left for a shorter call
     ETIMEDOUT, ECANCELED  no byte was lost; call again. What was skipped stays skipped and counts.
     ECONNRESET the connection failed
     ENOMEM     no memory to set aside what had arrived when time ran out: receiving is over
     EBUSY      another coroutine is receiving
     EBADF, ENOTSUP  not a handle (any more), not a bytestream */
int dill_brecv(int s, void* buf, size_t len, int64_t deadline);

/* As bsend() for a list of pieces, sent in one go as far as the system allows. `last` must be the
   end of the list that begins at `first`.

   Errors as bsend(); EINVAL: no list, a list that is broken or circular or does not end at `last`,
   a NULL piece that is not empty. ENOMEM: no memory for more than 16 pieces; nothing was sent. */
int dill_bsendl(int s, struct dill_iolist* first, struct dill_iolist* last, int64_t deadline);

/* As brecv() into a list of pieces; a piece that is NULL skips its length. With `first` and `last`
   both NULL everything up to the end of the stream is dropped, and the call ends with EPIPE.

   Errors as brecv(); EINVAL: a list that is broken or circular or does not end at `last`. */
int dill_brecvl(int s, struct dill_iolist* first, struct dill_iolist* last, int64_t deadline);

/* ---- IP addresses ---------------------------------------------------------------------------- */

struct sockaddr;

/* An IPv4 or IPv6 address with a port. A value: copy it freely. */
struct __attribute__((aligned(4))) dill_ipaddr {
  char opaque[32];
};

/* Modes. 0 is the same as DILL_IPADDR_PREF_IPV4. */
#define DILL_IPADDR_IPV4 1
#define DILL_IPADDR_IPV6 2
#define DILL_IPADDR_PREF_IPV4 3
#define DILL_IPADDR_PREF_IPV6 4

/* Room for the longest address as text, with its terminating zero. */
#define DILL_IPADDR_MAXSTRLEN 46

/* Sets *addr to an address of this machine.

   name   an address as text, the name of a network interface ("eth0"), or NULL for all addresses
          (0.0.0.0, or :: in the IPv6 modes).
   port   0..65535; 0 lets the system choose when it is listened on.
   mode   one of the modes above.

   Returns 0, or -1 with errno:
     EINVAL     addr is NULL, port or mode is out of range
     ENODEV     no interface of that name, or it has no address of that kind */
int dill_ipaddr_local(struct dill_ipaddr* addr, const char* name, int port, int mode);

/* Sets *addr to the address of `name`: an address as text, or a host's name. A name is looked for in
   the hosts file of the system; then "localhost" and names below it are the loopback address,
   "invalid" and names below it are nobody's, and for others the name servers are asked. Only this
   coroutine waits for them.

   mode       one of the modes above. One that prefers a kind takes the other one if there is none
              of it, or none came before the deadline.
   deadline   of the lookup. What needs no name server needs no waiting.

   Returns 0, or -1 with errno:
     EINVAL     addr or name is NULL, port is not 0..65535, mode is out of range
     EADDRNOTAVAIL  there is no such name, or it has no address of that kind; also an empty name,
                and one that cannot be asked for: over 253 bytes, a part between dots over 63 bytes,
                other characters than letters, digits, "-" and "_"
     EHOSTUNREACH   no name server gave an answer
     ETIMEDOUT, ECANCELED
     EMFILE, ENFILE, ENOMEM  no descriptor or memory to ask with */
int dill_ipaddr_remote(struct dill_ipaddr* addr, const char* name, int port, int mode,
                       int64_t deadline);

/* As ipaddr_remote() for up to `naddrs` addresses, the preferred kind first; of DILL_IPADDR_IPV4
   and DILL_IPADDR_IPV6 only that kind. Both kinds are asked for at the same time; the second one is
   not waited for when the first one fills the array. Within a kind, addresses of name servers are in
   the order of RFC 6724, those of the hosts file in its order.

   Returns how many were set, 0 if there is none, or -1 with errno as ipaddr_remote(), but for
   EADDRNOTAVAIL. EINVAL also when naddrs is negative. */
int dill_ipaddr_remotes(struct dill_ipaddr* addrs, int naddrs, const char* name, int port, int mode,
                        int64_t deadline);

/* Writes the address, without port and scope, as text to `ipstr`, DILL_IPADDR_MAXSTRLEN bytes of
   the caller. Returns ipstr. */
const char* dill_ipaddr_str(const struct dill_ipaddr* addr, char* ipstr);

/* AF_INET or AF_INET6. */
int dill_ipaddr_family(const struct dill_ipaddr* addr);

/* The address for calls of the system, and its size in bytes. Points into *addr. */
const struct sockaddr* dill_ipaddr_sockaddr(const struct dill_ipaddr* addr);
int dill_ipaddr_len(const struct dill_ipaddr* addr);

/* The port, 0..65535, in the machine's own byte order. */
int dill_ipaddr_port(const struct dill_ipaddr* addr);
void dill_ipaddr_setport(struct dill_ipaddr* addr, int port);

/* 1 if both are the same address and (unless ignore_port is not 0) the same port, else 0. */
int dill_ipaddr_equal(const struct dill_ipaddr* addr1, const struct dill_ipaddr* addr2,
                      int ignore_port);

/* ---- TCP ------------------------------------------------------------------------------------- */

DILL_STORAGE(dill_tcp_listener_storage, 512);
DILL_STORAGE(dill_tcp_storage, 1024);

/* Every call of this section that makes a handle returns it, or -1 with errno:
     ECANCELED  the coroutine is being closed
     EMFILE     a million handles are open
     ENOMEM, ENOBUFS
     EINVAL     (_mem) mem is NULL
   and those named there; one that listens, connects or accepts also
     EMFILE, ENFILE  no more descriptors
   and one that listens or connects also
     EAFNOSUPPORT  the machine has no such sockets (IPv6, say)
     EINVAL     addr is NULL or no address */

/* Listens on *addr; if its port is 0 the system chooses one, which is written back. `backlog` is
   how many connections may wait to be accepted; it is 1 or more. SO_REUSEADDR is on. On :: IPv4
   connections come too, from ::ffff:a.b.c.d.

     EADDRINUSE, EADDRNOTAVAIL, EACCES, EPERM   as bind(2) says
     EINVAL     backlog is 0 or less */
int dill_tcp_listen(struct dill_ipaddr* addr, int backlog);
int dill_tcp_listen_mem(struct dill_ipaddr* addr, int backlog,
                        struct dill_tcp_listener_storage* mem);

/* Accepts a connection; its peer's address goes to *addr, which may be NULL. After a timeout
   nothing is lost. Out of descriptors or memory (EMFILE, ENFILE, ENOMEM, ENOBUFS) the connection
   stays in the queue; a call that comes soon after such a failure pauses before it tries again, for
   1 to 128 ms, so that a loop which goes on accepting whatever happens does not take all the time.

     ETIMEDOUT
     EBUSY      another coroutine is in accept
     EBADF, ENOTSUP  not a handle (any more), not a TCP listener */
int dill_tcp_accept(int s, struct dill_ipaddr* addr, int64_t deadline);
int dill_tcp_accept_mem(int s, struct dill_ipaddr* addr, struct dill_tcp_storage* mem,
                        int64_t deadline);

/* Connects to *addr. TCP_NODELAY is on.

     ETIMEDOUT
     ECONNREFUSED, ECONNRESET, EHOSTUNREACH, ENETUNREACH, ENETDOWN, EADDRNOTAVAIL, EADDRINUSE,
     EACCES, EPERM  as connect(2) says */
int dill_tcp_connect(const struct dill_ipaddr* addr, int64_t deadline);
int dill_tcp_connect_mem(const struct dill_ipaddr* addr, struct dill_tcp_storage* mem,
                         int64_t deadline);

/* Connects to port `port` of the host `name` (as in ipaddr_remote()) by Happy Eyeballs (RFC 8305):
   asks for its IPv6 and IPv4 addresses at the same time, begins with the first IPv6 one, or with an
   IPv4 one if no other has come 50 ms later, and tries the next one, kinds in turn, whenever an
   attempt has failed or has lasted 250 ms, without giving it up. The first connection is taken; all
   else is cancelled and closed before the return. The handle is as tcp_connect()'s.

   deadline   of the lookup and all attempts together.

     EINVAL     name is NULL or empty, port is not 1..65535
     EADDRNOTAVAIL  the name has no address
     EHOSTUNREACH   no name server gave an answer
     ETIMEDOUT
     ECONNREFUSED and others of tcp_connect()  of the attempt that failed last, after all did */
int dill_happyeyeballs_connect(const char* name, int port, int64_t deadline);

/* Ends the outbound direction, after everything that was sent: the peer reads the end of the
   stream. Receiving goes on.

   Returns 0, or -1 with errno:
     EPIPE      it was done already
     ETIMEDOUT, ECANCELED  it has not happened; call again
     ECONNRESET the connection failed
     EBUSY      another coroutine is sending
     EBADF, ENOTSUP  not a handle (any more), not a TCP connection */
int dill_tcp_done(int s, int64_t deadline);

/* The orderly end of a connection: tcp_done() unless that has happened, then drops what still comes
   until the peer ends its direction too, then closes. A listener is closed at once.

   The handle is dead afterwards, also when the call fails, but for the errors that say otherwise.
   Returns 0, or -1 with errno:
     ETIMEDOUT, ECANCELED  the peer's end was not seen; closed
     ECONNRESET the connection failed, now or before; closed
     EBADF      not a handle, or closed by another coroutine meanwhile
     EBUSY      a call is in progress on it; still open
     ENOTSUP    neither a TCP connection nor a TCP listener; still open */
int dill_tcp_close(int s, int64_t deadline);

/* Makes a handle of a descriptor of a listening, or connected, TCP socket. The descriptor belongs
   to the handle then, and is made non-blocking and close-on-exec; after a failure it is the
   caller's as before.

     EBADF      not a descriptor
     ENOTSUP    not a TCP socket
     EINVAL     listening where a connection is meant, or the other way round
     EACCES, EPERM  we may not look at it, or not change it */
int dill_tcp_listener_fromfd(int fd);
int dill_tcp_listener_fromfd_mem(int fd, struct dill_tcp_listener_storage* mem);
int dill_tcp_fromfd(int fd);
int dill_tcp_fromfd_mem(int fd, struct dill_tcp_storage* mem);

/* ---- Unix sockets ---------------------------------------------------------------------------- */

DILL_STORAGE(dill_ipc_listener_storage, 512);
DILL_STORAGE(dill_ipc_storage, 1024);
DILL_STORAGE(dill_ipc_pair_storage, 2048);

/* Calls that make handles: errors as said at the head of the TCP section. Passing descriptors:
   ipc_descriptors.h. */

/* Listens on the path `addr` (1 to 107 bytes), which must not exist yet. Nobody removes it. Or, if
   `addr` begins with '@', on the abstract name behind that (1 to 107 bytes), which has no file and
   is free again when the listener is closed; for a file of such a name write "./@NAME".

     ENAMETOOLONG
     EADDRINUSE, EACCES, EPERM, ENOENT, ENOTDIR, ELOOP, EROFS, ENOSPC  as bind(2) says
     EINVAL     backlog is 0 or less */
int dill_ipc_listen(const char* addr, int backlog);
int dill_ipc_listen_mem(const char* addr, int backlog, struct dill_ipc_listener_storage* mem);

/* As tcp_accept(). */
int dill_ipc_accept(int s, int64_t deadline);
int dill_ipc_accept_mem(int s, struct dill_ipc_storage* mem, int64_t deadline);

/* Connects to the path or abstract name `addr`; waits while the listener's backlog is full.

     ENAMETOOLONG, ETIMEDOUT
     ECONNREFUSED, ENOENT, ENOTDIR, ELOOP, EACCES, EPERM, EPROTOTYPE  as connect(2) says */
int dill_ipc_connect(const char* addr, int64_t deadline);
int dill_ipc_connect_mem(const char* addr, struct dill_ipc_storage* mem, int64_t deadline);

/* Two connected Unix sockets: s[0] and s[1]. Returns 0, or -1 with errno as one that connects;
   EINVAL: s is NULL. */
int dill_ipc_pair(int s[2]);
int dill_ipc_pair_mem(struct dill_ipc_pair_storage* mem, int s[2]);

/* As tcp_done() and tcp_close(), for Unix sockets. */
int dill_ipc_done(int s, int64_t deadline);
int dill_ipc_close(int s, int64_t deadline);

/* As the tcp_*fromfd() calls, for Unix stream sockets. */
int dill_ipc_listener_fromfd(int fd);
int dill_ipc_listener_fromfd_mem(int fd, struct dill_ipc_listener_storage* mem);
int dill_ipc_fromfd(int fd);
int dill_ipc_fromfd_mem(int fd, struct dill_ipc_storage* mem);

#ifdef __cplusplus

/* What the macros below make of a call: dill_go_fn(), dill_bundle_go_fn() (in_bundle) or one of their
   "_mem" forms (on_stack), with a name for messages, which is static text. Not to be called. */
struct dill_go_call {
  void (*function)(void*);
  void* argument;
  const char* name;
  bool in_bundle;
  bool on_stack;
  int h;
  void* stack;
  size_t size;
};
int dill_go_named(const struct dill_go_call* call);

} /* extern "C" */

namespace halfpipe {
namespace sockets_internal {

/* The call is copied to the new stack before anything else runs, with its references. */
template <typename Call>
void RunCall(void* from) {
  Call call(*static_cast<Call*>(from));
  call();
}
template <typename Call>
int Go(Call call, const char* name) {
  const dill_go_call go = {&RunCall<Call>, &call, name, false, false, 0, nullptr, 0};
  return dill_go_named(&go);
}
template <typename Call>
int GoMem(Call call, const char* name, void* stack, size_t size) {
  const dill_go_call go = {&RunCall<Call>, &call, name, false, true, 0, stack, size};
  return dill_go_named(&go);
}
template <typename Call>
int BundleGo(int h, Call call, const char* name) {
  const dill_go_call go = {&RunCall<Call>, &call, name, true, false, h, nullptr, 0};
  return dill_go_named(&go);
}
template <typename Call>
int BundleGoMem(int h, Call call, const char* name, void* stack, size_t size) {
  const dill_go_call go = {&RunCall<Call>, &call, name, true, true, h, stack, size};
  return dill_go_named(&go);
}

} /* namespace sockets_internal */
} /* namespace halfpipe */

/* dill_go(worker(a, b)) runs the call in a new coroutine; see dill_go_fn() for what it returns. The
   arguments of the call are evaluated on the new stack, and must not wait: accept first, then go.
   The bundle, stack and size are evaluated by the caller. In the "_mem" forms a comma of a template
   needs parentheses round it. The text of the call names the coroutine should its stack overflow. */
#define dill_go(...) (::halfpipe::sockets_internal::Go([&] { __VA_ARGS__; }, #__VA_ARGS__))
#define dill_go_mem(call, stack, size) \
  (::halfpipe::sockets_internal::GoMem([&] { call; }, #call, (stack), (size)))
#define dill_bundle_go(h, ...) \
  (::halfpipe::sockets_internal::BundleGo((h), [&] { __VA_ARGS__; }, #__VA_ARGS__))
#define dill_bundle_go_mem(h, call, stack, size) \
  (::halfpipe::sockets_internal::BundleGoMem((h), [&] { call; }, #call, (stack), (size)))
#endif /* __cplusplus */

/* ---- Raw names ------------------------------------------------------------------------------- */

#ifndef DILL_DISABLE_RAW_NAMES

/* Functions are declarations with the linkage name as label: a macro called now would break
   <chrono>. */
#ifdef __cplusplus
extern "C" {
#endif

int64_t now(void) __asm__("dill_now");
int msleep(int64_t deadline) __asm__("dill_msleep");
int fdin(int fd, int64_t deadline) __asm__("dill_fdin");
int fdout(int fd, int64_t deadline) __asm__("dill_fdout");
int fdclean(int fd) __asm__("dill_fdclean");
int bundle(void) __asm__("dill_bundle");
int bundle_mem(struct dill_bundle_storage* mem) __asm__("dill_bundle_mem");
int bundle_wait(int h, int64_t deadline) __asm__("dill_bundle_wait");
int yield(void) __asm__("dill_yield");
int go_fn(void (*function)(void*), void* argument) __asm__("dill_go_fn");
int go_mem_fn(void (*function)(void*), void* argument, void* stack,
              size_t size) __asm__("dill_go_mem_fn");
int bundle_go_fn(int h, void (*function)(void*), void* argument) __asm__("dill_bundle_go_fn");
int bundle_go_mem_fn(int h, void (*function)(void*), void* argument, void* stack,
                     size_t size) __asm__("dill_bundle_go_mem_fn");
int hclose(int h) __asm__("dill_hclose");
int hown(int h) __asm__("dill_hown");
int bsend(int s, const void* buf, size_t len, int64_t deadline) __asm__("dill_bsend");
int brecv(int s, void* buf, size_t len, int64_t deadline) __asm__("dill_brecv");
int bsendl(int s, struct dill_iolist* first, struct dill_iolist* last,
           int64_t deadline) __asm__("dill_bsendl");
int brecvl(int s, struct dill_iolist* first, struct dill_iolist* last,
           int64_t deadline) __asm__("dill_brecvl");
int ipaddr_local(struct dill_ipaddr* addr, const char* name, int port,
                 int mode) __asm__("dill_ipaddr_local");
int ipaddr_remote(struct dill_ipaddr* addr, const char* name, int port, int mode,
                  int64_t deadline) __asm__("dill_ipaddr_remote");
int ipaddr_remotes(struct dill_ipaddr* addrs, int naddrs, const char* name, int port, int mode,
                   int64_t deadline) __asm__("dill_ipaddr_remotes");
const char* ipaddr_str(const struct dill_ipaddr* addr, char* ipstr) __asm__("dill_ipaddr_str");
int ipaddr_family(const struct dill_ipaddr* addr) __asm__("dill_ipaddr_family");
const struct sockaddr* ipaddr_sockaddr(const struct dill_ipaddr* addr) __asm__(
    "dill_ipaddr_sockaddr");
int ipaddr_len(const struct dill_ipaddr* addr) __asm__("dill_ipaddr_len");
int ipaddr_port(const struct dill_ipaddr* addr) __asm__("dill_ipaddr_port");
void ipaddr_setport(struct dill_ipaddr* addr, int port) __asm__("dill_ipaddr_setport");
int ipaddr_equal(const struct dill_ipaddr* addr1, const struct dill_ipaddr* addr2,
                 int ignore_port) __asm__("dill_ipaddr_equal");
int tcp_listen(struct dill_ipaddr* addr, int backlog) __asm__("dill_tcp_listen");
int tcp_listen_mem(struct dill_ipaddr* addr, int backlog,
                   struct dill_tcp_listener_storage* mem) __asm__("dill_tcp_listen_mem");
int tcp_accept(int s, struct dill_ipaddr* addr, int64_t deadline) __asm__("dill_tcp_accept");
int tcp_accept_mem(int s, struct dill_ipaddr* addr, struct dill_tcp_storage* mem,
                   int64_t deadline) __asm__("dill_tcp_accept_mem");
int tcp_connect(const struct dill_ipaddr* addr, int64_t deadline) __asm__("dill_tcp_connect");
int tcp_connect_mem(const struct dill_ipaddr* addr, struct dill_tcp_storage* mem,
                    int64_t deadline) __asm__("dill_tcp_connect_mem");
int happyeyeballs_connect(const char* name, int port,
                          int64_t deadline) __asm__("dill_happyeyeballs_connect");
int tcp_done(int s, int64_t deadline) __asm__("dill_tcp_done");
int tcp_close(int s, int64_t deadline) __asm__("dill_tcp_close");
int tcp_listener_fromfd(int fd) __asm__("dill_tcp_listener_fromfd");
int tcp_listener_fromfd_mem(int fd, struct dill_tcp_listener_storage* mem) __asm__(
    "dill_tcp_listener_fromfd_mem");
int tcp_fromfd(int fd) __asm__("dill_tcp_fromfd");
int tcp_fromfd_mem(int fd, struct dill_tcp_storage* mem) __asm__("dill_tcp_fromfd_mem");
int ipc_listen(const char* addr, int backlog) __asm__("dill_ipc_listen");
int ipc_listen_mem(const char* addr, int backlog,
                   struct dill_ipc_listener_storage* mem) __asm__("dill_ipc_listen_mem");
int ipc_accept(int s, int64_t deadline) __asm__("dill_ipc_accept");
int ipc_accept_mem(int s, struct dill_ipc_storage* mem,
                   int64_t deadline) __asm__("dill_ipc_accept_mem");
int ipc_connect(const char* addr, int64_t deadline) __asm__("dill_ipc_connect");
int ipc_connect_mem(const char* addr, struct dill_ipc_storage* mem,
                    int64_t deadline) __asm__("dill_ipc_connect_mem");
int ipc_pair(int s[2]) __asm__("dill_ipc_pair");
int ipc_pair_mem(struct dill_ipc_pair_storage* mem, int s[2]) __asm__("dill_ipc_pair_mem");
int ipc_done(int s, int64_t deadline) __asm__("dill_ipc_done");
int ipc_close(int s, int64_t deadline) __asm__("dill_ipc_close");
int ipc_listener_fromfd(int fd) __asm__("dill_ipc_listener_fromfd");
int ipc_listener_fromfd_mem(int fd, struct dill_ipc_listener_storage* mem) __asm__(
    "dill_ipc_listener_fromfd_mem");
int ipc_fromfd(int fd) __asm__("dill_ipc_fromfd");
int ipc_fromfd_mem(int fd, struct dill_ipc_storage* mem) __asm__("dill_ipc_fromfd_mem");

#ifdef __cplusplus
} /* extern "C" */
#endif

#define bundle_storage dill_bundle_storage
#define ipaddr dill_ipaddr
#define tcp_listener_storage dill_tcp_listener_storage
#define tcp_storage dill_tcp_storage
#define ipc_listener_storage dill_ipc_listener_storage
#define ipc_storage dill_ipc_storage
#define ipc_pair_storage dill_ipc_pair_storage

#define IPADDR_IPV4 DILL_IPADDR_IPV4
#define IPADDR_IPV6 DILL_IPADDR_IPV6
#define IPADDR_PREF_IPV4 DILL_IPADDR_PREF_IPV4
#define IPADDR_PREF_IPV6 DILL_IPADDR_PREF_IPV6
#define IPADDR_MAXSTRLEN DILL_IPADDR_MAXSTRLEN

#define coroutine dill_coroutine
#ifdef __cplusplus
#define go(...) dill_go(__VA_ARGS__)
#define go_mem(call, stack, size) dill_go_mem(call, stack, size)
#define bundle_go(h, ...) dill_bundle_go(h, __VA_ARGS__)
#define bundle_go_mem(h, call, stack, size) dill_bundle_go_mem(h, call, stack, size)
#endif

#endif /* DILL_DISABLE_RAW_NAMES */

#endif /* HALFPIPE_BYTESTREAM_SOCKETS_H_ */
