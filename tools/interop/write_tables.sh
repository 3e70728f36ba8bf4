#!/bin/bash
# Runs the tests that have a table in README.md, each once, with all peers, and writes there what
# they did. Further arguments go to Bazel. Status 0 if all passed; the table of a test that failed
# stays as it is.
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/../.."
export HALFPIPE_WITH_PEERS=1 HALFPIPE_REQUIRE_PEERS=1
# Outside of the sandbox, one after the other: all write to the one file.
exec tools/bazelw test //tools/interop:all --test_tag_filters=table --nocache_test_results \
  --spawn_strategy=local --local_test_jobs=1 \
  --test_env=HALFPIPE_INTEROP_README="$PWD/tools/interop/README.md" "$@"
