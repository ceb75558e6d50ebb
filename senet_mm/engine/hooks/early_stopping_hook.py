"""Early stopping that survives an interruption."""

from typing import TYPE_CHECKING

from mmengine.hooks import EarlyStoppingHook as _EarlyStoppingHook

from senet_mm.registry import HOOKS
from senet_mm.utils.options import check_integer

if TYPE_CHECKING:
    from senet_mm.engine.runner import Runner


@HOOKS.register_module()
class EarlyStoppingHook(_EarlyStoppingHook):
    """mmengine's hook, whose count and best score are part of checkpoints.

    Args:
        monitor: Name of the score.
        patience: Validations without a better score after which the training ends.
        **kwargs: Other arguments of mmengine's hook.
    """

    def __init__(self, monitor: str, *, patience: int = 5, **kwargs: object) -> None:
        check_integer('patience', patience)
        super().__init__(monitor, patience=patience, **kwargs)

    def before_run(self, runner: 'Runner') -> None:
        super().before_run(runner)
        self._loop = runner.train_loop

    def state_dict(self) -> dict:
        """Best score, validations without a better one, and whether the training is to end."""
        return dict(
            best_score=self.best_score,
            wait_count=self.wait_count,
            stopped=self._loop.stop_training,
        )

    def load_state_dict(self, state: dict) -> None:
        """Go on from a state of :meth:`state_dict`."""
        self.best_score, self.wait_count = state['best_score'], state['wait_count']
        self._loop.stop_training = state['stopped']
