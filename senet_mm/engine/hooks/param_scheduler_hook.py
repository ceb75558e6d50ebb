"""Steps of schedules that follow the validation."""

from mmengine.hooks import ParamSchedulerHook as _ParamSchedulerHook
from mmengine.runner import Runner

from senet_mm.engine.replay import get_schedulers
from senet_mm.registry import HOOKS

from .result_hook import _is_validated

# In the message hub, which is saved in checkpoints: the iteration of the last validation that a
# schedule has seen.
SEEN = 'schedules_saw_validation_at'


@HOOKS.register_module()
class ParamSchedulerHook(_ParamSchedulerHook):
    """mmengine's hook, by which such a schedule sees each validation once.

    A checkpoint is written before its epoch is validated, and once more if it is the best one. A
    run that is resumed therefore validates first, if its schedules have not seen that yet.
    """

    def before_train_epoch(self, runner: Runner) -> None:
        """Validate where the checkpoint was written without it."""
        if (
            runner.iter > 0
            and runner.val_loop is not None
            and _get_steps(runner)
            and runner.message_hub.get_info(SEEN) != runner.iter
            and _is_validated(runner.train_loop)
        ):
            runner.val_loop.run()

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Step, unless these weights have been validated before."""
        before = _get_steps(runner)
        if before and runner.message_hub.get_info(SEEN) == runner.iter:
            return
        super().after_val_epoch(runner, metrics)
        if _get_steps(runner) != before:
            runner.message_hub.update_info(SEEN, runner.iter)


def _get_steps(runner: Runner) -> list[int]:
    """Steps so far of the schedules that follow the validation; not built in a test."""
    return [
        scheduler.last_step
        for scheduler in get_schedulers(runner.param_schedulers)
        if getattr(scheduler, 'need_val_args', False)
    ]
