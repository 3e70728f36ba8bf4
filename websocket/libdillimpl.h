/* The drop-in face of libdill's header for protocols of one's own: everything of libdill.h, and the
   extension interface. */
#ifndef HALFPIPE_WEBSOCKET_LIBDILLIMPL_H_
#define HALFPIPE_WEBSOCKET_LIBDILLIMPL_H_

#include "bytestream/libdillimpl.h"
#include "websocket/libdill.h"

#endif /* HALFPIPE_WEBSOCKET_LIBDILLIMPL_H_ */
