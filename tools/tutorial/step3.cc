// Step 3: clients that fall silent, or do not read, are not waited for.

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "bytestream/framing/suffix.h"
#include "bytestream/msocket.h"
#include "bytestream/sockets.h"

int Say(int s, const char* text, int64_t deadline) {
  return msend(s, text, strlen(text), deadline);
}

coroutine void Talk(int s, int64_t patience_ms) {
  s = suffix_attach(s, "\r\n", 2);
  if (s < 0) return;
  int rc = Say(s, "Hello! What you say comes back.", now() + patience_ms);
  while (rc == 0) {
    char line[256];
    ssize_t size = mrecv(s, line, sizeof(line), now() + patience_ms);
    if (size >= 0) {
      rc = msend(s, line, size, now() + patience_ms);
    } else if (errno == EMSGSIZE) {
      rc = Say(s, "That was too long.", now() + patience_ms);
    } else {
      if (errno == ETIMEDOUT) Say(s, "You are silent. Goodbye!", now() + patience_ms);
      rc = -1;
    }
  }
  s = suffix_detach(s, now() + patience_ms);
  if (s >= 0) tcp_close(s, now() + patience_ms);
}

int main(int argc, char** argv) {
  struct ipaddr addr;
  if (ipaddr_local(&addr, "127.0.0.1", argc > 1 ? atoi(argv[1]) : 5555, 0) != 0) {
    perror("the address");
    return 1;
  }
  const int64_t patience_ms = argc > 2 ? atoi(argv[2]) : 10000;
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
    if (bundle_go(clients, Talk(s, patience_ms)) != 0) hclose(s);
  }
  perror("accepting");
  hclose(clients);
  hclose(listener);
  return 1;
}
