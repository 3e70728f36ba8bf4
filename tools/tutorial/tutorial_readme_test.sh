#!/bin/bash
# Every block of code in the tutorial stands in the file that its fence names.
set -euo pipefail
readme=$1
directory=$(dirname "$readme")
fence='```'
blocks=0
status=0
block=
file=
while IFS= read -r line; do
  if [[ -z $file && $line == "${fence}cpp "* ]]; then
    file=${line#"${fence}cpp "}
    block=
  elif [[ -n $file && $line == "$fence" ]]; then
    blocks=$((blocks + 1))
    if [[ $(cat "$directory/$file") != *"$block"* ]]; then
      printf 'FAIL: this is not in %s:\n%s' "$file" "$block"
      status=1
    fi
    file=
  elif [[ -n $file ]]; then
    block+=$line$'\n'
  fi
done < "$readme"
if [[ $blocks -eq 0 || -n $file ]]; then
  echo "FAIL: found $blocks whole blocks of code in $readme"
  status=1
fi
exit "$status"
