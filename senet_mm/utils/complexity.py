"""Parameters and multiply-adds of a network."""

from dataclasses import asdict, dataclass

import torch
from mmengine.analysis import FlopAnalyzer
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from .meta import computing_once, evaluating, run_on_meta


@dataclass
class StageComplexity:
    """One row of the per-stage table.

    Attributes:
        name: Module path below the classifier.
        params: Learned parameters.
        macs: Multiply-adds of convolutions and fully connected layers for one image.
    """

    name: str
    params: int
    macs: int


@dataclass
class Complexity:
    """Parameters of a network, and multiply-adds for one image.

    Attributes:
        shape: Shape of the image, (C, H, W).
        params: Learned parameters of the whole classifier.
        macs: Multiply-adds of convolutions and fully connected layers, biases not counted: the
            paper's FLOPs (3.87 G for SE-ResNet-50).
        flops_openmmlab: mmengine's count, comparable with the OpenMMLab model zoos; it adds
            normalisation, pooling and biases.
        stages: The same by part of the network.
    """

    shape: tuple[int, int, int]
    params: int
    macs: int
    flops_openmmlab: int
    stages: list[StageComplexity]

    def to_dict(self) -> dict:
        """The values as plain data, for JSON and for a checkpoint's meta."""
        return {**asdict(self), 'shape': list(self.shape)}


def count_params(module: nn.Module) -> int:
    """Number of learned parameters, frozen ones included."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_macs(model: nn.Module, shape: tuple[int, int, int]) -> dict[str, int]:
    """Multiply-adds by module path (``''`` is the model) for one image, on the meta device."""
    with FlopCounterMode(display=False) as counter:
        run_on_meta(model, shape)
    root = type(model).__name__
    return {
        path.removeprefix(root).removeprefix('.'): sum(counts.values()) // 2
        for path, counts in counter.get_flop_counts().items()
        if path.partition('.')[0] == root
    }


def count_flops_openmmlab(model: nn.Module, shape: tuple[int, int, int]) -> int:
    """mmengine's count for one image; runs the model once on its own device."""
    device = next(model.parameters()).device
    analyzer = FlopAnalyzer(model, (torch.zeros(1, *shape, device=device),))
    return int(analyzer.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total())


def get_complexity(model: nn.Module, shape: tuple[int, int, int]) -> Complexity:
    """Count a classifier; its mode and weights are left as they are.

    Args:
        model: Anything that maps images (N, C, H, W) to logits.
        shape: Shape of one image, (C, H, W).
    """
    with evaluating(model), computing_once(model):
        macs = count_macs(model, shape)
        flops_openmmlab = count_flops_openmmlab(model, shape)
    stages = [
        StageComplexity(name, count_params(part), macs_of(name, part, macs))
        for name, part in _parts(model)
        if count_params(part)
    ]
    return Complexity(shape, count_params(model), macs[''], flops_openmmlab, stages)


def macs_of(path: str, module: nn.Module, macs: dict[str, int]) -> int:
    """Multiply-adds below a path.

    A container that is not called has the sum of its children. A layer that a forward hook calls at
    the output of the module is added: torch counts it after it has left the module.
    """
    if path not in macs:
        return sum(
            macs_of(f'{path}.{name}', child, macs) for name, child in module.named_children()
        )
    hooked = [getattr(hook, 'layer', None) for hook in module._forward_hooks.values()]
    return macs[path] + sum(
        macs.get(f'{path}.{name}', 0) for name, layer in module.named_modules() if layer in hooked
    )


def _parts(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The children of the backbone, then the other children of the model.

    Of a list of stages, each is a part.
    """
    parts = []
    for name, child in model.named_children():
        if name == 'backbone' or _has_stages(child):
            parts += [(f'{name}.{sub}', part) for sub, part in _parts(child)]
        else:
            parts.append((name, child))
    return parts


def _has_stages(module: nn.Module) -> bool:
    """Whether it is a list of modules with blocks, which have layers in them."""
    return isinstance(module, nn.ModuleList) and any(
        [*block.children()] for stage in module for block in stage.children()
    )
