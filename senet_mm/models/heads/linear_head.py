"""The linear classification head."""

from typing import Any

from mmpretrain.models.heads import LinearClsHead as _LinearClsHead
from torch import Tensor, nn

from senet_mm.models.scoped_init import ScopedInit
from senet_mm.registry import MODELS
from senet_mm.utils.errors import InputError

from .cls_head import TensorTargets


@MODELS.register_module()
class LinearClsHead(TensorTargets, ScopedInit, _LinearClsHead):
    """mmpretrain's linear head, with dropout before the classifier and label smoothing.

    Args:
        dropout: Probability of dropping a feature (0.2 in SENet-154).
        label_smooth: Label smoothing; 0 is the plain cross entropy (0.1 in the paper's ablations).
            Soft labels (mixup) are smoothed, too.
        **kwargs: ``class_weight``, see :class:`TensorTargets`, and arguments of mmpretrain's head:
            ``num_classes``, ``in_channels``, ``topk``, ...

    Raises:
        ValueError: Both ``loss`` and ``label_smooth`` are given.
    """

    def __init__(
        self,
        *args: object,
        dropout: float = 0.0,
        label_smooth: float = 0.0,
        **kwargs: Any,
    ) -> None:
        if label_smooth:
            if 'loss' in kwargs:
                raise InputError(
                    f'loss={kwargs["loss"]} and label_smooth={label_smooth} are both given; '
                    'allowed: one of them'
                )
            kwargs['loss'] = dict(
                type='LabelSmoothLoss', label_smooth_val=label_smooth, mode='original'
            )
        super().__init__(*args, **kwargs)
        self.dropout = nn.Dropout(dropout)

    def pre_logits(self, feats: tuple[Tensor, ...]) -> Tensor:
        """The features (N, C), after dropout, that enter the classifier."""
        return self.dropout(super().pre_logits(feats))
