#!/bin/bash
# The main() of tests fails a run that leaves something behind, and no other.
set -euo pipefail
fixture=$1
status=0

# Runs the fixture's test $1; it should end with status $2 and say $3 (may be empty).
expect() {
  local output rc=0
  output=$("$fixture" --gtest_filter="*.$1" 2>&1) || rc=$?
  if [[ $rc -ne $2 || $output != *"$3"* ]]; then
    printf 'FAIL: %s ended with %d:\n%s\n' "$1" "$rc" "$output"
    status=1
  fi
}

expect Clean 0 ''
expect LeavesADescriptor 1 '/dev/null'
expect LeavesAMapping 1 'left 4096 bytes of pools mapped'
expect Fails 1 ''
exit "$status"
