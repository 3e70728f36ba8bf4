/* The header and the raw names as a C11 program sees them. */

#include <errno.h>
#include <stdio.h>

#include "bytestream/channels.h"
#include "bytestream/sockets.h"

#define CHECK(condition)                                                                     \
  do {                                                                                       \
    if (!(condition)) {                                                                      \
      fprintf(stderr, "%s:%d: %s does not hold, errno %d\n", __FILE__, __LINE__, #condition, \
              errno);                                                                        \
      return 1;                                                                              \
    }                                                                                        \
  } while (0)

_Static_assert(_Alignof(struct chstorage) == 16, "aligned storage");
_Static_assert(CHSEND == 1 && CHRECV == 2, "as programs know them");

struct worker {
  int ch;
  int failed;
};

/* Receives two numbers and sends their sum back. */
static int add(int ch) {
  int sum = 0;
  for (int i = 0; i < 2; ++i) {
    int value;
    CHECK(chrecv(ch, &value, sizeof(value), -1) == 0);
    sum += value;
  }
  CHECK(chsend(ch, &sum, sizeof(sum), -1) == 0);
  CHECK(chdone(ch) == 0);
  return 0;
}

static coroutine void work(void* argument) {
  struct worker* self = argument;
  self->failed = add(self->ch);
}

int main(void) {
  struct chstorage storage;
  int ch[2];
  int other[2];
  CHECK(chmake_mem(&storage, ch) == 0);
  CHECK(chmake(other) == 0);
  struct worker worker = {ch[1], -1};
  int h = go_fn(work, &worker);
  CHECK(h > 0);

  int value = 40;
  int sum = 0;
  CHECK(chsend(ch[0], &value, sizeof(value), now() + 60000) == 0);
  value = 2;
  struct chclause clauses[] = {{CHRECV, other[0], &sum, sizeof(sum)},
                               {CHSEND, ch[0], &value, sizeof(value)},
                               {CHRECV, ch[0], &sum, sizeof(sum)}};
  CHECK(choose(clauses, 3, now() + 60000) == 1 && errno == 0);
  CHECK(choose(clauses, 3, now() + 60000) == 2 && errno == 0);
  CHECK(sum == 42);
  CHECK(choose(clauses, 3, now() + 60000) == 2 && errno == EPIPE);
  CHECK(choose(clauses, 1, 0) == -1 && errno == ETIMEDOUT);
  CHECK(bundle_wait(h, now() + 60000) == 0 && worker.failed == 0);
  CHECK(hclose(h) == 0);
  for (int i = 0; i < 2; ++i) {
    CHECK(hclose(ch[i]) == 0);
    CHECK(hclose(other[i]) == 0);
  }
  CHECK(dill_chsend(ch[0], NULL, 0, 0) == -1 && errno == EBADF);
  return 0;
}
