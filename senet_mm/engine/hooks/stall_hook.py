"""Runs that hang end."""

import contextlib

from mmengine.hooks import Hook

from senet_mm.engine.stall import Progress
from senet_mm.registry import HOOKS
from senet_mm.utils.errors import InputError


@HOOKS.register_module()
class StallHook(Hook):
    """Ends a run with exit code 124 when no iteration begins or ends for too long.

    On several processes the line names the one for which the others wait.

    Args:
        timeout: In seconds; longer than the first compilation, a validation's metrics, and whatever
            one process does while the others wait. None for no limit.

    Raises:
        ValueError: ``timeout`` is not above 0.
    """

    def __init__(self, timeout: float | None = 900) -> None:
        if timeout is not None and not timeout > 0:
            raise InputError(f'timeout={timeout} of StallHook; allowed: above 0, or None')
        self.progress = None if timeout is None else Progress(timeout)

    def watched(self) -> contextlib.AbstractContextManager[None]:
        """Within it, the run ends when it stalls."""
        return self.progress.watched() if self.progress else contextlib.nullcontext()

    def _step(self, *args: object, **kwargs: object) -> None:
        if self.progress:
            self.progress.step()

    # mmengine calls these for training, validation and test alike.
    _before_epoch = _after_epoch = _before_iter = _after_iter = _step
