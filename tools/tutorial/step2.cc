// Step 2: greets any number of clients at once, and sends their lines back.

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "bytestream/framing/suffix.h"
#include "bytestream/msocket.h"
#include "bytestream/sockets.h"

void Say(int s, const char* text) { msend(s, text, strlen(text), -1); }

coroutine void Talk(int s) {
  s = suffix_attach(s, "\r\n", 2);
  if (s < 0) return;
  Say(s, "Hello! What you say comes back.");
  for (;;) {
    char line[256];
    ssize_t size = mrecv(s, line, sizeof(line), -1);
    if (size < 0) break;
    if (msend(s, line, size, -1) != 0) break;
  }
  s = suffix_detach(s, -1);
  if (s >= 0) tcp_close(s, -1);
}

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

  int clients = bundle();
  for (;;) {
    int s = tcp_accept(listener, NULL, -1);
    if (s < 0) break;
    if (bundle_go(clients, Talk(s)) != 0) hclose(s);
  }
  perror("accepting");
  hclose(clients);
  hclose(listener);
  return 1;
}
