/* Gather/scatter lists of the C calls. C11 and C++. */
#ifndef HALFPIPE_BYTESTREAM_IOLIST_H_
#define HALFPIPE_BYTESTREAM_IOLIST_H_

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One piece of a list of buffers. The caller owns list and buffers; both are borrowed until the
   call returns.

   iol_base   iol_len bytes to send or to fill. In a receiving list NULL skips that many bytes of
              input; in a sending list it may be NULL only if iol_len is 0.
   iol_next   the next piece; NULL in the last one.
   iol_rsvd   for the library; 0 before and after each call.

   Example: struct iolist body = {text, size, NULL, 0}, head = {h, 4, &body, 0};
            bsendl(s, &head, &body, -1); */
struct dill_iolist {
  void* iol_base;
  size_t iol_len;
  struct dill_iolist* iol_next;
  int iol_rsvd;
};

#ifndef DILL_DISABLE_RAW_NAMES
#define iolist dill_iolist
#endif

#ifdef __cplusplus
}
#endif

#endif /* HALFPIPE_BYTESTREAM_IOLIST_H_ */
