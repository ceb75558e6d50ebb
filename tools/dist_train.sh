#!/usr/bin/env bash
# Train on N processes; several machines, restarts and timeouts as in tools/dist.py --help.
#   tools/dist_train.sh CONFIG N [arguments of tools/train.py]
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
exec python "$(dirname "$0")/dist.py" train "$2" "$1" "${@:3}"
