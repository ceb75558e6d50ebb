#!/usr/bin/env bash
# Measure on one GPU all that this project claims of GPUs, in under 8 minutes, without a network.
#   tools/benchmarks/gpu.sh OUT [--small] [--wheels DIR] [--stages NAME ...] [--anew]
# --wheels installs the wheels of a folder for this run alone; by default those of .whl, if it is
# there. docs/gpu.md says which ones a bare machine needs.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-python3}
wheels=
arguments=()
while [ $# -gt 0 ]; do
    case $1 in
        --wheels) wheels=${2:?--wheels needs a folder}; shift 2 ;;
        *) arguments+=("$1"); shift ;;
    esac
done
[ -n "$wheels" ] || [ ! -d "$root/.whl" ] || wheels=$root/.whl
if [ -n "$wheels" ]; then
    if ! compgen -G "$wheels/*.whl" >/dev/null; then
        echo "error: --wheels $wheels has no wheels; allowed: a folder with .whl files" >&2
        exit 2
    fi
    site=$(mktemp -d)
    trap 'rm -rf "$site"' EXIT
    "$python" -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir \
        --disable-pip-version-check --target "$site" "$wheels"/*.whl
    export PYTHONPATH=$site${PYTHONPATH:+:$PYTHONPATH}
fi
gpu=$root/tools/benchmarks/gpu
"$python" "$gpu/bound.py" $$ "$gpu/run.py" "${arguments[@]}"
