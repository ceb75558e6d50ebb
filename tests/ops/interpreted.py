"""The Triton kernels on the CPU, in Triton's interpreter (``TRITON_INTERPRET=1``).

Prints a line per type and layout: the largest relative error of output and gradients, against
float64 on the same rounded inputs.
"""

import copy
import sys

import torch
from torch import nn

from senet_mm.models import SELayer
from senet_mm.ops import fused, norm_relu_conv, se_tail

from ..models.plain import disturb


def errors(tail, z, r, modules):
    results = []
    for dtype in (z.dtype, torch.float64):
        inputs = [x.detach().to(dtype).requires_grad_() for x in (z, r)]
        acc = torch.float64 if dtype == torch.float64 else torch.float32
        own = [copy.deepcopy(module).to(acc) for module in modules]
        out = tail(*inputs, *own, 'reference' if dtype == torch.float64 else 'fused')
        weights = torch.linspace(-1, 1, out.numel()).view_as(out).to(z.dtype).to(dtype)
        (out * weights).sum().backward()
        grads = [x.grad for x in inputs if x.grad is not None]
        results.append([out.detach(), *grads, *(p.grad for m in own for p in m.parameters())])
    return [((a.double() - b).norm() / b.norm()).item() for a, b in zip(*results, strict=True)]


def tail(z, r, norm, se, implementation):
    return se_tail(z, r, norm, se, implementation=implementation)


def norm_relu(z, r, norm, se, implementation):
    return norm_relu_conv(1 * z, norm, nn.Identity(), implementation)


def main():
    torch.manual_seed(0)
    # The interpreter cuts bfloat16 off instead of rounding: of a norm that does next to nothing
    # every value would be a whole unit too low.
    norm, se = disturb(nn.BatchNorm2d(72)), SELayer(72, ratio=4)
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        for layout in (torch.contiguous_format, torch.channels_last):
            z = (3 + torch.randn(2, 72, 5, 7)).to(dtype).contiguous(memory_format=layout)
            r = torch.randn(2, 72, 5, 7).to(dtype).contiguous(memory_format=layout)
            assert fused.backend(z).__name__ == 'senet_mm.ops.kernels'
            for training in (True, False):
                found = errors(tail, z, r, [norm.train(training), se])
                found += errors(lambda *args: norm_relu(*args[:3], None, args[-1]), z, r, [norm])
                kind = 'train' if training else 'eval'
                print(str(dtype)[6:], str(layout)[6:], kind, max(found))


if __name__ == '__main__':
    sys.exit(main())
