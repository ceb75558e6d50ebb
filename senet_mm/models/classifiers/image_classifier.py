"""The classifier: backbone with recalibration layers, neck, head."""

from collections.abc import Sequence

from mmpretrain.models import ImageClassifier as _ImageClassifier
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from senet_mm.models.heads.cls_head import TensorTargets
from senet_mm.models.in_channels import exchange_stem
from senet_mm.models.layers import own_initialisation
from senet_mm.models.recalibration import check_se, insert_se
from senet_mm.models.scoped_init import ScopedInit, loads_checkpoint
from senet_mm.registry import MODELS


@MODELS.register_module()
class ImageClassifier(ScopedInit, _ImageClassifier):
    """mmpretrain's image classifier with recalibration layers put into its backbone.

    Args:
        backbone: Config of the backbone; a plain one where ``se`` is given.
        neck: Config of the neck.
        head: Config of the head.
        se: Arguments of :func:`insert_se`: ``dict(layer=dict(type='SELayer', ratio=16))``, with
            ``position='pre'`` or ``stages=(5,)``; None leaves the backbone as it is.
        in_channels: Channels of the images, for a backbone that has no such argument.
        data_preprocessor: Config of the module that turns a batch into the network's input.
        **kwargs: Other arguments of mmpretrain's classifier: ``train_cfg``, ``init_cfg``, ...
    """

    def __init__(
        self,
        backbone: dict | nn.Module,
        neck: dict | nn.Module | None = None,
        head: dict | nn.Module | None = None,
        se: dict | None = None,
        in_channels: int | None = None,
        data_preprocessor: dict | nn.Module | None = None,
        **kwargs: object,
    ) -> None:
        if se is not None:
            check_se(se)
        # Build the parts here: without a default scope the parent would build mmpretrain's SEResNet
        # and head in place of ours.
        parts = [
            MODELS.build(part) if isinstance(part, dict) else part
            for part in (backbone, neck, head)
        ]
        if in_channels is not None:
            assert isinstance(parts[0], nn.Module)
            exchange_stem(parts[0], in_channels)
        if isinstance(data_preprocessor, dict) and 'type' in data_preprocessor:
            batch_augments = kwargs.get('train_cfg')
            data_preprocessor = MODELS.build(
                {'batch_augments': batch_augments, **data_preprocessor}
            )
        super().__init__(*parts, data_preprocessor=data_preprocessor, **kwargs)
        if se is not None:
            insert_se(self.backbone, **se)

    def loss(
        self, inputs: Tensor, data_samples: Tensor | Sequence[DataSample]
    ) -> dict[str, Tensor]:
        """Losses of a batch, by name.

        Args:
            inputs: Preprocessed images, (N, C, H, W).
            data_samples: Labels (N,), scores (N, classes), or a ``DataSample`` per image. Heads
                that want the latter get them.
        """
        if isinstance(data_samples, Tensor) and not isinstance(self.head, TensorTargets):
            data_samples = to_samples(data_samples)
        return super().loss(inputs, data_samples)

    def init_weights(self) -> None:
        """Initialise the classifier; its recalibration layers last, by their own rule.

        With ``init_cfg=dict(type='Pretrained')`` all weights are those of the checkpoint.
        """
        if loads_checkpoint(self):
            return super().init_weights()
        with own_initialisation(self.backbone):
            return super().init_weights()


def to_samples(targets: Tensor) -> list[DataSample]:
    """A ``DataSample`` per image.

    Args:
        targets: Labels (N,) or scores (N, classes).
    """
    if targets.ndim == 1:
        return [DataSample().set_gt_label(label) for label in targets]
    return [DataSample().set_gt_score(score) for score in targets]
