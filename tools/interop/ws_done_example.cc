// The example of ws_done(3), to the byte, against a server on this machine.

#include <assert.h>
#include <libdill.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The example connects to port 80 of www.example.org. Here that is the loopback address and the
// port in the environment.
#define ipaddr_remote(addr, name, port, mode, deadline) \
  dill_ipaddr_remote(addr, "127.0.0.1", atoi(getenv("HALFPIPE_EXAMPLE_PORT")), mode, deadline)

int main() {
#include "tools/interop/ws_done_example.inc"
  if (sz != 13 || memcmp(buf, "Hello, world!", 13) != 0 || !(flags & WS_TEXT)) return 1;
  puts("the same 13 bytes came back");
  return 0;
}
