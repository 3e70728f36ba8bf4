/* A C11 program that includes nothing but the drop-in header: two coroutines talk WebSocket over a
   pair of Unix sockets. */

#include <libdill.h>
#include <stdio.h>
#include <string.h>

#define CHECK(condition)                                                                     \
  do {                                                                                       \
    if (!(condition)) {                                                                      \
      fprintf(stderr, "%s:%d: %s does not hold, errno %d\n", __FILE__, __LINE__, #condition, \
              errno);                                                                        \
      return 1;                                                                              \
    }                                                                                        \
  } while (0)

struct server {
  int socket;
  int failed;
};

/* Sends every message back with its type until the client has said Close. */
static int echo(int s) {
  char resource[16];
  char host[32];
  s = ws_attach_server(s, WS_TEXT, resource, sizeof(resource), host, sizeof(host), -1);
  CHECK(s >= 0);
  CHECK(strcmp(resource, "/echo") == 0);
  CHECK(strcmp(host, "example.org") == 0);
  for (;;) {
    char buffer[64];
    int flags = -1;
    ssize_t size = ws_recv(s, &flags, buffer, sizeof(buffer), -1);
    if (size < 0) break;
    CHECK(ws_send(s, flags, buffer, (size_t)size, -1) == 0);
  }
  CHECK(errno == EPIPE);
  int status = 0;
  char reason[125];
  CHECK(ws_status(s, &status, reason, sizeof(reason)) == 3);
  CHECK(status == 1000 && memcmp(reason, "bye", 3) == 0);
  s = ws_detach(s, 1001, "ciao", 4, -1);
  CHECK(s >= 0);
  CHECK(ipc_close(s, -1) == 0);
  return 0;
}

static coroutine void serve(void* argument) {
  struct server* self = argument;
  self->failed = echo(self->socket);
}

static int talk(int s) {
  s = ws_attach_client(s, WS_TEXT, "/echo", "example.org", -1);
  CHECK(s >= 0);
  char buffer[64];
  int flags = -1;
  CHECK(ws_send(s, WS_TEXT, "hello", 5, -1) == 0);
  CHECK(ws_recv(s, &flags, buffer, sizeof(buffer), -1) == 5);
  CHECK(flags == WS_TEXT && memcmp(buffer, "hello", 5) == 0);
  CHECK(ws_send(s, WS_BINARY, "\0\377", 2, -1) == 0);
  CHECK(ws_recv(s, &flags, buffer, sizeof(buffer), -1) == 2);
  CHECK(flags == WS_BINARY && memcmp(buffer, "\0\377", 2) == 0);

  struct iolist end = {(void*)"def", 3, NULL, 0};
  struct iolist begin = {(void*)"abc", 3, &end, 0};
  CHECK(msendl(s, &begin, &end, -1) == 0);
  struct iolist rest = {buffer, sizeof(buffer), NULL, 0};
  struct iolist skipped = {NULL, 2, &rest, 0};
  CHECK(mrecvl(s, &skipped, &rest, -1) == 6);
  CHECK(memcmp(buffer, "cdef", 4) == 0);

  CHECK(ws_recv(s, NULL, buffer, sizeof(buffer), now() + 1) == -1 && errno == ETIMEDOUT);
  CHECK(ws_done(s, 1000, "bye", 3, -1) == 0);
  CHECK(msend(s, "x", 1, -1) == -1 && errno == EPIPE);
  CHECK(mrecv(s, buffer, sizeof(buffer), -1) == -1 && errno == EPIPE);
  int status = 0;
  CHECK(ws_status(s, &status, buffer, sizeof(buffer)) == 4);
  CHECK(status == 1001 && memcmp(buffer, "ciao", 4) == 0);
  s = ws_detach(s, 1000, NULL, 0, -1);
  CHECK(s >= 0);
  CHECK(ipc_close(s, -1) == 0);
  CHECK(hclose(s) == -1 && errno == EBADF);
  return 0;
}

/* The same without a handshake, in memory of the caller. */
static int without_handshake(void) {
  static struct ws_storage client_memory;
  static struct ws_storage server_memory;
  int sockets[2];
  CHECK(ipc_pair(sockets) == 0);
  int c = ws_attach_client_mem(sockets[0], WS_NOHTTP, NULL, NULL, &client_memory, -1);
  int s = ws_attach_server_mem(sockets[1], WS_NOHTTP, NULL, 0, NULL, 0, &server_memory, -1);
  CHECK(c >= 0 && s >= 0);
  char byte = 0;
  CHECK(msend(c, "x", 1, -1) == 0);
  CHECK(mrecv(s, &byte, 1, -1) == 1 && byte == 'x');
  CHECK(hclose(c) == 0);
  CHECK(hclose(s) == 0);
  return 0;
}

static int keys(void) {
  char request[WS_KEY_SIZE];
  char response[WS_KEY_SIZE];
  CHECK(ws_request_key(request) == 0 && strlen(request) == 24);
  CHECK(ws_response_key(request, response) == 0 && strlen(response) == 28);
  CHECK(ws_response_key("dGhlIHNhbXBsZSBub25jZQ==", response) == 0);
  CHECK(strcmp(response, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") == 0);
  CHECK(ws_response_key("x", response) == -1 && errno == EINVAL);
  return 0;
}

static coroutine void tell(void* argument) {
  int value = 42;
  chsend(*(int*)argument, &value, sizeof(value), -1);
}

static int channels(void) {
  struct chstorage memory;
  int ch[2];
  CHECK(chmake_mem(&memory, ch) == 0);
  int worker = dill_go_fn(tell, &ch[0]);
  CHECK(worker >= 0);
  int value = 0;
  struct chclause clause = {CHRECV, ch[1], &value, sizeof(value)};
  CHECK(choose(&clause, 1, now() + 60000) == 0 && errno == 0 && value == 42);
  CHECK(chdone(ch[0]) == 0);
  CHECK(chrecv(ch[1], &value, sizeof(value), -1) == -1 && errno == EPIPE);
  CHECK(hclose(worker) == 0 && hclose(ch[0]) == 0 && hclose(ch[1]) == 0);
  return 0;
}

int main(void) {
  int sockets[2];
  CHECK(ipc_pair(sockets) == 0);
  struct server server = {sockets[1], -1};
  int worker = dill_go_fn(serve, &server);
  CHECK(worker >= 0);
  int failed = talk(sockets[0]);
  CHECK(bundle_wait(worker, now() + 60000) == 0);
  CHECK(hclose(worker) == 0);
  return failed || server.failed || without_handshake() || keys() || channels();
}
