#!/bin/bash
# What every commit passes.  From anywhere in the tree:
#
#   tools/dev/presubmit.sh                      # everything
#   tools/dev/presubmit.sh //websocket/core/...  # tests of these targets only
#
# Steps: clang-format (14 decides; skipped with a word where there is none), buildifier and shellcheck
# where they are installed, all tests (the layering tests are among them), the same with clang if it
# is there (whose layering check sees missing deps), tools/consumer, and all tests with the three
# sanitizers.
# Goes on after a failing step; ends with a line for each, and status 1 if one failed.

# shellcheck disable=SC2317  # step calls the functions.
set -uo pipefail

cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1
targets=("$@")
[[ ${#targets[@]} -gt 0 ]] || targets=(//...)
results=()
status=0

# Runs a command as the step $1.
step() {
  local name=$1
  shift
  echo "=== $name"
  if "$@"; then
    results+=("passed   $name")
  else
    results+=("FAILED   $name")
    status=1
  fi
}

skip() { results+=("skipped  $1"); }

# Gives the tracked files that match the patterns to the command before --.  None is fine.
on_files() {
  local command=()
  while [[ $1 != -- ]]; do
    command+=("$1")
    shift
  done
  shift
  git ls-files -z -- "$@" | xargs -0 --no-run-if-empty "${command[@]}"
}

first_of() {
  local name
  for name in "$@"; do
    command -v "$name" && return
  done
}

test_with() { tools/bazelw test --config=ci "$@" -- "${targets[@]}"; }

test_as_dependency() { (cd tools/consumer && ../bazelw test //...); }

format=$(first_of clang-format-14)
if [[ -n $format ]]; then
  step clang-format on_files "$format" --dry-run -Werror -- '*.cc' '*.h' '*.c'
else
  skip 'clang-format (needs clang-format-14)'
fi

buildifier=$(first_of buildifier)
if [[ -n $buildifier ]]; then
  step buildifier on_files "$buildifier" -mode=check -lint=off -- \
    BUILD '*/BUILD' WORKSPACE MODULE.bazel '*.bzl'
else
  skip 'buildifier (npm package @bazel/buildifier)'
fi

if [[ -n $(first_of shellcheck) ]]; then
  step shellcheck on_files shellcheck -- '*.sh' tools/bazelw .ci/run
else
  skip shellcheck
fi

step test test_with
if [[ -n $(first_of clang++) ]]; then
  step 'test, clang' test_with --config=clang
else
  skip 'test, clang'
fi
step 'test, as a dependency' test_as_dependency
step 'test, asan' test_with --config=asan
step 'test, ubsan' test_with --config=ubsan
step 'test, tsan' test_with --config=tsan

printf '%s\n' '' "${results[@]}"
exit "$status"
