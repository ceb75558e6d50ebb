"""What to change in a config that needs more memory than the device has."""

import inspect

from mmengine.optim import OptimWrapper
from mmengine.runner import BaseLoop
from torch import nn

from .recomputation import optim_wrappers

# Argument of a backbone -> key of the recomputation below it.
WITH_CP = dict(with_cp='with_cp', block='block.with_cp')


def advise(loop: BaseLoop, loader: str) -> str:
    """The keys that reduce memory, with their present values.

    Args:
        loop: Of training, validation or testing.
        loader: The key of its loader in the config.
    """
    runner = loop.runner
    given = f'{loader}.batch_size={loop.dataloader.batch_size}'
    if loader != 'train_dataloader':
        return f'{given}; allowed: a smaller one'
    options = [f'{given}; allowed: a smaller one']
    for wrapper in optim_wrappers(runner.optim_wrapper):
        count = wrapper._accumulative_counts
        options.append(
            f'with a larger optim_wrapper.accumulative_counts (now {count}) for the same step'
        )
        if type(wrapper) is OptimWrapper:
            options.append('--amp (now float32)')
        break
    if not runner.cfg.get('activation_checkpointing'):
        options += _get_recomputation(runner.bare_model)
    return ', '.join(options)


def _get_recomputation(model: nn.Module) -> list[str]:
    """How activations can be computed again, if they are not yet."""
    if any(getattr(module, 'with_cp', False) for module in model.modules()):
        return []
    backbone = getattr(model, 'backbone', model)
    arguments = {
        name for kind in type(backbone).__mro__[:-1] for name in inspect.signature(kind).parameters
    }
    for argument, key in WITH_CP.items():
        if argument in arguments:
            return [f'model.backbone.{key}=True (now False)']
    parts = [
        f"'backbone.{name}'"
        for name, child in backbone.named_children()
        if isinstance(child, nn.Sequential)
    ]
    return [f'activation_checkpointing=[{", ".join(parts[:4])}] (now none)'] if parts else []
