#!/bin/bash
# The C++ examples in this package's README are, one after the other, the file that is compiled.
set -euo pipefail
if ! diff <(awk '$0 == "```" { on = 0 } on { print } $0 == "```cpp" { on = 1 }' "$1") "$2"; then
  echo "FAIL: the README's examples are not $2"
  exit 1
fi
