"""What the training of a detector does beside that of a classifier."""

from pathlib import Path
from typing import TYPE_CHECKING

from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from senet_mm.datasets.alignment import parts_of
from senet_mm.registry import HOOKS

from .build import check_shapes
from .coco import CocoData
from .model import TorchvisionDetector

if TYPE_CHECKING:
    from mmengine.runner import BaseLoop
    from torchvision.models.detection import FasterRCNN, RetinaNet

    from senet_mm.engine.runner import Runner


@HOOKS.register_module()
class DetectionHook(Hook):
    """Checks all images before the first step; draws ``boxes.png`` at the end."""

    # After ResultHook: a picture that fails must not cost the scores.
    priority = 'LOWEST'

    def before_train(self, runner: 'Runner') -> None:
        """Check that the network takes all images, and that those of the validation are whole.

        Raises:
            InputError: An image is too small or damaged.
        """
        training, validation = (find_data(loop) for loop in (runner.train_loop, runner.val_loop))
        for data in (training, validation):
            check_shapes(get_detector(runner), data)
        validation.check_images()

    def after_train(self, runner: 'Runner') -> None:
        if is_main_process():
            from .boxes import draw_boxes  # matplotlib

            path = Path(runner.work_dir) / 'boxes.png'
            draw_boxes(get_detector(runner), find_data(runner.val_loop), path)
            runner.logger.info(f'ground truth and detections: {path}')


def get_detector(runner: 'Runner') -> 'FasterRCNN | RetinaNet':
    """Torchvision's module."""
    model = runner.bare_model
    assert isinstance(model, TorchvisionDetector)
    return model.detector


def find_data(loop: 'BaseLoop') -> CocoData:
    """The annotated images in the loader of a loop."""
    return next(part for part in parts_of(loop.dataloader.dataset) if isinstance(part, CocoData))
