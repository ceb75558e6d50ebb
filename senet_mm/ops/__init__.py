from .fuse import conv_norm_pairs, fuse_tails
from .tail import IMPLEMENTATIONS, has_hooks, norm_relu_conv, se_tail

__all__ = [
    'IMPLEMENTATIONS',
    'conv_norm_pairs',
    'fuse_tails',
    'has_hooks',
    'norm_relu_conv',
    'se_tail',
]
