#!/usr/bin/env bash
# Test on a slurm cluster and wait; GPUS, SRUN_ARGS and others as in tools/slurm.sh.
#   tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [arguments of tools/test.py]
set -euo pipefail
[ $# -ge 4 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
exec "$(dirname "$0")/slurm.sh" test.py "$@"
