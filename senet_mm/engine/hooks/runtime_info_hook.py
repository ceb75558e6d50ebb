"""What a training logs of its learning rates."""

from mmengine.hooks import RuntimeInfoHook as _RuntimeInfoHook
from mmengine.runner import Runner

from senet_mm.registry import HOOKS


@HOOKS.register_module()
class RuntimeInfoHook(_RuntimeInfoHook):
    """mmengine's hook, with the highest learning rate as ``lr`` and, if it differs, ``lowest_lr``.

    mmengine has that of the first group of parameters, which with ``layer_decay`` is the stem's,
    and ``base_lr``, that of no parameter.
    """

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None) -> None:
        """Note the iteration and the learning rates."""
        runner.message_hub.update_info('iter', runner.iter)
        for name, rates in runner.optim_wrapper.get_lr().items():
            if name.endswith('base_lr'):
                continue
            runner.message_hub.update_scalar(f'train/{name}', max(rates))
            if min(rates) < max(rates):
                lowest = f'{name.removesuffix("lr")}lowest_lr'  # of several optimizers: NAME.lr
                runner.message_hub.update_scalar(f'train/{lowest}', min(rates))
