/* Protocols of the user's own, in the shape of libdill's header of this name: an object gets a
   handle, and what it can do it tells by tables of functions. C11 and C++.

   A protocol that gives a bsock_vfs is a bytestream, one that gives an msock_vfs a message socket:
   bsend() and its kin, msend() and its kin work on it, and the protocols of this library
   (ws_attach_*, http_attach, prefix_attach, suffix_attach; term_attach) stack on top of it. The
   other way round, hquery() gives such tables for the sockets of this library.

   struct upper {
     struct hvfs hvfs;
     struct bsock_vfs bvfs;
     int lower;
   };
   static void* upper_query(struct hvfs* vfs, const void* type) {
     struct upper* self = (struct upper*)vfs;
     return type == bsock_type ? &self->bvfs : type == upper_type ? self : NULL;
   }

   What a protocol of the user's promises when others stack on it:
   - Its functions keep the rules of bsendl() and brecvl() (msendl(), mrecvl()): ETIMEDOUT and
     ECANCELED mean that nothing was sent, or that no byte (message) was lost. What they return
     is believed.
   - Before EPIPE, what came ahead of the end can still be received, by a shorter call.
   - At most one coroutine is inside its sending function, and one inside its receiving one: others
     get EBUSY before it is called. Functions that it calls directly are its own affair.

   What is on top of it never reads ahead: it asks for the bytes that its protocol must have, and
   no more, so that after ws_detach(), http_detach() and so on the next byte is where it belongs.
   It is also slower for that: heads of HTTP are read byte by byte.

   There is no done in a bsock_vfs, so that nothing on top can end the outbound direction alone; a
   WebSocket says its Close and is content. When time runs out in the middle of a message on top,
   the rest is copied and a coroutine of the library's sends it (the tail): it calls bsendl() with
   deadline -1, and is cancelled when the object is closed. */
#ifndef HALFPIPE_BYTESTREAM_LIBDILLIMPL_H_
#define HALFPIPE_BYTESTREAM_LIBDILLIMPL_H_

#include "bytestream/socket_vfs.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The types of the tables for bytestreams and message sockets. */
extern const void* dill_bsock_type;
extern const void* dill_msock_type;

/* Makes a handle of an object, which stays where it is and belongs to the handle from now on.

   hclose(), a failed attach on top of it, and the end of what is on top each call vfs->close()
   once. Within it calls that would wait, and those that make handles, give ECANCELED; hclose()
   works. It runs at once, also while other coroutines are inside functions of the object: what they
   use must then outlive them (count the calls, and let the last one out free it). Only a tail's
   coroutine is waited for. It does not run when the thread ends with the handle still open.

   Returns the handle, or -1 with errno, and the object is the caller's:
     ECANCELED  the coroutine is being closed, or a close function runs
     EINVAL     vfs, or one of its functions, is NULL
     EMFILE     a million handles are open
     ENOMEM */
int dill_hmake(struct dill_hvfs* vfs);

/* Asks the object behind `h` for its interface of `type`. What it points to is good for as long as
   the handle lives, also under another number (hown).

   bsock_type on a bytestream of this library (TCP, Unix sockets, ...) gives a struct bsock_vfs*,
   msock_type on a message socket of it (WebSocket, prefix, suffix, term, ...) a struct msock_vfs*;
   their functions work as bsendl(), brecvl(), msendl() and mrecvl() do on the handle.

   Returns NULL with errno:
     EBADF      not a handle
     ENOTSUP    it has no such interface */
void* dill_hquery(int h, const void* type);

#ifndef DILL_DISABLE_RAW_NAMES
#define hvfs dill_hvfs
#define bsock_vfs dill_bsock_vfs
#define msock_vfs dill_msock_vfs
#define bsock_type dill_bsock_type
#define msock_type dill_msock_type

int hmake(struct dill_hvfs* vfs) __asm__("dill_hmake");
void* hquery(int h, const void* type) __asm__("dill_hquery");
#endif

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* HALFPIPE_BYTESTREAM_LIBDILLIMPL_H_ */
