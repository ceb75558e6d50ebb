"""One of two ranks with uneven batches: SyncBN in every fast form against the whole batch."""

import copy
import sys

import torch
import torch.distributed as dist
from torch import nn

from senet_mm.models import SELayer
from senet_mm.ops import norm_relu_conv, se_tail

SIZES = (1, 3)


def run(norm, se, z, r, weights, implementation):
    z, r = z.clone().requires_grad_(), r.clone().requires_grad_()
    for _ in range(3):
        out = se_tail(z, r, norm, se, implementation=implementation)
    if implementation != 'algebra':
        out = out + norm_relu_conv(1 * z, norm, nn.Identity(), implementation, lean=True)
    (out * weights).sum().backward()
    grads = [p.grad for module in (norm, se) for p in module.parameters()]
    return [out.detach(), z.grad, r.grad], grads, [norm.running_mean, norm.running_var]


def main(rank, file):
    dist.init_process_group('gloo', f'file://{file}', rank=rank, world_size=2)
    torch.manual_seed(0)
    z, r, weights = torch.randn(3, sum(SIZES), 8, 3, 5, dtype=torch.float64)
    se = SELayer(8, ratio=2).double()
    mine = slice(0, 1) if rank == 0 else slice(1, 4)
    for implementation in ('fused', 'algebra'):
        norm = nn.BatchNorm2d(8).double()
        sync = nn.SyncBatchNorm(8).double()
        sync.load_state_dict(norm.state_dict())
        own = run(sync, copy.deepcopy(se), z[mine], r[mine], weights[mine], implementation)
        whole = run(norm, copy.deepcopy(se), z, r, weights, implementation)
        for grad in own[1]:
            dist.all_reduce(grad)  # DDP's sum: the layers' own gradients are local
        pairs = [(a, b[mine]) for a, b in zip(own[0], whole[0], strict=True)]
        pairs += [*zip(own[1] + own[2], whole[1] + whole[2], strict=True)]
        worst = max(((a - b).norm() / b.norm()).item() for a, b in pairs)
        print(implementation, worst)
    dist.destroy_process_group()


if __name__ == '__main__':
    main(int(sys.argv[1]), sys.argv[2])
