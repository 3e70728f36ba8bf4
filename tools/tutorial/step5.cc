// Step 5: shuts down cleanly: no new clients, time for the others to finish, then the end.

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
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
    } else if (errno == ECANCELED) {
      printf("a client was cut off\n");
      hclose(s);
      return;
    } else {
      if (errno == ETIMEDOUT) Say(s, "You are silent. Goodbye!", now() + patience_ms);
      rc = -1;
    }
  }
  s = suffix_detach(s, now() + patience_ms);
  if (s >= 0) tcp_close(s, now() + patience_ms);
}

coroutine void Accept(int listener, int clients, int64_t patience_ms) {
  for (;;) {
    int s = tcp_accept(listener, NULL, -1);
    if (s < 0) break;
    if (bundle_go(clients, Talk(s, patience_ms)) != 0) hclose(s);
  }
  if (errno != ECANCELED) perror("accepting");
}

// A descriptor that can be read once the process is asked to end.
int TerminationFd() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_BLOCK, &signals, NULL);
  return signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
}

int main(int argc, char** argv) {
  struct ipaddr addr;
  if (ipaddr_local(&addr, "127.0.0.1", argc > 1 ? atoi(argv[1]) : 5555, 0) != 0) {
    perror("the address");
    return 1;
  }
  const int64_t patience_ms = argc > 2 ? atoi(argv[2]) : 10000;
  const int64_t grace_ms = argc > 3 ? atoi(argv[3]) : 5000;
  const int signals = TerminationFd();
  int listener = tcp_listen(&addr, 10);
  if (listener < 0) {
    perror("listening");
    return 1;
  }
  int clients = bundle();
  int acceptor = go(Accept(listener, clients, patience_ms));
  printf("listening on port %d\n", ipaddr_port(&addr));
  fflush(stdout);

  fdin(signals, -1);
  hclose(acceptor);
  hclose(listener);
  printf("no more clients\n");
  fflush(stdout);
  if (bundle_wait(clients, now() + grace_ms) != 0) printf("time is up\n");
  hclose(clients);
  close(signals);
  printf("bye\n");
  return 0;
}
