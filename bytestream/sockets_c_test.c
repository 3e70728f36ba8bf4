/* The header and the raw names as a C11 program sees them. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bytestream/sockets.h"

#define CHECK(condition)                                                                     \
  do {                                                                                       \
    if (!(condition)) {                                                                      \
      fprintf(stderr, "%s:%d: %s does not hold, errno %d\n", __FILE__, __LINE__, #condition, \
              errno);                                                                        \
      return 1;                                                                              \
    }                                                                                        \
  } while (0)

_Static_assert(sizeof(struct ipaddr) == 32, "as programs know it");
_Static_assert(_Alignof(struct tcp_storage) == 16, "aligned storage");
_Static_assert(_Alignof(struct bundle_storage) == 16, "aligned storage");

struct echo {
  int s;
  int result;
};

static coroutine void echo_once(void* argument) {
  struct echo* echo = argument;
  char buffer[5];
  echo->result = -1;
  if (brecv(echo->s, buffer, sizeof(buffer), -1) != 0) return;
  if (bsend(echo->s, buffer, sizeof(buffer), -1) != 0) return;
  echo->result = 0;
}

int main(void) {
  struct tcp_listener_storage listener_storage;
  struct tcp_storage storage;
  struct ipaddr addr;
  CHECK(ipaddr_local(&addr, "127.0.0.1", 0, IPADDR_IPV4) == 0);
  int listener = tcp_listen_mem(&addr, 10, &listener_storage);
  CHECK(listener > 0);
  int client = tcp_connect_mem(&addr, &storage, now() + 60000);
  CHECK(client > 0);
  struct echo echo = {tcp_accept(listener, NULL, -1), -1};
  CHECK(echo.s > 0);
  int b = go_fn(echo_once, &echo);
  CHECK(b > 0);

  struct iolist second = {(void*)"llo", 3, NULL, 0};
  struct iolist first = {(void*)"he", 2, &second, 0};
  CHECK(bsendl(client, &first, &second, -1) == 0);
  char buffer[5];
  CHECK(brecv(client, buffer, sizeof(buffer), -1) == 0);
  CHECK(memcmp(buffer, "hello", 5) == 0);
  CHECK(bundle_wait(b, -1) == 0);
  CHECK(echo.result == 0);

  errno = 0;
  CHECK(bsend(b, "x", 1, -1) == -1 && errno == ENOTSUP);
  CHECK(dill_hclose(b) == 0);
  CHECK(tcp_done(client, -1) == 0);
  CHECK(tcp_done(echo.s, -1) == 0);
  CHECK(tcp_close(client, -1) == 0);
  CHECK(tcp_close(echo.s, -1) == 0);
  CHECK(hclose(listener) == 0);
  CHECK(yield() == 0);
  CHECK(msleep(0) == 0);
  return 0;
}
