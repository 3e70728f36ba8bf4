// Preloaded into a test: leaves a line in the file $HALFPIPE_THREAD_WITNESS for each thread that a
// program of this repository begins, but for the one that leak_checked_main says it runs the tests in.
//
// Written in what cannot disturb a test: no allocation, no lock, no descriptor that stays open, and
// system calls that no test has put its own function in front of.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef int CreateFunction(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);

static CreateFunction* create;
static const char* witness;
// The program, if it is one of ours, and a line end.
static char program[4096];
static __thread int expected;

__attribute__((constructor)) static void Begin(void) {
  create = (CreateFunction*)dlsym(RTLD_NEXT, "pthread_create");
  witness = getenv("HALFPIPE_THREAD_WITNESS");
  const long size = syscall(SYS_readlink, "/proc/self/exe", program, sizeof(program) - 2);
  program[size > 0 ? size : 0] = '\0';
  // A peer's, or the shell's.
  if (strstr(program, "/bazel-out/") == NULL) program[0] = '\0';
  strcat(program, "\n");
}

// The next thread that the calling one begins does not count.
__attribute__((visibility("default"))) void halfpipe_expect_thread(void) { expected = 1; }

__attribute__((visibility("default"))) int pthread_create(pthread_t* thread,
                                                          const pthread_attr_t* attributes,
                                                          void* (*function)(void*),
                                                          void* argument) {
  if (expected) {
    expected = 0;
  } else if (witness != NULL && program[0] != '\n') {
    const long fd =
        syscall(SYS_openat, AT_FDCWD, witness, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd >= 0) {
      (void)!syscall(SYS_write, fd, program, strlen(program));
      syscall(SYS_close, fd);
    }
  }
  return create(thread, attributes, function, argument);
}
