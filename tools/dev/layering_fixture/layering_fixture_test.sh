#!/bin/bash
# The layering test fails for this folder's package, for each of the reasons that are built into it.
#   layering_fixture_test.sh PURE_PACKAGE_TEST VIOLATIONS BUILD BLAMELESS LEAKY
set -uo pipefail

readonly checker=$PWD/$1 violations=$2 build=$3 blameless=$4 leaky=$5
status=0

# Runs the checker; the exit status must be $1 and the output have a line for each further argument.
expect() {
  local expected=$1 output actual
  shift
  output=$("$checker" "${command[@]}" 2>&1)
  actual=$?
  if [[ $actual -ne $expected ]]; then
    echo "status $actual, expected $expected: ${command[*]}: $output"
    status=1
  fi
  for line in "$@"; do
    if ! grep -qF -- "$line" <<< "$output"; then
      echo "missing '$line': ${command[*]}: $output"
      status=1
    fi
  done
}

# The query finds the rule that is not pure and nothing else: neither the pure ones, nor base, nor
# the testonly rule.
if [[ $(sed 's/^@*//' "$violations") != //tools/dev/layering_fixture:plain ]]; then
  echo "the query gave: $(cat "$violations")"
  status=1
fi

command=(pure "$violations" "$build" "$blameless")
expect 1 //tools/dev/layering_fixture:plain

# This BUILD file has a rule behind the query; another has not.
none=$TEST_TMPDIR/none
: > "$none"
command=(pure "$none" "$build" "$blameless")
expect 1 'has to be the last statement, not: sh_test('
last=$TEST_TMPDIR/BUILD
sed '/^sh_test(/,$d' "$build" > "$last"
command=(pure "$none" "$last" "$blameless")
expect 0 '1 source files looked at, no violation'

command=(pure "$none" "$last" "$blameless" "$leaky")
expect 1 '#include <sys/socket.h>' '#include <sys/epoll.h>' '#include <thread>' '#include <unistd.h>'

# Each header by itself.
for header in '<poll.h>' '<fcntl.h>' '<iostream>' '<fstream>' '<mutex>' '<netinet/in.h>' \
  '<arpa/inet.h>' '<sys/uio.h>' '<boost/context/fiber.hpp>' '<openssl/bio.h>' \
  '"absl/synchronization/mutex.h"' '"bytestream/bytestream.h"' '"bytestream/net/tcp.h"' \
  '"bytestream/runtime/runtime.h"' '"bytestream/basement/x.h"'; do
  one=$TEST_TMPDIR/one.cc
  echo " #  include $header" > "$one"
  command=(pure "$none" "$last" "$one")
  expect 1 "$header"
done
for header in '<chrono>' '<openssl/sha.h>' '"bytestream/base/deadline.h"' '"http/core/url.h"' \
  '<string_view>'; do
  one=$TEST_TMPDIR/one.cc
  echo "#include $header" > "$one"
  command=(pure "$none" "$last" "$one")
  expect 0
done

# A header of bytestream that is looked at itself may be included, another beside it not.
mkdir -p "$TEST_TMPDIR/bytestream/framing"
start=$PWD
cd "$TEST_TMPDIR" || exit
echo '#include "bytestream/base/io_slice.h"' > bytestream/framing/pure.h
echo '#include "bytestream/framing/pure.h"' > bytestream/framing/pure.cc
command=(mixed "$none" "$last" bytestream/framing/pure.h bytestream/framing/pure.cc)
expect 0
echo '#include "bytestream/framing/driver.h"' >> bytestream/framing/pure.cc
expect 1 '"bytestream/framing/driver.h"'
cd "$start" || exit

command=(pure "$none" "$last")
expect 1 'no source file to look at'
exit "$status"
