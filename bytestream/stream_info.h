/* What the C calls tell about a connection: its ends, its descriptor, its counters and options. C11
   and C++. Rules for every call: see sockets.h. These are ours, not libdill's, so they are not among
   the names that libdill.h brings in. */
#ifndef HALFPIPE_BYTESTREAM_STREAM_INFO_H_
#define HALFPIPE_BYTESTREAM_STREAM_INFO_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct dill_ipaddr; /* sockets.h */

/* The handle of any connection: TCP, Unix, UDP; a protocol attached to one, such as HTTP or
   WebSocket, is asked for what is below it. Also a listener. None of these calls ever waits, and
   other coroutines may be in calls on the same handle. */

/* What does not apply, or is not known, is -1 in the signed fields and 0 in the others. */
struct dill_stream_info {
  /* The system's descriptor, which stays the handle's. */
  int fd;
  /* Options: 0 or 1. */
  int no_delay;
  int keep_alive;
  /* Sizes of the system's buffers, as it counts them. */
  int send_buffer_bytes;
  int receive_buffer_bytes;
  /* TCP's estimate of its round trip, and how much that varies, in microseconds. */
  int64_t round_trip_us;
  int64_t round_trip_variation_us;
  /* Bytes that the layer below has given and taken since the beginning. */
  uint64_t bytes_received;
  uint64_t bytes_sent;
  /* Of the received ones, those that nobody has consumed. */
  uint64_t buffered_bytes;
  /* Bytes that were accepted by a send and have not left. */
  uint64_t tail_bytes;
};

/* Fills *info.

   Returns 0, or -1 with errno:
     EINVAL     info is NULL
     EBADF, ENOTSUP  not a handle, nothing that is a connection or a listener */
int dill_stream_query(int s, struct dill_stream_info* info);

/* Sets *addr to the address of our end, or of the peer's.

   Returns 0, or -1 with errno:
     EINVAL     addr is NULL
     ENOTCONN   (stream_remote) an IP socket without a peer: a listener, or a connection that the
                peer has reset
     EBADF      not a handle
     ENOTSUP    not a connection or listener, not one over IP, or one without a descriptor, see
                stream_fd() */
int dill_stream_local(int s, struct dill_ipaddr* addr);
int dill_stream_remote(int s, struct dill_ipaddr* addr);

/* The system's descriptor of the connection, which stays the handle's: for options and for looking,
   not for reading, writing or closing.

   Returns it, or -1 with errno:
     EBADF      not a handle
     ENOTSUP    not a connection or listener, or one without a descriptor: in memory, or it has
                failed */
int dill_stream_fd(int s);

#ifndef DILL_DISABLE_RAW_NAMES
int stream_query(int s, struct dill_stream_info* info) __asm__("dill_stream_query");
int stream_local(int s, struct dill_ipaddr* addr) __asm__("dill_stream_local");
int stream_remote(int s, struct dill_ipaddr* addr) __asm__("dill_stream_remote");
int stream_fd(int s) __asm__("dill_stream_fd");
#define stream_info dill_stream_info
#endif

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* HALFPIPE_BYTESTREAM_STREAM_INFO_H_ */
