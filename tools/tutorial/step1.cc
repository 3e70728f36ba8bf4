// Step 1: greets one client.

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "bytestream/sockets.h"

int main(int argc, char** argv) {
  struct ipaddr addr;
  if (ipaddr_local(&addr, "127.0.0.1", argc > 1 ? atoi(argv[1]) : 5555, 0) != 0) {
    perror("the address");
    return 1;
  }
  int listener = tcp_listen(&addr, 10);
  if (listener < 0) {
    perror("listening");
    return 1;
  }
  printf("listening on port %d\n", ipaddr_port(&addr));
  fflush(stdout);

  int s = tcp_accept(listener, NULL, -1);
  if (s < 0) {
    perror("accepting");
    return 1;
  }
  const char greeting[] = "Hello!\r\n";
  bsend(s, greeting, strlen(greeting), -1);
  tcp_close(s, -1);
  hclose(listener);
  return 0;
}
