"""The classifier: backbone, neck, head, and SE by one line."""

from mmpretrain.models import ImageClassifier as _ImageClassifier

from senet_mm.models.recalibration import insert_se
from senet_mm.registry import MODELS


@MODELS.register_module()
class ImageClassifier(_ImageClassifier):
    """mmpretrain's image classifier with recalibration layers put into its backbone.

    Args:
        backbone: Config of a plain backbone.
        se: Arguments of :func:`insert_se`, ``dict(layer=dict(type='SELayer', ratio=16))``; None
            leaves the backbone as it is.
        **kwargs: Arguments of mmpretrain's classifier: ``neck``, ``head``, ``train_cfg``, ...
    """

    def __init__(self, backbone: dict, se: dict | None = None, **kwargs) -> None:
        super().__init__(backbone, **kwargs)
        if se is not None:
            insert_se(self.backbone, **se)
