#!/bin/bash
# tools/bazelw on made-up machines: each test has a PATH of its own, with stand-ins for apt-get,
# dpkg-query, sudo, id and the Bazels, which write down how they were called.
#   bazelw_test.sh BAZELW
# shellcheck disable=SC2016  # The stand-ins are text until they run.
set -uo pipefail

readonly bazelw_source=$PWD/$1
readonly all_packages='bazel-bootstrap g++ libabsl-dev libbenchmark-dev libboost-context-dev
libc-ares-dev libgmock-dev libgtest-dev libssl-dev pkg-config zlib1g-dev'
readonly peer_packages='chromium curl haproxy libasio-dev libwebsocketpp-dev libwebsockets-dev
nginx-light node-ws nodejs npm openssl python3-websockets'
failures=0

fail() {
  echo "$current: $*"
  echo "--- output"; cat "$box/output"
  echo "--- calls"; cat "$box/calls"
  failures=$((failures + 1))
}

# Writes the program $1 of the made-up machine from stdin.
program() {
  { echo '#!/bin/bash'; echo "box='$box'"; cat; } > "$box/bin/$1"
  chmod +x "$box/bin/$1"
}

# A machine with nothing but dpkg, apt and root.
machine() {
  current=$1
  box=$TEST_TMPDIR/$1
  setting=()
  mkdir -p "$box/bin" "$box/real" "$box/home" "$box/repo/tools" "$box/repo/http/core"
  cp "$bazelw_source" "$box/repo/tools/bazelw"
  : > "$box/calls"
  : > "$box/installed"
  : > "$box/output"
  echo 0 > "$box/uid"
  local tool
  for tool in bash cat chmod cp cut dirname env find grep mkdir readlink rm sort timeout touch tr; do
    ln -s "$(command -v "$tool")" "$box/real/$tool"
  done
  program id <<< 'cat "$box/uid"'
  program dpkg-query <<'PROGRAM'
status=0
for name in "${@:4}"; do
  if grep -qx -- "$name" "$box/installed"; then echo "ii :$name:"; else status=1; fi
done
exit $status
PROGRAM
  program apt-get <<'PROGRAM'
echo "apt-get $*; DEBIAN_FRONTEND=$DEBIAN_FRONTEND" >> "$box/calls"
[[ " $* " != *" $(cat "$box/unknown" 2> /dev/null || echo none) "* ]] || { echo 'Unable to locate'; exit 100; }
if [[ " $* " == *" install "* ]]; then
  after=${*##*--no-install-recommends }
  tr ' ' '\n' <<< "$after" >> "$box/installed"
  [[ " $after " != *" bazel-bootstrap "* ]] || cp "$box/bazel4" "$box/bin/bazel"
fi
PROGRAM
  bazel bazel4 no_version
  mv "$box/bin/bazel4" "$box/bazel4"
}

# Gives the machine the Bazel $1 of version $2; `mod` exits with status ${3:-1}.
bazel() {
  program "$1" <<PROGRAM
if [[ \$1 == --version ]]; then echo 'bazel $2'; exit; fi
if [[ \$1 == mod ]]; then echo '$1 mod' >> "\$box/calls"; exit ${3:-1}; fi
printf '%s in %s:' $1-$2 "\${PWD#\$box/}" >> "\$box/calls"
printf ' <%s>' "\$@" >> "\$box/calls"
echo >> "\$box/calls"
echo "stdout of $2"
exit 7
PROGRAM
}

has_all() {
  tr -s ' \n' '\n' <<< "$all_packages" > "$box/installed"
  cp "$box/bazel4" "$box/bin/bazel"
}

# Runs bazelw with the arguments, in $directory (relative to the box) and the environment $setting...
run() {
  (cd "$box/${directory:-repo}" \
    && env -i PATH="$box/bin:$box/real" HOME="$box/home" "${setting[@]+"${setting[@]}"}" \
      "$box/repo/tools/bazelw" "$@") > "$box/output" 2>&1 < /dev/null
  status=$?
}
directory=

expect_status() { [[ $status -eq $1 ]] || fail "status $status, expected $1"; }
expect_calls() { [[ $(< "$box/calls") == "$1" ]] || fail "calls are not: $1"; }
expect_output() { grep -qF -- "$1" "$box/output" || fail "the output has no: $1"; }
expect_no_output() { ! grep -qF -- "$1" "$box/output" || fail "the output has: $1"; }

# The packages of the apt-get call, sorted, on one line.
asked_for() {
  grep 'apt-get.* install ' "$box/calls" | sed 's/.*--no-install-recommends //; s/;.*//' \
    | tr ' ' '\n' | sort | tr '\n' ' '
}
sorted() { tr -s ' \n' '\n' <<< "$*" | sort | tr '\n' ' '; }

machine nothing_missing
has_all
run test //...
expect_status 7
expect_calls 'bazel4-no_version in repo: <test> <//...>'
expect_no_output bazelw:

machine arguments_pass_unchanged
has_all
directory=repo/http/core run run :x -- 'two words' '' '*' --listen=127.0.0.1:0 "it's \$HOME"
expect_status 7
expect_calls "bazel4-no_version in repo/http/core: <run> <:x> <--> <two words> <> <*> <--listen=127.0.0.1:0> <it's \$HOME>"

machine started_from_elsewhere
has_all
directory=home run info
expect_calls 'bazel4-no_version in repo: <info>'

machine all_missing_then_nothing
run --setup-only
expect_status 0
expect_output 'bazelw: installing libabsl-dev: Abseil, the base library'
[[ $(grep -c 'bazelw: installing ' "$box/output") -eq 11 ]] || fail 'not one line for each package'
[[ $(head -n 1 "$box/calls") == 'apt-get '*' update; DEBIAN_FRONTEND=noninteractive' ]] \
  || fail 'the first call is not apt-get update'
[[ $(asked_for) == "$(sorted "$all_packages")" ]] || fail "apt-get installs $(asked_for)"
[[ $(wc -l < "$box/calls") -eq 2 ]] || fail 'more than two calls'
: > "$box/calls"
run --setup-only
expect_status 0
expect_calls ''
expect_no_output installing
run build //http
expect_calls 'bazel4-no_version in repo: <build> <//http>'

machine one_missing
has_all
sed -i /libssl-dev/d "$box/installed"
run build
expect_status 7
expect_output 'bazelw: installing libssl-dev: '
[[ $(asked_for) == 'libssl-dev ' ]] || fail "apt-get installs $(asked_for)"
[[ $(tail -n 1 "$box/calls") == 'bazel4-no_version in repo: <build>' ]] || fail 'Bazel did not run'

# A compiler that dpkg does not know serves as well; a library has to be a package.
machine programs_from_elsewhere
has_all
sed -i '/g++/d; /pkg-config/d' "$box/installed"
touch "$box/bin/g++" "$box/bin/pkg-config"
chmod +x "$box/bin/g++" "$box/bin/pkg-config"
run build
expect_calls 'bazel4-no_version in repo: <build>'

machine no_root_and_no_sudo
echo 1000 > "$box/uid"
run test //...
expect_status 1
expect_output 'only root may install'
expect_output 'apt-get install --no-install-recommends g++ bazel-bootstrap pkg-config libabsl-dev'
expect_calls ''

machine sudo_asks_for_a_password
echo 1000 > "$box/uid"
program sudo <<< 'exit 1'
run test //...
expect_status 1
expect_output 'only root may install'
expect_calls ''

machine sudo_works
echo 1000 > "$box/uid"
program sudo <<< 'echo "sudo $1 $2" >> "$box/calls"; [[ $1 == -n ]] || exit 1; shift; "$@"'
run --setup-only
expect_status 0
[[ $(asked_for) == "$(sorted "$all_packages")" ]] || fail "apt-get installs $(asked_for)"
[[ $(grep -c 'sudo -n env' "$box/calls") -eq 2 ]] || fail 'apt-get ran without sudo'

machine no_root_and_nothing_missing
echo 1000 > "$box/uid"
has_all
run test
expect_calls 'bazel4-no_version in repo: <test>'

machine no_apt
rm "$box/bin/apt-get"
run test
expect_status 1
expect_output 'no apt-get'
expect_output 'needed: g++ bazel-bootstrap'

machine no_debian
rm "$box/bin/apt-get" "$box/bin/dpkg-query"
run test
expect_status 1
expect_output 'no Debian or Ubuntu'
expect_output Bazelisk

# A Bazel that brings everything is enough on any system with a compiler.
machine no_debian_with_new_bazel
rm "$box/bin/apt-get" "$box/bin/dpkg-query"
bazel bazel 9.0.0 0
touch "$box/bin/g++"
chmod +x "$box/bin/g++"
run test
expect_calls 'bazel mod
bazel-9.0.0 in repo: <test>'

machine unknown_package
echo libbenchmark-dev > "$box/unknown"
run test
expect_status 1
expect_output 'apt-get could not install them'
expect_output 'Unable to locate'

# A failing update does not matter if the install works.
machine update_fails
echo update > "$box/unknown"
run --setup-only
expect_status 0
expect_output 'apt-get update failed'

machine peers_in_ci
has_all
setting=(CI=true)
run --setup-only
[[ $(asked_for) == "$(sorted "$peer_packages")" ]] || fail "apt-get installs $(asked_for)"

# Everything in one go needs the package lists once.
machine all_and_peers
setting=(CI=true)
run --setup-only
expect_status 0
[[ $(grep -c ' update;' "$box/calls") -eq 1 ]] || fail 'not one apt-get update'
[[ $(asked_for) == "$(sorted "$all_packages $peer_packages")" ]] || fail "apt-get installs $(asked_for)"

# Peers are for some tests only: what cannot be had does not keep the others from running.
machine peers_not_to_be_had
has_all
echo chromium > "$box/unknown"
setting=(CI=true)
run test
expect_status 7
expect_output 'Unable to locate'
expect_output 'going on without'
[[ $(tail -n 1 "$box/calls") == 'bazel4-no_version in repo: <test>' ]] || fail 'Bazel did not run'

machine peers_on_demand
has_all
setting=(HALFPIPE_WITH_PEERS=1)
run --setup-only
[[ $(asked_for) == "$(sorted "$peer_packages")" ]] || fail "apt-get installs $(asked_for)"

# npm brings undici, once, and tests hear where it is.
machine undici_from_npm
has_all
tr -s ' \n' '\n' <<< "$peer_packages" >> "$box/installed"
program npm <<'PROGRAM'
echo npm >> "$box/calls"
[[ ! -e $box/broken ]] || { echo 'npm is broken'; exit 1; }
mkdir -p "$3/node_modules/undici" || exit 1
touch "$3/node_modules/undici/package.json"
PROGRAM
sed -i '2a [[ $1 == --version ]] || echo "undici at ${HALFPIPE_UNDICI_MODULE#$box/}" >> "$box/calls"' "$box/bin/bazel"
touch "$box/broken"
setting=(HALFPIPE_WITH_PEERS=1)
run build
expect_status 7
expect_output 'npm is broken'
expect_output 'going on without'
[[ $(grep -c 'undici at $' "$box/calls") -eq 1 ]] || fail 'undici is somewhere'
rm "$box/broken"
: > "$box/calls"
setting=(HALFPIPE_WITH_PEERS=1)
run test
expect_status 7
expect_calls 'npm
undici at home/.cache/halfpipe/undici@6.29.1/node_modules/undici
bazel4-no_version in repo: <test>'
setting=(HALFPIPE_WITH_PEERS=1 HALFPIPE_UNDICI_MODULE=elsewhere)
: > "$box/calls"
run test
expect_calls 'undici at elsewhere
bazel4-no_version in repo: <test>'

machine no_peers_where_ci_is_false
has_all
setting=(CI=false)
run --setup-only
expect_calls ''

# With a registry, Bazel 7 or later needs the compiler only, and is asked once.
machine new_bazel_with_registry
bazel bazel 7.7.1 0
echo g++ > "$box/installed"
run build
expect_status 7
expect_calls 'bazel mod
bazel-7.7.1 in repo: <build>'
run build
expect_calls 'bazel mod
bazel-7.7.1 in repo: <build>
bazel-7.7.1 in repo: <build>'
touch -d '2 days ago' "$box/home/.cache/halfpipe/registry"
run build
[[ $(grep -c 'bazel mod' "$box/calls") -eq 2 ]] || fail 'an old answer was not asked for again'

machine bazelisk_with_registry
bazel bazelisk 9.0.0 0
echo g++ > "$box/installed"
setting=(XDG_CACHE_HOME="$box/cache")
run build
expect_calls 'bazelisk mod
bazelisk-9.0.0 in repo: <build>'
[[ -f $box/cache/halfpipe/registry ]] || fail 'XDG_CACHE_HOME has no answer'

machine new_bazel_without_registry
has_all
mkdir "$box/first"
bazel bazel 8.1.0 1
mv "$box/bin/bazel" "$box/first/bazel"
cp "$box/bazel4" "$box/bin/bazel"
setting=(PATH="$box/first:$box/bin:$box/real")
run test //...
expect_status 7
expect_output 'asking the module registry'
expect_output "using Debian's packages"
expect_calls 'bazel mod
bazel4-no_version in repo: <test> <//...>'
setting=(PATH="$box/first:$box/bin:$box/real")
run test //...
expect_no_output bazelw:
[[ $(grep -c 'bazel mod' "$box/calls") -eq 1 ]] || fail 'the registry was asked twice'

machine bazel_named_by_the_caller
has_all
bazel my-bazel 9.0.0 1
setting=(HALFPIPE_BAZEL=my-bazel)
run build
expect_calls 'my-bazel-9.0.0 in repo: <build>'
setting=(HALFPIPE_BAZEL=../bin/my-bazel)
directory=repo/tools run build
expect_status 1
: > "$box/calls"
directory=home run build
expect_calls 'my-bazel-9.0.0 in repo: <build>'
setting=(HALFPIPE_BAZEL=nowhere/bazel)
run build
expect_status 1
expect_output 'HALFPIPE_BAZEL is nowhere/bazel'

# Only Bazel's own output is on stdout, and apt-get is not heard where all goes well.
machine stdout_is_bazels
sed -i '2a echo "apt-get talks"; echo "apt-get talks" >&2' "$box/bin/apt-get"
[[ $(cd "$box/repo" && env -i PATH="$box/bin:$box/real" HOME="$box/home" tools/bazelw build \
  2> "$box/output") == 'stdout of no_version' ]] || fail 'stdout is not that of Bazel'
expect_no_output 'apt-get talks'

echo "$failures failures"
[[ $failures -eq 0 ]]
