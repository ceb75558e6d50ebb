"""Torchvision's detectors as models of mmengine: the project's runner trains and tests them."""

from collections.abc import Mapping, Sequence

from mmengine.model import BaseModel
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN, RetinaNet

from senet_mm.registry import MODELS

from .backbone import FPNBackbone, torchvision_backbone
from .build import build_detector
from .coco import DetectionTarget


@MODELS.register_module()
class TorchvisionDetector(BaseModel):
    """A detector of torchvision with a backbone of the project.

    Args:
        detector: ``faster-rcnn``, ``mask-rcnn`` or ``retinanet``.
        num_classes: Number of classes, the background not counted.
        size: Shorter side to which images are scaled, pixels; the longer is at most 5/3 of it.
        backbone: Arguments of :func:`.torchvision_backbone`.
        **kwargs: Arguments of mmengine's ``BaseModel``.

    Attributes:
        detector: Torchvision's module; its state dict is that of the checkpoint below ``detector``.
    """

    def __init__(
        self, detector: str, num_classes: int, size: int, backbone: Mapping, **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        body = torchvision_backbone(**backbone)
        self.detector = build_detector(detector, body, num_classes, size)

    @property
    def backbone(self) -> FPNBackbone:
        """The backbone with its pyramid."""
        return self.detector.backbone

    def forward(
        self,
        inputs: Sequence[Tensor] | Tensor,
        data_samples: Sequence[DetectionTarget] | None = None,
        mode: str = 'tensor',
    ) -> dict[str, Tensor] | list[dict] | list[Tensor]:
        """Losses, detections, or what the network computes of each place of an image.

        Args:
            inputs: Images (3, H, W), RGB from 0 to 1, of any sizes; for ``tensor`` one batch
                (N, 3, H, W).
            data_samples: The objects of each image.
            mode: ``loss``: losses by name. ``predict``: the detections of each image, with
                ``target``, its element of ``data_samples``. ``tensor``: the outputs of backbone,
                pyramid and dense head, without proposals; by these FLOPs are counted.
        """
        if mode == 'loss':
            assert data_samples is not None
            losses = self.detector(list(inputs), [_tensors(target) for target in data_samples])
            # mmengine sums what has `loss` in its name; RetinaNet's have not.
            return {f'loss_{name.removeprefix("loss_")}': loss for name, loss in losses.items()}
        if mode == 'predict':
            found = self.detector(list(inputs))
            if data_samples is None:
                return found
            pairs = zip(found, data_samples, strict=True)
            return [dict(one, target=target) for one, target in pairs]
        assert isinstance(inputs, Tensor)
        maps = list(self.backbone(inputs).values())
        return _flatten(_get_dense_head(self.detector)(maps))


def _tensors(target: DetectionTarget) -> dict[str, Tensor]:
    """What torchvision's losses need."""
    return {name: value for name, value in target.items() if isinstance(value, Tensor)}


def _get_dense_head(detector: FasterRCNN | RetinaNet) -> nn.Module:
    """What follows the pyramid: the head of RetinaNet, or that which proposes boxes."""
    return detector.head if isinstance(detector, RetinaNet) else detector.rpn.head


def _flatten(outputs: Tensor | Mapping | Sequence) -> list[Tensor]:
    if isinstance(outputs, Tensor):
        return [outputs]
    items = outputs.values() if isinstance(outputs, Mapping) else outputs
    return [tensor for item in items for tensor in _flatten(item)]
