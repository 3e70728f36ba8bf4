#!/bin/bash
# Nothing uninitialized is sent or decided by, and no memory is misused, as valgrind sees it.  From
# anywhere in the tree:
#
#   tools/dev/valgrind.sh                 # some minutes
#   tools/dev/valgrind.sh --all           # the long table of the frames too; several times as long
#   tools/dev/valgrind.sh TARGET...         # these tests
#
# Runs what a whole server and a whole client do with the corpora of their fuzzers and with the tables
# of the opening handshake, and some tests of all layers.  Built with --config=valgrind, which tells
# valgrind where the stacks of coroutines are.  Needs valgrind and its headers (Debian's package has
# both); status 1 if there is an error, 2 without valgrind.

set -uo pipefail

cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1
if ! command -v valgrind > /dev/null; then
  echo 'valgrind is not installed' >&2
  exit 2
fi

tables=//websocket/testing/conformance
corpora=(
  //websocket:server_endpoint_fuzzer_corpus_test
  //websocket:client_endpoint_fuzzer_corpus_test
)
tests=(
  //bytestream/runtime:bundle_test
  //bytestream/runtime:channel_test
  //bytestream/runtime:sync_test
  //bytestream/net:fd_stream_test
  //bytestream/tls:tls_test
  //http:http_test
  //websocket:stream_test
  //websocket:ws_waiting_errors_test
)

status=0

build() { tools/bazelw build --config=valgrind "$@" || exit 2; }

# Runs a test under valgrind, whose words alone are shown.
check() {
  local program=${1#//}
  echo "=== $1"
  valgrind --quiet --log-fd=9 --error-exitcode=1 --leak-check=no "bazel-bin/${program/:/\/}" "${@:2}" \
    9>&2 > /dev/null 2>&1 || status=1
}

export TEST_TMPDIR
TEST_TMPDIR=$(mktemp -d)
trap 'rm -rf "$TEST_TMPDIR"' EXIT

if [[ ${1:-} == //* ]]; then
  build "$@"
  for test in "$@"; do check "$test"; done
else
  build "${corpora[@]}" "${tests[@]}" "$tables:handshake_test" "$tables:conformance_test"
  check "${corpora[0]}" websocket/server_endpoint_corpus/*
  check "${corpora[1]}" websocket/client_endpoint_corpus/*
  check "$tables:handshake_test" '--gtest_filter=*Test.Requests:*Test.Answers'
  for test in "${tests[@]}"; do check "$test"; done
  if [[ ${1:-} == --all ]]; then
    check "$tables:conformance_test" '--gtest_filter=*Test.Replayed'
  fi
fi
[[ $status -eq 0 ]] && echo 'no errors'
exit "$status"
