"""Counts parameters and FLOPs once, at the start."""

from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner

from senet_mm.engine.dry_evaluation import describe_mismatch
from senet_mm.registry import HOOKS
from senet_mm.utils.complexity import Complexity, get_complexity
from senet_mm.utils.errors import InputError


@HOOKS.register_module()
class ComplexityHook(Hook):
    """Count parameters and FLOPs at the start of training and testing, for the table of the run.

    The image has the shape ``input_shape`` of the config, (C, H, W). The same numbers go into the
    ``meta`` of every checkpoint, and to other loggers than the local file.
    """

    complexity: Complexity | None = None

    def before_train(self, runner: Runner) -> None:
        self._measure(runner)

    def before_test(self, runner: Runner) -> None:
        self._measure(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if self.complexity is not None:
            checkpoint['meta']['complexity'] = self.complexity.to_dict()

    def describe(self) -> tuple[str, str]:
        """Parameters and FLOPs, and what is counted, for the table at the start."""
        numbers = self.complexity
        assert numbers
        unit, name = (1e9, 'GFLOPs') if numbers.macs >= 1e9 else (1e6, 'MFLOPs')
        return (
            f'{numbers.params:,} parameters, {numbers.macs / unit:,.2f} {name} '
            f'for an image of {"x".join(map(str, numbers.shape))}',
            'multiply-adds of conv and fc; '
            f"by OpenMMLab's count {numbers.flops_openmmlab / unit:,.2f} {name}",
        )

    def _measure(self, runner: Runner) -> None:
        model = runner.model
        while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
            model = model.module
        shape = tuple(runner.cfg.input_shape)
        try:
            self.complexity = get_complexity(model, shape)
        except RuntimeError as error:
            reason = describe_mismatch(model, shape, error)
            raise InputError(f'input_shape={shape}: {reason}') from error
        numbers = self.complexity
        if runner.iter:  # a resumed run has logged them at its start
            return
        runner.visualizer.add_scalars(
            {
                'complexity/params': numbers.params,
                'complexity/macs': numbers.macs,
                'complexity/flops_openmmlab': numbers.flops_openmmlab,
            }
        )
