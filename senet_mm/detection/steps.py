"""Optimizer steps in the training of a detector."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from senet_mm.engine.finite import Buffers
from senet_mm.utils.errors import NonFiniteError

MAX_NORM = 10
# After so many steps in a row that were left out, the training ends.
PATIENCE = 10


class Steps:
    """Takes steps by a clipped gradient; leaves out those whose loss or gradient is not finite.

    What is left out changes neither weights nor optimizer nor running statistics, and is printed.

    Args:
        detector: The detector.
        optimizer: Its optimizer.
        lr: Highest learning rate, for messages.
        name: Names the images of a batch by its targets.
    """

    def __init__(
        self,
        detector: nn.Module,
        optimizer: torch.optim.Optimizer,
        lr: float,
        name: Callable[[Sequence[dict]], str],
    ) -> None:
        self._optimizer, self._lr, self._name = optimizer, lr, name
        self._buffers = Buffers(detector)
        self._in_row = 0

    def begin(self) -> None:
        """Before the forward pass of a batch."""
        self._buffers.take()

    def take(self, losses: dict[str, Tensor], targets: Sequence[dict]) -> float | None:
        """Take the step of a batch; returns the sum of its losses, None where it is left out.

        Raises:
            NonFiniteError: Too many in a row are left out.
        """
        loss = sum(losses.values(), torch.tensor(0.0))
        self._optimizer.zero_grad()
        loss.backward()
        parameters = [p for group in self._optimizer.param_groups for p in group['params']]
        norm = float(torch.nn.utils.clip_grad_norm_(parameters, MAX_NORM))
        value = loss.item()
        if math.isfinite(value) and math.isfinite(norm):
            self._optimizer.step()
            self._in_row = 0
            return value
        self._buffers.put_back()
        self._in_row += 1
        what = f'loss {value:g}, norm of the gradient {norm:g}, images {self._name(targets)}'
        if self._in_row == PATIENCE:
            raise NonFiniteError(
                f'{PATIENCE} steps in a row were left out at lr={self._lr}, the last with {what}; '
                'allowed: a lower lr, images without damage'
            )
        print(f'step left out: {what}', flush=True)
        return None
