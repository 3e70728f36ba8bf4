#!/bin/bash
# thread_witness tells of a second thread where there is one, and nothing else.
set -euo pipefail
witness=$1
fixture=$2
status=0
# The library comes before that of the sanitizer, which has nothing to see here.
export ASAN_OPTIONS=verify_asan_link_order=0
readonly SEEN='thread_witness: a second thread in tools/dev/thread_witness_fixture'

# Runs the command after $2 under the witness; it should end with status $1 and say $2.
expect() {
  local output rc=0
  output=$("$witness" "${@:3}" 2>&1) || rc=$?
  if [[ $rc -ne $1 || $output != "$2" ]]; then
    printf 'FAIL: %s ended with %d:\n%s\n' "${*:3}" "$rc" "$output"
    status=1
  fi
}

expect 7 '' "$fixture" 0
expect 7 "$SEEN" "$fixture" 1
expect 7 "$SEEN" "$fixture" 3
# The thread in which the tests run.
expect 7 '' "$fixture" 1 tests
expect 7 "$SEEN" "$fixture" 2 tests
# A program that the test starts; those of others do not count.
# shellcheck disable=SC2016
expect 3 "$SEEN" bash -c '"$0" 1 || exit 3' "$fixture"
expect 0 ended python3 -c 'import threading; threading.Thread(target=print, args=["ended"]).start()'
# shellcheck disable=SC2016
expect 143 '' bash -c 'kill -TERM $$'
[[ -z $(ls -A "$TEST_TMPDIR") ]] || status=1
exit "$status"
