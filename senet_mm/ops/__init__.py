from typing import TYPE_CHECKING

from .tail import IMPLEMENTATIONS, has_hooks, norm_relu_conv, se_tail

if TYPE_CHECKING:
    from .fuse import conv_norm_pairs, fuse_tails

__all__ = [
    'IMPLEMENTATIONS',
    'conv_norm_pairs',
    'fuse_tails',
    'has_hooks',
    'norm_relu_conv',
    'se_tail',
]


def __getattr__(name: str) -> object:
    """What needs the networks, and with them mmengine: the rest runs where only torch is."""
    if name not in ('conv_norm_pairs', 'fuse_tails'):
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from . import fuse

    return getattr(fuse, name)
