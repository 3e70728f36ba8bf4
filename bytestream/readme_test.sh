#!/bin/bash
# The example in a README is the file that is compiled: all blocks of C together, or the one whose
# fence names the file.
#   readme_test.sh README EXAMPLE
set -euo pipefail
case $2 in
  *.c) fence='```c' ;;
  *) fence="\`\`\`cpp ${2##*/}" ;;
esac
if ! diff <(awk -v fence="$fence" '$0 == "```" { on = 0 } on { print } $0 == fence { on = 1 }' "$1") "$2"; then
  echo "FAIL: the README's example is not $2"
  exit 1
fi
