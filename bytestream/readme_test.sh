#!/bin/bash
# The C example in the README is the file that is compiled and run.
#   readme_test.sh README EXAMPLE
set -euo pipefail
if ! diff <(awk '$0 == "```" { on = 0 } on { print } $0 == "```c" { on = 1 }' "$1") "$2"; then
  echo "FAIL: the README's example is not $2"
  exit 1
fi
