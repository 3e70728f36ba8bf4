/* The tables of functions by which an object of the user's is known. C11 and C++. What they mean
   and how they are used is said in libdillimpl.h. */
#ifndef HALFPIPE_BYTESTREAM_SOCKET_VFS_H_
#define HALFPIPE_BYTESTREAM_SOCKET_VFS_H_

#include <stdint.h>
#include <sys/types.h>

#include "bytestream/iolist.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What every object behind a handle can do. Neither function may be NULL, and neither may wait.

   query   returns the object's interface of `type`, or NULL if it has none. A type is an address
           that stands for nothing but itself. The same question gets the same answer for as long as
           the handle lives.
   close   ends the object. Called once; whether it frees `vfs` is its own affair. */
struct dill_hvfs {
  void* (*query)(struct dill_hvfs* vfs, const void* type);
  void (*close)(struct dill_hvfs* vfs);
};

/* A bytestream: what query() returns for dill_bsock_type.

   bsendl   sends all of the list and returns 0, or -1 with errno and nothing sent.
   brecvl   fills the list exactly and returns 0, or -1 with errno; a NULL iol_base skips iol_len
            bytes, SIZE_MAX of them are all up to the end. EPIPE is the end of the stream.

   The list and its buffers are borrowed until return; what is to be sent may not be written to. The
   list has at least one piece, `last` is its end, and its fields may be changed during the call if
   they are put back. */
struct dill_bsock_vfs {
  int (*bsendl)(struct dill_bsock_vfs* vfs, struct dill_iolist* first, struct dill_iolist* last,
                int64_t deadline);
  int (*brecvl)(struct dill_bsock_vfs* vfs, struct dill_iolist* first, struct dill_iolist* last,
                int64_t deadline);
};

/* A message socket: what query() returns for dill_msock_type.

   msendl   sends one message made of the list and returns 0, or -1 with errno and nothing sent.
   mrecvl   receives one message into the list and returns its size, or -1 with errno. Two NULLs
            instead of a list drop one message of any size. EPIPE is the end. */
struct dill_msock_vfs {
  int (*msendl)(struct dill_msock_vfs* vfs, struct dill_iolist* first, struct dill_iolist* last,
                int64_t deadline);
  ssize_t (*mrecvl)(struct dill_msock_vfs* vfs, struct dill_iolist* first, struct dill_iolist* last,
                    int64_t deadline);
};

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* HALFPIPE_BYTESTREAM_SOCKET_VFS_H_ */
