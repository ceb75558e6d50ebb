"""Our classifiers with the weights of other networks, which come through files and the tool."""

import os
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from senet_mm.apis import get_config
from senet_mm.converters import CaffeLayer, CaffeModel, write_caffemodel
from senet_mm.converters.tensor_files import write_tensors
from senet_mm.engine import load_from_local, load_strictly
from senet_mm.models import ImageClassifier
from senet_mm.registry import MODELS

from ..conftest import load_tool
from .caffe_interpreter import (
    Blobs,
    Layer,
    draw_affine,
    draw_linear,
    draw_statistics,
    load_nets,
)

NETS = load_nets()
CONFIGS = {
    'SE-BN-Inception': 'se-bn-inception-caffe_8xb32_in1k',
    'SE-ResNet-50': 'seresnet50-caffe_8xb32_in1k',
    'SE-ResNet-101': 'seresnet101-caffe_8xb32_in1k',
    'SE-ResNet-152': 'seresnet152-caffe_8xb32_in1k',
    'SE-ResNeXt-50': 'seresnext50-32x4d-caffe_8xb32_in1k',
    'SE-ResNeXt-101': 'seresnext101-32x4d-caffe_8xb32_in1k',
    'SENet-154': 'senet154-caffe_64xb32-100e_in1k',
}


def convert(
    kind: str, src: Path, dst: Path, model: str, *options: str, order: str = 'sorted'
) -> None:
    """What the command line does, in this process."""
    tool = load_tool('tools/model_converters/convert.py')
    options = ('--model', model, '--class-order', order, *options)
    tool.main(tool.parse_args([kind, str(src), str(dst), *options]))


def build(config: str) -> ImageClassifier:
    """The classifier of a config, in eval mode."""
    return MODELS.build(get_config(config).model).eval()


def load(model: ImageClassifier, checkpoint: Path) -> ImageClassifier:
    """The classifier with the weights of a file; each of them must be there."""
    load_strictly(model, load_from_local(str(checkpoint)), str(checkpoint))
    return model


def image(side: int, batch: int = 1) -> Tensor:
    """Noise, (N, 3, side, side), in the range of an image with its mean subtracted."""
    return 60 * torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(1))


def resize(layers: list[Layer], side: int) -> list[Layer]:
    """The layers for another image: the last pooling, 7x7 for 224, takes the whole map."""
    return [
        layer._replace(kernel=side // 32) if layer.name == 'pool5/7x7_s1' else layer
        for layer in layers
    ]


def caffe_model(layers: list[Layer], blobs: Blobs) -> CaffeModel:
    """A trained network as Caffe saves it, layers without weights included."""
    return CaffeModel(
        'net', [CaffeLayer(layer.name, layer.type, blobs.get(layer.name, [])) for layer in layers]
    )


def from_caffe(net: str, layers: list[Layer], blobs: Blobs, folder: Path) -> ImageClassifier:
    """Our classifier with blobs that went through a ``.caffemodel`` and the tool."""
    write_caffemodel(folder / 'net.caffemodel', caffe_model(layers, blobs))
    convert('caffe', folder / 'net.caffemodel', folder / 'net.pth', CONFIGS[net], order='source')
    return load(build(CONFIGS[net]), folder / 'net.pth')


def from_tensors(kind: str, model: nn.Module, config: str, file: Path) -> ImageClassifier:
    """Our classifier with the weights of another, through a file and the tool."""
    write_tensors(file, model.state_dict())
    ours = Path(f'{os.path.splitext(file)[0]}-ours.pth')
    convert(kind, file, ours, config)
    return load(build(config), ours)


def randomise(model: nn.Module, image: Tensor) -> nn.Module:
    """Draw weights for which a mistake in any of them shows, as ``random_blobs`` does."""
    rng = torch.Generator().manual_seed(0)
    handles = []

    def draw(module: nn.Module, inputs: tuple[Tensor]) -> None:
        own = dict(module.named_parameters(recurse=False))
        layer = SimpleNamespace(blob_shapes=[list(tensor.shape) for tensor in own.values()])
        values = dict(zip(own, draw_values(module)(layer, inputs[0], rng), strict=True))
        if isinstance(module, nn.BatchNorm2d):
            mean, var, _ = draw_statistics(layer, inputs[0], rng)
            values |= dict(running_mean=mean, running_var=var)
        module.load_state_dict(values, strict=False)

    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear, nn.BatchNorm2d)):
            handles.append(module.register_forward_pre_hook(draw))
    with torch.no_grad():
        model.eval()(image)
    for handle in handles:
        handle.remove()
    return model


def draw_values(module: nn.Module):
    return draw_affine if isinstance(module, nn.BatchNorm2d) else draw_linear


def difference(model: nn.Module, other: nn.Module, image: Tensor) -> float:
    """Largest difference of the logits of two networks for an image, in its precision."""
    with torch.no_grad():
        logits, others = (net.to(image.dtype)(image) for net in (model, other))
    assert 0.3 < others.std() < 3
    return (logits - others).abs().max().item()
