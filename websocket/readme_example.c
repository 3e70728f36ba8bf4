#include <assert.h>
#include <libdill.h>

int main(void) {
  struct ipaddr addr;
  int rc = ipaddr_remote(&addr, "www.example.org", 80, 0, -1);
  assert(rc == 0);
  int s = tcp_connect(&addr, -1);
  s = ws_attach_client(s, WS_TEXT, "/", "www.example.org", -1);
  rc = ws_send(s, WS_TEXT, "Hello, world!", 13, -1);
  int flags;
  char buf[256];
  ssize_t sz = ws_recv(s, &flags, buf, sizeof(buf), -1);
  assert(sz >= 0 && (flags & WS_TEXT));
  s = ws_detach(s, 1000, NULL, 0, -1);
  return tcp_close(s, -1);
}
