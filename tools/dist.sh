#!/usr/bin/env bash
# Run a tool on N processes of this machine: one per GPU, or on the CPU where there is no GPU.
#   tools/dist.sh TOOL N [arguments of the tool]
# On several machines: the same line on each, with NNODES, NODE_RANK, MASTER_ADDR (and PORT) set.
set -euo pipefail
[ $# -ge 2 ] || { sed -n 2,4p "$0" >&2; exit 2; }

# Without MASTER_ADDR torchrun finds a free port by itself, so that two runs can share a machine.
rendezvous=(--standalone)
if [ -n "${MASTER_ADDR:-}" ]; then
    rendezvous=(--master_addr="$MASTER_ADDR" --master_port="${PORT:-29500}")
fi
# Share the cores; left alone, torchrun and mmengine give one to each process, and warn.
threads=$(($(nproc) / $2))
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$((threads > 0 ? threads : 1))}"
export MKL_NUM_THREADS="${MKL_NUM_THREADS:-$OMP_NUM_THREADS}"
exec python -m torch.distributed.run "${rendezvous[@]}" \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --nproc_per_node="$2" \
    "$(dirname "$0")/$1" "${@:3}" --launcher pytorch
