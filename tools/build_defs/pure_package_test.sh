#!/bin/bash
# The test that pure_package_query makes (see pure_library.bzl).
#   pure_package_test.sh pure|mixed VIOLATIONS BUILD SOURCE...
# VIOLATIONS has the labels that a pure target reaches and may not, one a line.
set -euo pipefail

readonly kind=$1 violations=$2 build=$3
shift 3

status=0
report() {
  printf '%s\n' "$@" >&2
  status=1
}

if [[ -s $violations ]]; then
  report "Pure targets reach these, or are these, and are no pure_library nor in //bytestream/base:" \
    "$(sed 's/^/  /' "$violations")"
fi

# Statements of a BUILD file start in the first column.  In a mixed package, too, what follows the
# query could be a pure_library.
last=$(grep -E '^[A-Za-z_][A-Za-z0-9_.]*\(|^\[' "$build" | tail -n 1)
if [[ $last != 'pure_package_query('* ]]; then
  report "$build: pure_package_query has to be the last statement, not: $last"
fi

# Time is not among these: <chrono> and absl::Time are values.  Neither is <cstdio>, for snprintf.
readonly waiting='sys/(socket|un|uio|epoll|poll|select|eventfd|timerfd|signalfd|ioctl|stat|mman|file|wait|sendfile|syscall)\.h'
readonly posix='(unistd|fcntl|poll|dirent|netdb|pthread|semaphore|signal|spawn|termios|ifaddrs|liburing|ares)\.h'
readonly folders='(netinet|net|arpa|linux|asm|boost|absl/synchronization|openssl/(bio|ssl))[./].*'
readonly standard='(thread|mutex|shared_mutex|condition_variable|future|semaphore|latch|barrier|stop_token|csignal|iostream|fstream|ostream|istream|sstream|syncstream|filesystem|coroutine)'
readonly forbidden="^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($waiting|$posix|$folders|$standard|bytestream/.*)[>\"]"

if [[ $# -eq 0 ]]; then
  report "no source file to look at: the query found nothing"
else
  # The headers looked at may include each other, whichever package they are in.
  own=$(printf '"%s"\n' "$@")
  if found=$(grep -nHE "$forbidden" "$@" | grep -v '"bytestream/base/' | grep -vF "$own"); then
    report "Pure source files include headers of I/O, threads or streams:" "$found"
  fi
fi

if [[ $status -eq 0 ]]; then
  echo "$kind package: $# source files looked at, no violation"
fi
exit "$status"
