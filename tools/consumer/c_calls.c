/* A server and a client in one thread, in C: a TCP connection, a WebSocket on it, half-closes both
 * ways; and a channel. Strict C11 with the raw names. */
#include <libdill.h>
#include <stdio.h>
#include <string.h>

#define CHECK(condition)                                                                \
  do {                                                                                  \
    if (!(condition)) {                                                                 \
      fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
      exit(1);                                                                          \
    }                                                                                   \
  } while (0)

/* Sends every message back, until the client has sent its Close. */
static void serve(void* argument) {
  int s = *(int*)argument;
  const int64_t deadline = now() + 10000;
  char resource[64];
  char host[64];
  s = ws_attach_server(s, WS_TEXT, resource, sizeof(resource), host, sizeof(host), deadline);
  CHECK(s >= 0);
  CHECK(strcmp(resource, "/chat") == 0 && strcmp(host, "www.example.org") == 0);
  char text[256];
  int flags = 0;
  ssize_t size = ws_recv(s, &flags, text, sizeof(text), deadline);
  while (size >= 0) {
    CHECK(ws_send(s, flags, text, (size_t)size, deadline) == 0);
    size = ws_recv(s, &flags, text, sizeof(text), deadline);
  }
  CHECK(errno == EPIPE); /* the peer's Close */
  int status = 0;
  size = ws_status(s, &status, text, sizeof(text));
  CHECK(size == 3 && memcmp(text, "bye", 3) == 0 && status == 1000);
  CHECK(ws_send(s, WS_TEXT, "last words", 10, deadline) == 0); /* our half is still open */
  s = ws_detach(s, 1000, NULL, 0, deadline);
  CHECK(s >= 0);
  CHECK(tcp_close(s, deadline) == 0);
}

static void doubler(void* argument) {
  const int channel = *(int*)argument;
  int value = 0;
  while (chrecv(channel, &value, sizeof(value), -1) == 0) {
    value *= 2;
    if (chsend(channel, &value, sizeof(value), -1) != 0) return;
  }
}

static void talk(void) {
  const int64_t deadline = now() + 10000;
  struct ipaddr address;
  CHECK(ipaddr_local(&address, "127.0.0.1", 0, IPADDR_IPV4) == 0);
  const int listener = tcp_listen(&address, 10); /* writes the port that was chosen */
  CHECK(listener >= 0);
  int client = tcp_connect(&address, deadline);
  CHECK(client >= 0);
  int server = tcp_accept(listener, NULL, deadline);
  CHECK(server >= 0);
  const int all = bundle();
  CHECK(all >= 0);
  CHECK(dill_bundle_go_fn(all, serve, &server) == 0);

  client = ws_attach_client(client, WS_TEXT, "/chat", "www.example.org", deadline);
  CHECK(client >= 0);
  CHECK(ws_send(client, WS_TEXT, "hello", 5, deadline) == 0);
  char text[16];
  int flags = 0;
  CHECK(ws_recv(client, &flags, text, sizeof(text), deadline) == 5 && flags == WS_TEXT);
  CHECK(ws_done(client, 1000, "bye", 3, deadline) == 0);
  CHECK(ws_recv(client, &flags, text, sizeof(text), deadline) == 10);
  client = ws_detach(client, 1000, NULL, 0, deadline);
  CHECK(client >= 0);
  CHECK(tcp_close(client, deadline) == 0);

  CHECK(bundle_wait(all, deadline) == 0);
  CHECK(hclose(all) == 0);
  CHECK(hclose(listener) == 0);
}

int main(void) {
  talk();

  int channel[2];
  CHECK(chmake(channel) == 0);
  const int worker = dill_go_fn(doubler, &channel[0]);
  CHECK(worker >= 0);
  int value = 21;
  CHECK(chsend(channel[1], &value, sizeof(value), -1) == 0);
  CHECK(chrecv(channel[1], &value, sizeof(value), -1) == 0 && value == 42);
  CHECK(hclose(channel[1]) == 0); /* the worker ends by itself */
  CHECK(hclose(worker) == 0);
  CHECK(hclose(channel[0]) == 0);
  return 0;
}
