#ifndef HALFPIPE_BYTESTREAM_SOCKET_FACES_H_
#define HALFPIPE_BYTESTREAM_SOCKET_FACES_H_

#include "bytestream/handle/handle_type.h"
#include "bytestream/socket_vfs.h"

namespace halfpipe {

// An object of ours as the C table that a protocol of the user's expects of the layer below it:
// null if it is no bytestream, or no message socket. The table is in the object and lives as long;
// its functions do what bsendl() and so on do.
dill_bsock_vfs* BsockFace(HandleObject* object);
dill_msock_vfs* MsockFace(HandleObject* object);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_SOCKET_FACES_H_
