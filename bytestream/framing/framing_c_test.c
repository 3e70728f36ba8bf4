/* The headers as a C11 program sees them. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bytestream/framing/prefix.h"
#include "bytestream/framing/suffix.h"
#include "bytestream/framing/term.h"
#include "bytestream/msocket.h"
#include "bytestream/sockets.h"

#define CHECK(condition)                                                                     \
  do {                                                                                       \
    if (!(condition)) {                                                                      \
      fprintf(stderr, "%s:%d: %s does not hold, errno %d\n", __FILE__, __LINE__, #condition, \
              errno);                                                                        \
      return 1;                                                                              \
    }                                                                                        \
  } while (0)

_Static_assert(PREFIX_BIG_ENDIAN == 0 && PREFIX_LITTLE_ENDIAN == 1, "as programs know them");
_Static_assert(_Alignof(struct prefix_storage) == 16, "aligned storage");
_Static_assert(_Alignof(struct suffix_storage) == 16, "aligned storage");
_Static_assert(_Alignof(struct term_storage) == 16, "aligned storage");

int main(void) {
  struct prefix_storage prefixes[2];
  struct suffix_storage suffix;
  struct term_storage term;
  int s[2];
  CHECK(ipc_pair(s) == 0);
  int a = prefix_attach_mem(s[0], 2, PREFIX_BIG_ENDIAN, &prefixes[0]);
  int b = prefix_attach_mem(s[1], 2, PREFIX_BIG_ENDIAN, &prefixes[1]);
  CHECK(a > 0 && b > 0);
  CHECK(msend(a, "abc", 3, -1) == 0);
  char buffer[8];
  CHECK(mrecv(b, buffer, sizeof(buffer), -1) == 3);
  CHECK(memcmp(buffer, "abc", 3) == 0);
  a = prefix_detach(a);
  b = prefix_detach(b);
  CHECK(a > 0 && b > 0);

  a = term_attach_mem(suffix_attach_mem(a, "\n", 1, &suffix), "end", 3, &term);
  b = suffix_attach(b, "\n", 1);
  CHECK(a > 0 && b > 0);
  CHECK(msend(b, "end", 3, -1) == 0);
  CHECK(term_done(a, -1) == 0);
  CHECK(mrecv(a, buffer, sizeof(buffer), -1) == -1 && errno == EPIPE);
  a = term_detach(a, -1);
  CHECK(a > 0);
  CHECK(mrecv(b, buffer, sizeof(buffer), -1) == 3);
  a = suffix_detach(a, -1);
  CHECK(a > 0);
  CHECK(ipc_done(a, -1) == 0);
  CHECK(hclose(a) == 0);
  CHECK(dill_hclose(b) == 0);
  a = term_attach(-1, "x", 1);
  CHECK(a == -1 && errno == EBADF);
  return 0;
}
