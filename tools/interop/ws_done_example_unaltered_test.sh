#!/bin/bash
# The example of ws_done(3), unaltered: in a network of its own, where www.example.org is the loopback
# address, and wscat serves port 80 of it.
#
#   ws_done_example_unaltered_test.sh EXAMPLE WSCAT
set -euo pipefail

readonly PYTHON=/usr/bin/python3
namespaces=(unshare --user --map-root-user --mount --net)

if [[ $1 != --inside ]]; then
  if ! reason=$("${namespaces[@]}" true 2>&1); then
    echo "skipped: no namespaces for a network of its own: $reason"
    exit 0
  fi
  if [[ ! -x $PYTHON ]]; then
    echo "skipped: there is no $PYTHON, which brings the network up"
    exit 0
  fi
  exec "${namespaces[@]}" "$0" --inside "$@"
fi
example=$2
wscat=$3

echo '127.0.0.1 www.example.org' > "$TEST_TMPDIR/hosts"
mount --bind "$TEST_TMPDIR/hosts" /etc/hosts
"$PYTHON" - << 'END'
import fcntl, socket, struct
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
END

mkfifo "$TEST_TMPDIR/errors"
"$wscat" --listen=127.0.0.1:80 --echo 2> "$TEST_TMPDIR/errors" &
exec 3< "$TEST_TMPDIR/errors"
read -r line <&3
[[ $line == 'listening on ws://127.0.0.1:80/' ]] || {
  echo "wscat says: $line"
  exit 1
}
output=$(timeout 60 "$example")
[[ $output == 'the same 13 bytes came back' ]] || {
  echo "the example says: $output"
  exit 1
}
wait $!
