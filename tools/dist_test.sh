#!/usr/bin/env bash
# Test on N processes; several machines as in tools/dist.sh.
#   tools/dist_test.sh CONFIG CHECKPOINT N [arguments of tools/test.py]
set -euo pipefail
[ $# -ge 3 ] || { sed -n 2,3p "$0" >&2; exit 2; }
exec "$(dirname "$0")/dist.sh" test.py "$3" "$1" "$2" "${@:4}"
