"""Channel attention with which other libraries build their networks."""

from collections import Counter
from collections.abc import Iterable, Iterator

from torch import nn

from .ports import SLOT
from .sites import Site, is_empty

# Modules and classes whose objects recalibrate channels, or weigh branches.
ATTENTION = (
    'torchvision.ops.misc.SqueezeExcitation',
    'mmpretrain.models.utils.se_layer',
    'mmpretrain.models.backbones.resnest.SplitAttentionConv2d',
    'mmdet.models.layers.se_layer',
    'mmseg.models.utils.se_layer',
    'timm.layers.squeeze_excite',
    'timm.layers.eca',
    'timm.layers.cbam',
    'timm.layers.coord_attn',
    'timm.layers.gather_excite',
    'timm.layers.global_context',
    'timm.layers.selective_kernel',
    'timm.layers.split_attn',
    'timm.models._efficientnet_blocks.SqueezeExcite',
    'timm.models.senet.SEModule',
)


def own_attention(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Paths and modules of the attention that a network, or a block, was built with.

    Modules within such a module are not listed.
    """
    outer = None
    for path, module in network.named_modules():
        if outer is not None and path.startswith(f'{outer}.'):
            continue
        if path and any(_is_of(kind, ATTENTION) for kind in type(module).__mro__):
            outer = path
            yield path, module


def _is_of(kind: type, names: tuple[str, ...]) -> bool:
    """Whether a class, or the Python module that defines it, is among some names."""
    return kind.__module__ in names or f'{kind.__module__}.{kind.__qualname__}' in names


def describe_attention(network: nn.Module) -> str | None:
    """``built in: 16 x SEModule``: the network's own attention by class; None if it has none."""
    kinds = Counter(type(module).__name__ for _, module in own_attention(network))
    if not kinds:
        return None
    return 'built in: ' + ', '.join(f'{number} x {kind}' for kind, number in sorted(kinds.items()))


def check_has_none(sites: Iterable[Site]) -> None:
    """Raise a ValueError for a block that was built with attention: SE would be a second one.

    A filled slot is left to :func:`.find_shelf`, which has a message of its own.
    """
    for site in sites:
        if site.port == SLOT and not is_empty(getattr(site.block, 'se', None)):
            continue
        for path, module in own_attention(site.block):
            raise ValueError(
                f'block {site.name} was built with a {type(module).__name__} ({path}): '
                "position='standard' would be a second one; allowed: another position, or a "
                'network without'
            )
