#!/bin/bash
# Nothing uninitialized is sent or decided by, as valgrind sees it.  From anywhere in the tree:
#
#   tools/dev/valgrind.sh             # some minutes
#   tools/dev/valgrind.sh --all       # the long table of the frames too; several times as long
#
# Runs what a whole server and a whole client do with the corpora of their fuzzers and with the tables
# of the opening handshake.  Only tests that never leave main's own stack: valgrind takes the stacks of
# coroutines for anything but stacks.  Needs valgrind; status 1 if there is an error, 2 without it.

set -uo pipefail

cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1
if ! command -v valgrind > /dev/null; then
  echo 'valgrind is not installed' >&2
  exit 2
fi

tables=//websocket/testing/conformance
targets=(
  //websocket:server_endpoint_fuzzer_corpus_test
  //websocket:client_endpoint_fuzzer_corpus_test
  "$tables:handshake_test"
  "$tables:conformance_test"
)
tools/bazelw build "${targets[@]}" || exit 1

status=0

# Runs a program of bazel-bin under valgrind, whose words alone are shown.
check() {
  echo "=== $1"
  valgrind --quiet --log-fd=9 --error-exitcode=1 --leak-check=no "bazel-bin/$1" "${@:2}" \
    9>&2 > /dev/null 2>&1 || status=1
}

check websocket/server_endpoint_fuzzer_corpus_test websocket/server_endpoint_corpus/*
check websocket/client_endpoint_fuzzer_corpus_test websocket/client_endpoint_corpus/*
check websocket/testing/conformance/handshake_test '--gtest_filter=*Test.Requests:*Test.Answers'
if [[ ${1:-} == --all ]]; then
  check websocket/testing/conformance/conformance_test '--gtest_filter=*Test.Replayed'
fi
[[ $status -eq 0 ]] && echo 'no errors'
exit "$status"
