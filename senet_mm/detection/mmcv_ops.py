"""mmcv's operators for detectors without its compiled extension.

A config opts in with ``custom_imports = dict(imports=['senet_mm.detection.mmcv_ops'])``. Where
``mmcv._ext`` is installed this module does nothing. Where it is not, a substitute takes its place,
with the functions that Faster R-CNN, Mask R-CNN and RetinaNet call, served by torchvision; any
other function says by name that it needs the compiled extension when it is called.
"""

import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType

import torch
import torch.nn.functional as F
import torchvision
from mmengine.logging import print_log
from torch import Tensor

NAME = 'mmcv._ext'
AVERAGE = 1  # mmcv's number for average pooling; torchvision's RoIAlign has no other


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Indices of the boxes that are kept, by falling score: :func:`torchvision.ops.nms`.

    Args:
        boxes: (N, 4), x1, y1, x2, y2.
        scores: (N,).
        iou_threshold: Boxes that overlap more than this with a better one are dropped.
        offset: Added to width and height: 1 where coordinates are those of the last pixel.
    """
    return torchvision.ops.nms(
        boxes + boxes.new_tensor([0, 0, offset, offset]), scores, iou_threshold
    )


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fill ``output`` (R, C, height, width): :func:`torchvision.ops.roi_align`.

    Args:
        input: Feature map (N, C, H, W).
        rois: (R, 5): index of the image, x1, y1, x2, y2.
        output: Written.
        argmax_y, argmax_x: Of max pooling, not used.
        aligned_height, aligned_width: Size of the output.
        spatial_scale: Size of the map over the size of the image.
        sampling_ratio: Samples per bin and axis, 0 for as many as the size asks for.
        pool_mode: 1, average.
        aligned: Shift by half a pixel.

    Raises:
        ValueError: Max pooling.
    """
    if pool_mode != AVERAGE:
        raise ValueError("RoIAlign: pool_mode='max' needs mmcv's compiled operators; allowed: avg")
    size = (aligned_height, aligned_width)
    pooled = torchvision.ops.roi_align(
        input.to(rois.dtype), rois, size, spatial_scale, sampling_ratio, aligned
    )
    output.copy_(pooled)


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fill ``grad_input`` (N, C, H, W); arguments as :func:`roi_align_forward`."""
    grad = torch.ops.torchvision._roi_align_backward(
        grad_output.to(rois.dtype),
        rois,
        spatial_scale,
        aligned_height,
        aligned_width,
        *grad_input.shape,
        sampling_ratio,
        aligned,
    )
    grad_input.copy_(grad)


def _focal_loss(
    input: Tensor, target: Tensor, weight: Tensor, gamma: float, alpha: float
) -> Tensor:
    """(N, C) losses of logits (N, C) and classes (N,), of which C is the background."""
    classes = input.shape[1]
    one_hot = F.one_hot(target, classes + 1)[:, :classes].to(input.dtype)
    loss = torchvision.ops.sigmoid_focal_loss(input, one_hot, alpha, gamma)
    if weight.numel() == 0:
        return loss
    return loss * F.pad(weight, (0, 1), value=1)[target][:, None]


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Fill ``output`` (N, C): :func:`torchvision.ops.sigmoid_focal_loss`.

    Args:
        input: Logits (N, C).
        target: Classes (N,); C is the background.
        weight: By class (C,), or empty.
        output: Written.
        gamma: Exponent.
        alpha: Weight of the positive part.
    """
    output.copy_(_focal_loss(input, target, weight, gamma, alpha))


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Fill ``grad_input`` (N, C); arguments as :func:`sigmoid_focal_loss_forward`."""
    with torch.enable_grad():
        input = input.detach().requires_grad_()
        loss = _focal_loss(input, target, weight, gamma, alpha).sum()
    grad_input.copy_(torch.autograd.grad(loss, input)[0])


SERVED_OPERATORS = (
    nms,
    roi_align_forward,
    roi_align_backward,
    sigmoid_focal_loss_forward,
    sigmoid_focal_loss_backward,
)


def _not_served(name: str) -> Callable:
    """A function that raises when it is called, not earlier: mmcv looks up all names at import."""
    if name.startswith('__'):
        raise AttributeError(name)

    def function(*args: object, **kwargs: object) -> None:
        served = ', '.join(function.__name__ for function in SERVED_OPERATORS)
        raise NotImplementedError(
            f"{name} needs mmcv's compiled operators, see docs/detection.md; served without: "
            f'{served}'
        )

    return function


def serve() -> None:
    """Put the substitute in the place of ``mmcv._ext`` unless that is there, and say so once.

    Raises:
        ImportError: mmdet's models were imported before and have looked up the operators.
    """
    if NAME in sys.modules or importlib.util.find_spec(NAME) is not None:
        return
    if 'mmdet.models' in sys.modules:
        raise ImportError(
            f'{__name__} came after mmdet.models (which mmpretrain imports); import it first'
        )
    module = ModuleType(NAME, 'Functions of torchvision in the place of compiled ones.')
    module.__spec__ = ModuleSpec(NAME, loader=None)
    vars(module).update(__getattr__=_not_served)
    for function in SERVED_OPERATORS:
        setattr(module, function.__name__, function)
    sys.modules[NAME] = module
    print_log(
        "mmcv has no compiled operators: torchvision's nms, RoIAlign and focal loss serve",
        logger='current',
    )


serve()
