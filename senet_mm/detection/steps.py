"""Optimizer steps in the training of a detector."""

from collections.abc import Callable, Sequence

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from senet_mm.engine.batch_report import describe_batches
from senet_mm.engine.finite import Guard
from senet_mm.utils.errors import NonFiniteError

MAX_NORM = 10
# After so many steps in a row that were left out, the training ends.
PATIENCE = 10


class Steps:
    """Takes steps by a clipped gradient; leaves out those that are not finite: :class:`.Guard`.

    Args:
        detector: The detector.
        optimizer: Its optimizer.
        lr: Highest learning rate, for messages.
        get_path: The path of the image with a number.
    """

    def __init__(
        self,
        detector: nn.Module,
        optimizer: torch.optim.Optimizer,
        lr: float,
        get_path: Callable[[int], str],
    ) -> None:
        self._wrapper = OptimWrapper(optimizer, clip_grad=dict(max_norm=MAX_NORM))
        self._guard = Guard(detector, [self._wrapper], bool)
        self._lr, self._get_path = lr, get_path
        self._in_row = 0

    def begin(self, targets: Sequence[dict]) -> None:
        """Before the forward pass of a batch."""
        self._guard.begin([target['image_id'] for target in targets])

    def take(self, losses: dict[str, Tensor]) -> float | None:
        """Take the step of a batch; returns the sum of its losses, None where it is left out.

        Raises:
            NonFiniteError: Too many in a row are left out.
        """
        loss = sum(losses.values(), torch.tensor(0.0))
        self._wrapper.update_params(loss)
        if not self._guard.skipped:
            self._in_row = 0
            return loss.item()
        self._in_row += 1
        what = describe_batches(self._guard.batches, self._get_path)
        if self._in_row == PATIENCE:
            raise NonFiniteError(
                f'{PATIENCE} steps in a row were left out at lr={self._lr}, the last with {what}; '
                'allowed: a lower lr, images without damage'
            )
        print(f'step left out: {what}', flush=True)
        return None
