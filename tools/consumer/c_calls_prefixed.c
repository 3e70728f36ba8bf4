/* The same calls where the short names are somebody else's. */
#define DILL_DISABLE_RAW_NAMES
#include <libdill.h>
#include <stdio.h>
#include <string.h>

static int now = 1, bundle = 2, choose = 3, yield = 4, msleep = 5, ipaddr = 6, iolist = 7;

#define CHECK(condition)                                                                \
  do {                                                                                  \
    if (!(condition)) {                                                                 \
      fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
      return 1;                                                                         \
    }                                                                                   \
  } while (0)

int main(void) {
  CHECK(now + bundle + choose + yield + msleep + ipaddr + iolist == 28);
  int s[2];
  CHECK(dill_ipc_pair(s) == 0);
  s[0] = dill_ws_attach_client(s[0], DILL_WS_NOHTTP | DILL_WS_BINARY, NULL, NULL, -1);
  CHECK(s[0] >= 0);
  s[1] = dill_ws_attach_server(s[1], DILL_WS_NOHTTP | DILL_WS_BINARY, NULL, 0, NULL, 0, -1);
  CHECK(s[1] >= 0);
  CHECK(dill_msend(s[0], "abc", 3, dill_now() + 1000) == 0);
  char bytes[4];
  CHECK(dill_mrecv(s[1], bytes, sizeof(bytes), dill_now() + 1000) == 3);
  CHECK(memcmp(bytes, "abc", 3) == 0);
  CHECK(dill_hclose(s[0]) == 0);
  CHECK(dill_hclose(s[1]) == 0);
  return 0;
}
