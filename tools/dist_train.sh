#!/usr/bin/env bash
# Train on N processes; several machines as in tools/dist.sh.
#   tools/dist_train.sh CONFIG N [arguments of tools/train.py]
set -euo pipefail
[ $# -ge 2 ] || { sed -n 2,3p "$0" >&2; exit 2; }
exec "$(dirname "$0")/dist.sh" train.py "$2" "$1" "${@:3}"
