/* The drop-in face: every C call of this library under the one header that programs for libdill
 * include. */
#ifndef HALFPIPE_WEBSOCKET_LIBDILL_H_
#define HALFPIPE_WEBSOCKET_LIBDILL_H_

/* libdill.h brings these along, and programs rely on it. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "bytestream/channels.h"
#include "bytestream/framing/prefix.h"
#include "bytestream/framing/suffix.h"
#include "bytestream/framing/term.h"
#include "bytestream/ipc_descriptors.h"
#include "bytestream/msocket.h"
#include "bytestream/sockets.h"
#include "bytestream/socks5.h"
#include "bytestream/tls/tls.h"
#include "bytestream/udp.h"
#include "http/http.h"
#include "websocket/ws.h"

#endif /* HALFPIPE_WEBSOCKET_LIBDILL_H_ */
