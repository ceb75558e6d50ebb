"""Modules that are computed again in the backward pass, to store fewer activations."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from mmengine.config import Config
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn

from senet_mm.models.backbones.base import Block
from senet_mm.utils.meta import recomputing_modules
from senet_mm.utils.options import suggest
from senet_mm.utils.recompute import buffers_kept, recompute

if TYPE_CHECKING:
    from .runner import Runner

# Keys of a config with paths of modules in the model.
PATH_KEYS = ('activation_checkpointing', 'efficient_conv_bn_eval')


class Checkpointed:
    """The forward of a module, computed again in the backward pass.

    mmengine's also recomputes without gradients, where it fails on the meta device, and gives no
    gradients to a module whose input has none. An object: deepcopy takes the module along.

    Args:
        module: The module.
        forward: Its own forward.
    """

    def __init__(self, module: nn.Module, forward: Callable[..., object]) -> None:
        self.module = module
        self.forward = forward

    def __call__(self, *args: object, **kwargs: object) -> object:
        return recompute(self.module, self.forward, *args, **kwargs)


class Backward:
    """The backward pass of an optimizer wrapper, for modules that checkpoint by themselves.

    timm and mmpretrain call ``torch.utils.checkpoint`` without contexts, so that their norms would
    move the running statistics twice. All that a backward pass does to buffers is undone.
    """

    def __init__(self, modules: list[nn.Module], backward: Callable[..., None]) -> None:
        self.modules = modules
        self.backward = backward

    def __call__(self, loss: Tensor, **kwargs: object) -> None:
        with buffers_kept(self.modules):
            self.backward(loss, **kwargs)


def set_up_recomputation(runner: 'Runner') -> None:
    """Give modules that are computed again the results of modules that are computed once.

    Args:
        runner: About to train; mmengine has wrapped the modules of ``activation_checkpointing``.
    """
    checkpoint_modules(runner.bare_model, get_paths(runner.cfg, 'activation_checkpointing'))
    # Our blocks see to their own buffers.
    others = [
        module
        for module, _ in recomputing_modules(runner.bare_model)
        if not isinstance(module, Block)
    ]
    for wrapper in optim_wrappers(runner.optim_wrapper) if others else ():
        if not isinstance(wrapper.backward, Backward):
            wrapper.backward = Backward(others, wrapper.backward)


def checkpoint_modules(model: nn.Module, paths: Iterable[str]) -> None:
    """Compute the modules at some paths of a model again in the backward pass."""
    for path in paths:
        module = model.get_submodule(path)
        forward = getattr(module.forward, '__wrapped__', module.forward)
        if not isinstance(forward, Checkpointed):
            forward = Checkpointed(module, forward)
        module.forward = forward


def get_paths(cfg: Config, key: str) -> list[str]:
    """The paths that a key gives: none, one or a list of them."""
    paths = cfg.get(key) or []
    return [paths] if isinstance(paths, str) else list(paths)


def check_paths(cfg: Config, model: nn.Module) -> None:
    """Raise a ValueError for a path of ``PATH_KEYS`` without a module that runs, or given twice."""
    runnable = {
        path
        for path, module in model.named_modules()
        if path and not isinstance(module, (nn.ModuleList, nn.ModuleDict))
    }
    for key in PATH_KEYS:
        paths = get_paths(cfg, key)
        for path in paths:
            if paths.count(path) > 1:
                raise ValueError(f'{key}: {path!r} is there twice; allowed: each module once')
            if path not in runnable:
                raise ValueError(
                    f'{key}: {type(model).__name__} runs no module {path!r}; allowed: the path of '
                    f'a module that has a forward{suggest(path, runnable)}'
                )


def optim_wrappers(optim_wrapper: OptimWrapper | OptimWrapperDict) -> Iterator[OptimWrapper]:
    """The optimizer wrappers of a run."""
    if isinstance(optim_wrapper, OptimWrapperDict):
        yield from optim_wrapper.values()
    else:
        yield optim_wrapper
