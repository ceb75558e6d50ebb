#!/usr/bin/env bash
# Test on N processes; several machines, restarts and timeouts as in tools/dist.py --help.
#   tools/dist_test.sh CONFIG CHECKPOINT N [arguments of tools/test.py]
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
exec python "$(dirname "$0")/dist.py" test "$3" "$1" "$2" "${@:4}"
