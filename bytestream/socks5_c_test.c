/* The header as a C11 program sees it. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bytestream/sockets.h"
#include "bytestream/socks5.h"

#define CHECK(condition)                                                                     \
  do {                                                                                       \
    if (!(condition)) {                                                                      \
      fprintf(stderr, "%s:%d: %s does not hold, errno %d\n", __FILE__, __LINE__, #condition, \
              errno);                                                                        \
      return 1;                                                                              \
    }                                                                                        \
  } while (0)

_Static_assert(SOCKS5_CONNECT == 1 && SOCKS5_BIND == 2 && SOCKS5_UDP_ASSOCIATE == 3, "RFC 1928");
_Static_assert(SOCKS5_SUCCESS == 0 && SOCKS5_GENERAL_FAILURE == 1 &&
                   SOCKS5_CONNECTION_NOT_ALLOWED == 2 && SOCKS5_NETWORK_UNREACHABLE == 3 &&
                   SOCKS5_HOST_UNREACHABLE == 4 && SOCKS5_CONNECTION_REFUSED == 5 &&
                   SOCKS5_TTL_EXPIRED == 6 && SOCKS5_COMMAND_NOT_SUPPORTED == 7 &&
                   SOCKS5_ADDRESS_TYPE_NOT_SUPPORTED == 8,
               "RFC 1928");

static int allow(const char* username, const char* password) {
  return strcmp(username, "user") == 0 && strcmp(password, "pass") == 0;
}

static void proxy(void* argument) {
  int s = *(int*)argument;
  char host[256];
  int port = 0;
  struct ipaddr bound;
  if (socks5_proxy_auth(s, allow, -1) != 0) return;
  if (socks5_proxy_recvcommandbyname(s, host, &port, -1) != SOCKS5_CONNECT) return;
  if (strcmp(host, "a.example") != 0 || port != 80) return;
  if (ipaddr_remote(&bound, "127.0.0.1", 1, IPADDR_IPV4, -1) != 0) return;
  socks5_proxy_sendreply(s, SOCKS5_SUCCESS, &bound, -1);
}

int main(void) {
  int s[2];
  CHECK(ipc_pair(s) == 0);
  int h = dill_go_fn(proxy, &s[1]);
  CHECK(h > 0);
  CHECK(socks5_client_connectbyname(s[0], "user", "pass", "a.example", 80, -1) == 0);
  CHECK(bsend(s[0], "x", 1, -1) == 0);
  char byte = 0;
  CHECK(brecv(s[1], &byte, 1, -1) == 0 && byte == 'x');
  CHECK(hclose(h) == 0);
  CHECK(hclose(s[0]) == 0);
  CHECK(hclose(s[1]) == 0);
  CHECK(dill_socks5_client_connect(-1, NULL, NULL, NULL, -1) == -1 && errno == EBADF);
  return 0;
}
