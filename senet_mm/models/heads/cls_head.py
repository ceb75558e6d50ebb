"""The loss that our heads share, and the head for backbones with a classifier of their own."""

from collections.abc import Mapping, Sequence

from mmpretrain.evaluation.metrics import Accuracy
from mmpretrain.models.heads import ClsHead as _ClsHead
from mmpretrain.structures import DataSample
from torch import Tensor

from senet_mm.models.scoped_init import ScopedInit
from senet_mm.registry import MODELS
from senet_mm.utils.errors import InputError


class TensorTargets(_ClsHead):
    """A head whose loss also takes the targets of a batch as one tensor, (N,) or (N, classes).

    Name it before a head of mmpretrain.

    Args:
        class_weight: ``class_weight`` of the loss: a number per class, or ``balanced``,
            ``effective`` or ``dict(effective=BETA)``, which a training resolves by its labels.
        **kwargs: Arguments of mmpretrain's head.

    Raises:
        InputError: The loss has weights of its own.
    """

    def __init__(
        self,
        *args: object,
        class_weight: str | Mapping | Sequence | None = None,
        **kwargs: object,
    ) -> None:
        if class_weight is not None:
            kwargs['loss'] = add_class_weight(kwargs.get('loss'), class_weight)
        super().__init__(*args, **kwargs)
        # LabelSmoothLoss takes it from its first batch; ClassNumCheckHook compares it before that.
        if getattr(self.loss_module, 'num_classes', 0) is None:
            self.loss_module.num_classes = getattr(self, 'num_classes', None)

    def _get_loss(
        self, cls_score: Tensor, data_samples: Tensor | Sequence[DataSample], **kwargs: object
    ) -> dict[str, Tensor]:
        """Upstream's loss, also of one tensor: labels (N,) or scores (N, classes)."""
        if not isinstance(data_samples, Tensor):
            return super()._get_loss(cls_score, data_samples, **kwargs)
        target = data_samples
        if self.cal_acc and target.ndim > 1:
            raise InputError(
                f'{type(self).__name__}(cal_acc=True) with images of several classes, as of mixup; '
                'allowed: cal_acc=False'
            )
        losses = dict(loss=self.loss_module(cls_score, target, avg_factor=len(target), **kwargs))
        if self.cal_acc:
            accuracy = Accuracy.calculate(cls_score, target, topk=self.topk)
            names = (f'accuracy_top-{k}' for k in self.topk)
            losses.update(zip(names, accuracy, strict=True))
        return losses


def add_class_weight(loss: object, class_weight: object) -> dict:
    """The config of a loss, by default the cross entropy, with weights of the classes.

    Raises:
        InputError: The loss is no config, or has weights of its own.
    """
    loss = dict(type='CrossEntropyLoss') if loss is None else loss
    if not isinstance(loss, Mapping) or loss.get('class_weight') is not None:
        raise InputError(
            f'class_weight={class_weight!r} of the head and loss={loss} are both given; allowed: '
            'class_weight in one of them'
        )
    return {**loss, 'class_weight': class_weight}


@MODELS.register_module()
class ClsHead(TensorTargets, ScopedInit, _ClsHead):
    """mmpretrain's head without layers, for backbones whose output is logits (VGG)."""
