"""The image after each stage of a data pipeline."""

from dataclasses import dataclass
from os import PathLike

import numpy as np
from mmengine.config import ConfigDict
from mmengine.dataset import BaseDataset
from mmpretrain.models.utils import ClsDataPreprocessor
from torch import Tensor

from senet_mm.datasets.images.colours import swap_red_and_blue
from senet_mm.datasets.seeding import Draw, own_random_numbers, seed_generators
from senet_mm.engine import Runner
from senet_mm.registry import MODELS
from senet_mm.utils.names import printable

INPUT = "the network's input"


@dataclass
class ImageStages:
    """One image after each stage.

    Attributes:
        title: Name of the file and the label.
        pictures: uint8 RGB (H, W, 3) or grey (H, W) by the name of the stage, in order.
    """

    title: str
    pictures: dict[str, np.ndarray]


def get_stages(
    dataloader: ConfigDict, preprocessor: ConfigDict, number: int, seed: int, training: bool
) -> list[ImageStages]:
    """Run images through a pipeline, transform by transform, as a run of one process would.

    Args:
        dataloader: Config of the loader.
        preprocessor: Config of the data preprocessor.
        number: How many images of the first epoch.
        seed: Seed of the run.
        training: Whether the preprocessor augments.
    """
    loader = Runner.build_dataloader(dict(dataloader, num_workers=0), seed=seed)
    default = dict(type='ClsDataPreprocessor')
    module = MODELS.build({**default, **preprocessor})
    draws = [draw for draw, _ in zip(loader.sampler, range(number), strict=False)]
    with own_random_numbers():
        return [_get_image(loader.dataset, draw, module, training) for draw in draws]


def _get_image(
    dataset: BaseDataset, draw: Draw, module: ClsDataPreprocessor, training: bool
) -> ImageStages:
    index, key = draw
    seed_generators(key)
    results = dataset.get_data_info(index)
    title = printable(str(results.get('img_path', index)).rpartition('/')[2])
    title, pictures = f'{title}\nlabel {results["gt_label"]}', {}
    is_bgr = 'img' not in results  # files are decoded to BGR, data sets of arrays hold RGB
    if 'img' in results:
        pictures['data set'] = _to_picture(results['img'], is_bgr)
    for transform in dataset.pipeline.transforms:
        results = transform(results)
        if 'img' in results:
            pictures[type(transform).__name__] = _to_picture(results['img'], is_bgr)
    image = module(dataset.collate([results]), training)['inputs'][0]
    pictures[INPUT] = _to_picture(_to_grey_levels(image, module), is_bgr != module.to_rgb)
    return ImageStages(title, pictures)


def _to_grey_levels(image: Tensor, module: ClsDataPreprocessor) -> np.ndarray:
    """uint8 (H, W, C) of an input (C, H, W), the normalisation undone."""
    if module._enable_normalize:
        image = image * module.std + module.mean
    return image.round().clamp(0, 255).byte().permute(1, 2, 0).numpy()


def _to_picture(img: np.ndarray, is_bgr: bool) -> np.ndarray:
    """What can be drawn of an image: three colours of four channels, one of any other number."""
    img = np.clip(np.round(img), 0, 255).astype(np.uint8)
    if img.ndim == 2 or img.shape[2] not in (3, 4):
        return img if img.ndim == 2 else img[..., 0].copy()
    colours = np.ascontiguousarray(img[..., :3])
    return swap_red_and_blue(colours) if is_bgr else colours


def draw_grid(rows: list[ImageStages], out: str | PathLike) -> None:
    """Write a PNG, a row per image, a column per stage."""
    import matplotlib

    matplotlib.use('Agg')
    import matplotlib.pyplot as plt

    stages = list(rows[0].pictures)
    size = (2.4 * len(stages), 2.2 * len(rows) + 0.3)
    figure, axes = plt.subplots(len(rows), len(stages), figsize=size, squeeze=False)
    for line, row in zip(axes, rows, strict=True):
        for axis, stage in zip(line, stages, strict=True):
            picture = row.pictures[stage]
            axis.imshow(picture, cmap='gray', vmin=0, vmax=255)
            axis.set(xticks=[], yticks=[])
            height, width = picture.shape[:2]
            axis.set_xlabel(f'{width} x {height}', fontsize=7)
        line[0].set_ylabel(row.title, fontsize=7, parse_math=False)
    for axis, stage in zip(axes[0], stages, strict=True):
        axis.set_title(stage, fontsize=8)
    figure.tight_layout()
    figure.savefig(out, dpi=130)
    plt.close(figure)
