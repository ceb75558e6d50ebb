from .tail import IMPLEMENTATIONS, norm_relu_conv, se_tail

__all__ = ['IMPLEMENTATIONS', 'norm_relu_conv', 'se_tail']
