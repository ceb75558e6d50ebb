#!/usr/bin/env bash
# Train on a slurm cluster and wait; GPUS, SRUN_ARGS and others as in tools/slurm.sh.
#   tools/slurm_train.sh PARTITION JOB_NAME CONFIG [arguments of tools/train.py]
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
exec "$(dirname "$0")/slurm.sh" train.py "$@"
