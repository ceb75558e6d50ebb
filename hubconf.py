"""The networks of the project for ``torch.hub.load(REPOSITORY, 'seresnet50')``.

An entry is the first part of the name of a config, ``seresnet50`` of ``seresnet50_8xb32_in1k``,
with underscores for hyphens. Of several configs it is the one with the shortest name.
"""

from collections.abc import Callable as _Callable
from typing import TYPE_CHECKING as _TYPE_CHECKING

from senet_mm.apis import get_model as _get_model
from senet_mm.apis import list_models as _list_models
from senet_mm.utils.errors import InputError as _InputError

if _TYPE_CHECKING:
    from torch import nn as _nn

# What setup.cfg requires, as Python imports it.
dependencies = [
    'PIL', 'cv2', 'filelock', 'matplotlib', 'mmcv', 'mmengine', 'mmpretrain', 'numpy',
    'safetensors', 'scipy', 'setuptools', 'sklearn', 'torch', 'torchvision', 'yaml',
]  # fmt: skip


def _make_entry(entry: str, config: str) -> '_Callable[..., _nn.Module]':
    def load(pretrained: object = False, **kwargs: object) -> '_nn.Module':
        if pretrained is True:
            raise _InputError(
                f'{entry}: pretrained=True, but the project ships no weights; allowed: the path of '
                'a checkpoint, an address with a hash, timm://NAME, mmpretrain://NAME'
            )
        return _get_model(config, pretrained or None, **kwargs)

    load.__name__ = entry
    load.__doc__ = f"""The classifier of the config ``{config}``, in eval mode.

    Args:
        pretrained: Path or address of a checkpoint; False initialises the weights.
        **kwargs: ``num_classes``, ``in_channels``, ``device`` of :func:`senet_mm.get_model`.
    """
    return load


for _config in sorted(_list_models(), key=lambda name: (len(name), name)):
    _name = _config.partition('_')[0].replace('-', '_')
    globals().setdefault(_name, _make_entry(_name, _config))
