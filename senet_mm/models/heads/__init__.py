from .cls_head import ClsHead, TensorTargets
from .linear_head import LinearClsHead

__all__ = ['ClsHead', 'LinearClsHead', 'TensorTargets']
