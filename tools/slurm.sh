#!/usr/bin/env bash
# Run a tool on a slurm cluster and wait for it: one process per GPU, or on CPUs with GPUS=0.
#   [GPUS=8] [GPUS_PER_NODE=8] [CPUS_PER_TASK=5] [TASKS=1, with GPUS=0] [SRUN_ARGS=...] \
#   tools/slurm.sh TOOL PARTITION JOB_NAME [arguments of the tool]
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
fail() { echo "error: $1" >&2; exit 2; }

command -v srun >/dev/null \
    || fail 'no command srun; allowed: a machine of a slurm cluster, or tools/dist_train.sh elsewhere'
gpus="${GPUS:-8}"
[[ "$gpus" =~ ^(0|[1-9][0-9]*)$ ]] || fail "GPUS=$gpus; allowed: a number, 0 for CPUs"
partitions="$(sinfo --all --noheader --format=%R)" || exit 2
for partition in ${2//,/ }; do
    grep -qxF -- "$partition" <<<"$partitions" \
        || fail "partition $partition does not exist; allowed: ${partitions//$'\n'/, }"
done

if [ "$gpus" = 0 ]; then
    cpus="${CPUS_PER_TASK:-1}"
    resources=(--ntasks="${TASKS:-1}")
    export CUDA_VISIBLE_DEVICES=
else
    cpus="${CPUS_PER_TASK:-5}"
    per_node="${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}"
    resources=(--ntasks="$gpus" --ntasks-per-node="$per_node" --gres="gpu:$per_node")
fi
# When one process has ended, the others have so many seconds, in which they save.
export SLURM_WAIT="${SLURM_WAIT:-60}"
# Not all clusters bind processes to their cores.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$cpus}"
export MKL_NUM_THREADS="${MKL_NUM_THREADS:-$OMP_NUM_THREADS}"
# SRUN_ARGS is a list of words on purpose.
# shellcheck disable=SC2086
exec srun --partition="$2" --job-name="$3" "${resources[@]}" --cpus-per-task="$cpus" \
    ${SRUN_ARGS:-} \
    python -u "$(dirname "$0")/$1" "${@:4}" --launcher slurm
