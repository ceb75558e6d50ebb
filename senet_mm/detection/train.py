"""Training of torchvision's detectors, and pictures of their detections."""

import math
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.models.detection import FasterRCNN, MaskRCNN, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.utils import draw_bounding_boxes, make_grid, save_image

from senet_mm.utils.errors import answering_memory, working
from senet_mm.utils.meta import run_on_meta
from senet_mm.utils.options import check_option

from .backbone import FPNBackbone
from .coco import CocoData, collate_samples
from .steps import Steps

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
    """Raise a ValueError for an image that is too small for the backbone after scaling.

    Args:
        detector: A detector of :func:`build_detector`.
        data: The data.
    """
    size, longest = detector.transform.min_size[-1], detector.transform.max_size
    sides: dict[int, str] = {}
    for image in data.coco.imgs.values():
        short, long = sorted((image['width'], image['height']))
        if long >= longest * short:
            raise ValueError(
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
        raise ValueError(
            f'{data.folder / sides[smallest]}, scaled to a side of {smallest}: {error}'
        ) from error


def train(
    detector: nn.Module,
    data: CocoData,
    epochs: int,
    batch_size: int,
    lr: float,
    seed: int = 0,
    weight_decay: float = 1e-4,
) -> list[float]:
    """Train by SGD: warm-up over an epoch, then a cosine; returns the mean loss of each epoch.

    A single epoch, and epochs of a single batch, are trained without the warm-up. Steps whose loss
    or gradient is not finite are left out.

    Args:
        detector: Maps images and targets to a dict of losses, as torchvision's detectors.
        data: The training data.
        epochs: Number of epochs.
        batch_size: Images per step.
        lr: Highest learning rate.
        seed: Seed of the order and of the mirroring.
        weight_decay: Weight decay.

    Raises:
        ValueError: An epoch has no batch.
        InputError: A picture is damaged.
        NonFiniteError: Too many steps in a row are left out.
        OutOfMemoryError: The device has not enough memory.
    """
    device = next(detector.parameters()).device
    torch.manual_seed(seed)
    loader = DataLoader(data, batch_size, shuffle=True, collate_fn=collate_samples, drop_last=True)
    if not len(loader):
        raise ValueError(
            f'batch size {batch_size}; allowed for {len(data)} images: 1 to {len(data)}'
        )
    parameters = [parameter for parameter in detector.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr, momentum=0.9, weight_decay=weight_decay)
    schedule = _warm_up_and_cosine(optimizer, lr, len(loader), epochs)

    steps = Steps(detector, optimizer, lr, lambda number: str(data.get_path(number)))
    memory = f'batch size {batch_size}; allowed: a smaller one, or smaller images'

    @answering_memory(lambda: memory)
    def step(images: Sequence[Tensor], targets: Sequence[dict]) -> float | None:
        steps.begin(targets)
        loss = steps.take(_losses(detector, images, targets, device))
        schedule.step()
        return loss

    means = []
    with working():
        for epoch in range(1, epochs + 1):
            detector.train()
            start = time.perf_counter()
            losses = [loss for batch in loader if (loss := step(*batch)) is not None]
            means.append(sum(losses) / len(losses) if losses else math.nan)
            seconds = time.perf_counter() - start
            print(f'epoch {epoch}/{epochs}: loss {means[-1]:.4f}, {seconds:.1f} s', flush=True)
    return means


def _warm_up_and_cosine(
    optimizer: torch.optim.Optimizer, lr: float, epoch: int, epochs: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """The schedule by step; ``epoch`` is the number of steps of an epoch."""
    steps = epochs * epoch
    warm_up = epoch if 1 < epoch < steps else 0
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer, lr, total_steps=steps, pct_start=warm_up / steps, cycle_momentum=False
    )


def _losses(
    detector: nn.Module, images: Sequence[Tensor], targets: Sequence[dict], device: torch.device
) -> dict[str, Tensor]:
    """A detector's losses for a batch, by name."""
    images = [image.to(device) for image in images]
    targets = [
        {name: value.to(device) for name, value in target.items() if isinstance(value, Tensor)}
        for target in targets
    ]
    return detector(images, targets)


@torch.no_grad()
def draw(
    detector: nn.Module, data: CocoData, path: Path, count: int = 12, score: float = 0.5
) -> None:
    """Save a sheet of images with their detections: boxes, classes and scores.

    Args:
        detector: The detector.
        data: The data; the first ``count`` images are drawn.
        path: Image file.
        count: Number of images.
        score: Boxes below this score are left out.
    """
    detector.eval()
    device = next(detector.parameters()).device
    pictures = []
    for i in range(min(count, len(data))):
        image, _ = data[i]
        [found] = detector([image.to(device)])
        sure = found['scores'] >= score
        names = [data.classes[label - 1] for label in found['labels'][sure].tolist()]
        scores = found['scores'][sure].tolist()
        texts = [f'{name} {value:.2f}' for name, value in zip(names, scores, strict=True)]
        image = nn.functional.interpolate(image[None], scale_factor=2)[0]
        boxes = 2 * found['boxes'][sure].cpu()
        if texts:
            image = draw_bounding_boxes(image, boxes, texts, colors='yellow', width=2)
        pictures.append(image)
    height, width = (max(picture.shape[i] for picture in pictures) for i in (1, 2))
    pictures = [
        nn.functional.pad(picture, (0, width - picture.shape[2], 0, height - picture.shape[1]))
        for picture in pictures
    ]
    save_image(make_grid(pictures, nrow=4), path)
