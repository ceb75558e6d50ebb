"""Where a network looks: class activation maps (Selvaraju et al., Grad-CAM, arXiv:1610.02391).

The package ``grad-cam`` (the extra ``cam``) computes them. Of a network that ends in global average
pooling and one fully connected layer, Grad-CAM of the last map is CAM (Zhou et al.,
arXiv:1512.04150).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from matplotlib import colormaps
from torch import Tensor, nn

from senet_mm.models import ImageClassifier
from senet_mm.models.recalibration import name_block
from senet_mm.utils.errors import InputError

# Colours of 0 to 1: readable for the colour-blind, and in grey.
COLOURS = colormaps['viridis']
# How much of the picture is left below the colours.
LEFT = 0.5


class _Tapped(nn.Module):
    """Scores of images, (N, classes); ``tap`` gets the backbone's last map, (N, C, H, W)."""

    def __init__(self, model: ImageClassifier) -> None:
        super().__init__()
        self.model = model
        self.tap = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        maps = self.model.backbone(images)
        last = maps[-1] if isinstance(maps, tuple | list) else maps
        maps = (self.tap(last),)
        return self.model.head(self.model.neck(maps) if self.model.with_neck else maps)

    def find_last_map(self, images: Tensor) -> nn.Module:
        """The module that gives the last map.

        Of a network like VGG, whose backbone gives scores, it is in the backbone.

        Raises:
            InputError: There is none.
        """
        if next(self.model.head.parameters(), None) is not None:
            return self.tap
        found: list[nn.Module] = []

        def note(module: nn.Module, args: tuple, output: object) -> None:
            if isinstance(output, Tensor) and output.ndim == 4 and output[0, 0].numel() > 1:
                found.append(module)

        hooks = [each.register_forward_hook(note) for each in self.modules()]
        try:
            with torch.no_grad():
                self(images[:1])
        finally:
            for hook in hooks:
                hook.remove()
        if not found:
            raise InputError(_say_no_map('the network', self.model))
        return found[-1]


def compute_cam(
    model: ImageClassifier,
    images: Tensor,
    classes: Sequence[int] | None = None,
    layer: str | None = None,
) -> np.ndarray:
    """How much the places of images speak for a class, float32 (N, H, W) from 0 to 1.

    The largest value of an image is 1, unless no place speaks for the class: then all are 0. Of a
    map of one place, as of pictures that are small for a network, all are 1.
    Calls for one model must follow each other, since its modules get hooks.

    Args:
        model: The network, in evaluation mode.
        images: Preprocessed images, (N, C, H, W).
        classes: Of each image the class; None for the predicted ones.
        layer: Block by its name in the figures, such as ``SE_4_6``, or the path of a module, whose
            output is (N, C, H, W); None for the backbone's last map.

    Raises:
        InputError: There is no such layer, its output is no map, or the package is missing.
    """
    try:
        from pytorch_grad_cam import GradCAM
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    except ImportError as error:
        raise InputError(
            "class activation maps need grad-cam; install it: pip install 'senet_mm[cam]'"
        ) from error
    tapped = _Tapped(model)
    target = tapped.find_last_map(images) if layer is None else find_layer(model, layer)
    targets = None if classes is None else [ClassifierOutputTarget(label) for label in classes]
    with torch.enable_grad(), _frozen(model), GradCAM(tapped, [target]) as cam:
        try:
            found = cam(images.detach().clone().requires_grad_(), targets)
        except (AttributeError, IndexError, ValueError) as error:
            what = type(model.backbone).__name__ if layer is None else f'layer {layer!r}'
            raise InputError(_say_no_map(what, model)) from error
        kept = cam.activations_and_grads
        maps, gradients = kept.activations[0], kept.gradients[0]
    found = np.nan_to_num(found.astype(np.float32))
    if maps[0, 0].numel() == 1:  # the package would subtract the least value
        found[(maps * gradients).sum((1, 2, 3)).cpu().numpy() > 0] = 1
    return found


def describe_look(cam: np.ndarray, name: str) -> str:
    """What a map shows: where a network looked for a class, or that it says nothing of where."""
    if not cam.any():
        return f'no place speaks for {name}'
    if cam.min() == cam.max():
        return f'all places speak alike for {name}'
    return f'where it looked for {name}'


def find_layer(model: nn.Module, name: str) -> nn.Module:
    """A block by its name in the figures, or a module by its path.

    Raises:
        InputError: There is none.
    """
    modules = dict(model.named_modules())
    # Of a block and what is in it, all of one name, the block comes first.
    for path, module in reversed(list(modules.items())):
        modules[name_block(path)] = module
    if not name or name not in modules:
        raise InputError(f'layer={name!r} is not known; allowed: {_some_layers(model)}')
    return modules[name]


def _say_no_map(what: str, model: nn.Module) -> str:
    return (
        f'{what} gives no map (N, C, H, W) that the scores depend on; allowed: '
        f'{_some_layers(model)}'
    )


def _some_layers(model: nn.Module) -> str:
    names = dict.fromkeys(name_block(path) for path, _ in model.named_modules() if path)
    blocks = [name for name in names if name.startswith('SE_')] or list(names)
    return f'a block ({", ".join(blocks[-4:])}, ...) or the path of a module'


@contextmanager
def _frozen(model: nn.Module) -> Iterator[None]:
    """Within it a backward pass leaves no gradients at the parameters."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_()


def overlay(image: np.ndarray, cam: np.ndarray) -> np.ndarray:
    """A picture below the colours of its map, uint8 RGB (H, W, 3).

    Args:
        image: uint8 RGB (H, W, 3) or grey (H, W, 1), as the network saw it.
        cam: The map, (H, W), from 0 to 1.
    """
    colours = COLOURS(cam)[..., :3] * 255
    return np.rint(LEFT * image + (1 - LEFT) * colours).astype(np.uint8)
