#!/bin/bash
# The example is, to the byte, the one that the manual page prints.
set -euo pipefail
readonly EXPECTED=ca2d54cd7a010ad2f9af6705a1fcce1ccd9c59796de356c3f1e8f8c28ae9658c
read -r actual _ < <(sha256sum "$1")
if [[ $actual != "$EXPECTED" ]]; then
  echo "$1 is not what the page prints: $actual"
  exit 1
fi
