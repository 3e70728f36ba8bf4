// What thread_witness_test runs: a program with as many threads as its first argument says besides
// its own, of which leak_checked_main would know the first if there is a second argument. Its status
// is 7.

#include <pthread.h>
#include <stdlib.h>

__attribute__((weak)) void halfpipe_expect_thread(void);

static void* Nothing(void* argument) { return argument; }

int main(int argc, char** argv) {
  const int count = argc > 1 ? atoi(argv[1]) : 0;
  if (argc > 2 && halfpipe_expect_thread) halfpipe_expect_thread();
  for (int i = 0; i < count; ++i) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, &Nothing, NULL) != 0) return 1;
    pthread_join(thread, NULL);
  }
  return 7;
}
