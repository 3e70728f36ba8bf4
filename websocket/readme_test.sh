#!/bin/bash
# The examples in a README are the files that are compiled, one after the other in each language.
set -euo pipefail
readme=$1
shift
for example in "$@"; do
  case $example in
    *.c) language=c ;;
    *) language=cpp ;;
  esac
  if ! diff <(awk -v fence="\`\`\`$language" '$0 == "```" { on = 0 } on { print } $0 == fence { on = 1 }' "$readme") \
    "$example"; then
    echo "FAIL: the README's $language example is not $example"
    exit 1
  fi
done
