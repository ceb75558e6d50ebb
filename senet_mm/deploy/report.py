"""Speed and memory of a deployed classifier, the differences of its logits, its accuracy."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from senet_mm.utils.measure import interleave, peak_memory
from senet_mm.utils.names import printable

# Images (N, C, H, W) to logits (N, classes).
Predict = Callable[[Tensor], Tensor]


def make_batch(images: Tensor, size: int) -> Tensor:
    """A batch of a size from images (N, C, H, W), repeated where they are too few."""
    return images.repeat(-(-size // len(images)), 1, 1, 1)[:size].contiguous()


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
    many = make_batch(images, batch_size)
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


def get_top1(logits: Tensor) -> Tensor:
    """The class with the largest logit, (N, classes) -> (N,); -1 where one is not finite."""
    return logits.argmax(1).where(logits.isfinite().all(1), -1)


def count_right(logits: Tensor, labels: Tensor) -> Tensor:
    """Whether images are classified as labelled, (N, classes) and (N,) -> (N,)."""
    return get_top1(logits) == labels


def compare_logits(
    before: Tensor, after: Mapping[str, Tensor], labels: Tensor | None
) -> dict[str, list[str]]:
    """Logits of other forms of a classifier beside its own: cells by row of a table.

    The drop of the accuracy has a 95 % interval, from the images on which the two differ.

    Args:
        before: Its own, (N, classes).
        after: Those of the other forms, by name.
        labels: Classes of the images, (N,); None leaves out the accuracy.
    """
    number = len(before)
    rows: dict[str, list[str]] = {}
    if labels is not None:
        right = count_right(before, labels).double()
        each = [count_right(logits, labels).double() for logits in after.values()]
        rows['accuracy (%)'] = [f'{100 * r.mean().item():.2f}' for r in (right, *each)]
        rows['drop (points, 95 % interval)'] = ['', *(_describe_drop(right - r) for r in each)]
    same = [(get_top1(before) == get_top1(logits)).sum().item() for logits in after.values()]
    rows['same top-1'] = ['', *(f'{count} of {number} images' for count in same)]
    differences = [logits - before for logits in after.values()]
    rows['largest logit difference'] = ['', *(f'{d.abs().max().item():.4g}' for d in differences)]
    roots = [d.square().mean().sqrt().item() for d in differences]
    rows['its root mean square'] = ['', *(f'{root:.4g}' for root in roots)]
    return rows


def _describe_drop(losses: Tensor) -> str:
    """Mean of what images lose, 1, 0 or -1, in percentage points, and its interval."""
    drop, error = 100 * losses.mean().item(), 196 * losses.std().item() / len(losses) ** 0.5
    return f'{drop:.2f} ({drop - error:.2f} to {drop + error:.2f})'


def compare_by_class(
    before: Tensor, after: Tensor, labels: Tensor, classes: Sequence[str] | None
) -> list[dict[str, Any]]:
    """A row for each class that the images have.

    Args:
        before: Logits of the classifier, (N, classes).
        after: Logits of another form of it, (N, classes).
        labels: Classes of the images, (N,).
        classes: Names of the classes.
    """
    rows: list[dict[str, Any]] = []
    for label in labels.unique().tolist():
        old, new = before[labels == label], after[labels == label]
        known = classes is not None and label < len(classes)
        rows.append({
            'class': printable(classes[label]) if classes is not None and known else label,
            'images': len(old),
            'accuracy before (%)': round(100 * (get_top1(old) == label).double().mean().item(), 2),
            'accuracy after (%)': round(100 * (get_top1(new) == label).double().mean().item(), 2),
            'same top-1': (get_top1(old) == get_top1(new)).sum().item(),
            'mean logit difference': round((new - old).abs().mean().item(), 4),
        })  # fmt: skip
    return rows
