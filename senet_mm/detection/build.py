"""Torchvision's detectors with our backbones, for images of any size."""

import math

from torchvision.models.detection import FasterRCNN, MaskRCNN, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator

from senet_mm.utils.errors import InputError
from senet_mm.utils.meta import run_on_meta
from senet_mm.utils.options import check_option

from .backbone import FPNBackbone
from .coco import CocoData

STRIDE = 32  # torchvision pads the images of a batch to multiples of it
DETECTORS = {'faster-rcnn': FasterRCNN, 'mask-rcnn': MaskRCNN, 'retinanet': RetinaNet}


def build_detector(
    kind: str, backbone: FPNBackbone, num_classes: int, size: int
) -> FasterRCNN | RetinaNet:
    """A detector of torchvision whose anchors suit images of a size.

    Args:
        kind: A key of ``DETECTORS``.
        backbone: The backbone; its pyramid has five maps by default.
        num_classes: Number of classes, the background not counted.
        size: Shorter side to which images are scaled, pixels; the longer is at most 5/3 of it.

    Raises:
        ValueError: There is no such detector.
    """
    check_option('detector', kind, DETECTORS)
    side = STRIDE * math.ceil(size / STRIDE)
    levels = len(run_on_meta(backbone, (3, side, side)))
    scales = (1,) if kind != 'retinanet' else (1, 2 ** (1 / 3), 2 ** (2 / 3))
    smallest = 32 if size >= 400 else 16
    sizes = tuple(tuple(int(smallest * 2**i * k) for k in scales) for i in range(levels))
    anchors = AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * levels)
    if kind == 'retinanet':
        options = dict(anchor_generator=anchors)
    else:
        options = dict(rpn_anchor_generator=anchors)
        if size < 400:  # few objects fit; most of the time would go into background boxes
            options |= dict(
                box_batch_size_per_image=64,
                rpn_pre_nms_top_n_train=500,
                rpn_pre_nms_top_n_test=500,
            )
    return DETECTORS[kind](
        backbone,
        num_classes=num_classes + 1,
        min_size=size,
        max_size=size * 5 // 3,
        **options,
        **backbone.normalization,
    )


def check_shapes(detector: FasterRCNN | RetinaNet, data: CocoData) -> None:
    """Raise an InputError for an image that is too small for the backbone after scaling.

    Args:
        detector: A detector of :func:`build_detector`.
        data: The data.
    """
    size, longest = detector.transform.min_size[-1], detector.transform.max_size
    sides: dict[int, str] = {}
    for image in data.coco.imgs.values():
        short, long = sorted((image['width'], image['height']))
        if long >= longest * short:
            raise InputError(
                f'{data.folder / image["file_name"]} is {image["width"]} x {image["height"]} '
                f'pixels, of which scaling to {size} leaves no width; allowed: one side less than '
                f'{longest} times the other'
            )
        scaled = short * min(size / short, longest / long)
        sides.setdefault(STRIDE * math.ceil(scaled / STRIDE), image['file_name'])
    smallest = min(sides)
    try:
        run_on_meta(detector.backbone, (3, smallest, smallest))
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f'{data.folder / sides[smallest]}, scaled to a side of {smallest}: {error}'
        ) from error
