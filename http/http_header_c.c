/* A user of the raw names in C. Each call fails by the errno of a handle that is none, so it has
   arrived at the library. */
#include <errno.h>

#include "http/http.h"

int HalfpipeHttpRawNamesInC(void);

static int Failed(int result) { return result == -1 && errno == EBADF; }

int HalfpipeHttpRawNamesInC(void) {
  struct http_storage storage;
  char text[4];
  return sizeof(storage) == sizeof(struct dill_http_storage) && Failed(http_attach(0)) &&
         Failed(http_attach_mem(0, &storage)) && Failed(http_done(0, -1)) &&
         Failed(http_detach(0, -1)) && Failed(http_sendrequest(0, "GET", "/", -1)) &&
         Failed(http_recvrequest(0, text, 4, text, 4, -1)) &&
         Failed(http_sendstatus(0, 200, "OK", -1)) && Failed(http_recvstatus(0, text, 4, -1)) &&
         Failed(http_sendfield(0, "A", "1", -1)) &&
         Failed(http_recvfield(0, text, 4, text, 4, -1)) && Failed(dill_http_attach(0));
}
