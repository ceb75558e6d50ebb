"""Speed and memory of a deployed classifier, and the differences of its logits."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from senet_mm.utils.measure import interleave, peak_memory

# Images (N, C, H, W) to logits (N, classes).
Predict = Callable[[Tensor], Tensor]


def make_report(
    before: Predict, after: Predict, images: Tensor, batch_size: int, rounds: int
) -> dict[str, dict[str, object]]:
    """Compare a classifier before and after deployment: values by row and column of a table.

    Args:
        before: The trained classifier, (N, C, H, W) -> (N, classes).
        after: The deployed one.
        images: Preprocessed real images, (N, C, H, W).
        batch_size: Images of a batch, for the throughput.
        rounds: Number of timed calls.
    """
    runs = dict(before=before, after=after)
    one = images[:1].contiguous()
    many = images.repeat(-(-batch_size // len(images)), 1, 1, 1)[:batch_size].contiguous()
    latency = interleave({k: partial(run, one) for k, run in runs.items()}, rounds)
    batch = interleave({k: partial(run, many) for k, run in runs.items()}, rounds)
    memory = {k: peak_memory(partial(run, many)) for k, run in runs.items()}
    logits = {
        k: torch.cat([run(part.contiguous()).cpu() for part in images.split(batch_size)])
        for k, run in runs.items()
    }
    # The argmax of NaN is a class, too.
    finite = torch.stack([values.isfinite().all(1) for values in logits.values()]).all(0)
    same = finite & (logits['before'].argmax(1) == logits['after'].argmax(1))
    broken = f', {int((~finite).sum())} with logits that are not finite' if not finite.all() else ''
    difference = (logits['before'] - logits['after']).abs().max().item()
    return {
        'latency of one image': {k: str(v) for k, v in latency.items()}
        | dict(ratio=latency['before'].median / latency['after'].median),
        f'batch of {batch_size}': {k: str(v) for k, v in batch.items()}
        | dict(ratio=batch['before'].median / batch['after'].median),
        'images/s': {k: round(batch_size / v.median, 1) for k, v in batch.items()},
        'memory beyond the model (MiB)': {k: round(v / 2**20, 1) for k, v in memory.items()},
        'largest logit difference': dict(after=difference),
        'spread of the logits': dict(before=logits['before'].std().item()),
        'same top-1': dict(after=f'{int(same.sum())} of {len(same)} images{broken}'),
    }
