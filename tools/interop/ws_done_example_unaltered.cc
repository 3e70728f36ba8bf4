// The example of ws_done(3), to the byte, with nothing put in its way.

#include <assert.h>
#include <libdill.h>
#include <stdio.h>
#include <string.h>

int main() {
#include "tools/interop/ws_done_example.inc"
  if (sz != 13 || memcmp(buf, "Hello, world!", 13) != 0 || !(flags & WS_TEXT)) return 1;
  puts("the same 13 bytes came back");
  return 0;
}
