/* The header as a C11 program sees it. */

#include <errno.h>
#include <stdio.h>

#include "bytestream/sockets.h"
#include "bytestream/tls/tls.h"

#define CHECK(condition)                                                                     \
  do {                                                                                       \
    if (!(condition)) {                                                                      \
      fprintf(stderr, "%s:%d: %s does not hold, errno %d\n", __FILE__, __LINE__, #condition, \
              errno);                                                                        \
      return 1;                                                                              \
    }                                                                                        \
  } while (0)

_Static_assert(_Alignof(struct tls_storage) == 16, "aligned storage");

int main(void) {
  struct tls_storage storage;
  int s[2];
  CHECK(ipc_pair(s) == 0);
  CHECK(tls_attach_client_mem(s[0], &storage, 0) == -1 && errno == EACCES);
  CHECK(tls_attach_server_mem(s[1], "/", NULL, &storage, 0) == -1 && errno == EINVAL);
  CHECK(ipc_pair(s) == 0);
  CHECK(tls_attach_client_host_mem(s[0], "localhost", &storage, 0) == -1 && errno == ETIMEDOUT);
  CHECK(tls_attach_client(s[1], 0) == -1 && errno == EACCES);
  CHECK(tls_attach_client_host(-1, "localhost", 0) == -1 && errno == EBADF);
  CHECK(tls_attach_server(-1, "/", "/", 0) == -1 && errno == EBADF);
  CHECK(tls_done(-1, 0) == -1 && errno == EBADF);
  CHECK(tls_detach(-1, 0) == -1 && errno == EBADF);
  CHECK(tls_trust_file(NULL) == 0);
  return 0;
}
