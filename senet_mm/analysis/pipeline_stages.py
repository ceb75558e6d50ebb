"""The image after each stage of a data pipeline."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from mmengine.config import ConfigDict
from mmengine.dataset import BaseDataset
from mmpretrain.models.utils import ClsDataPreprocessor
from torch import Tensor

from senet_mm.datasets.classes import get_names
from senet_mm.datasets.images.colours import to_visible
from senet_mm.datasets.seeding import Draw, own_random_numbers, seed_generators
from senet_mm.engine import Runner
from senet_mm.registry import MODELS
from senet_mm.utils.figures import WIDTH, new_figure, short_text, styled
from senet_mm.utils.names import printable

INPUT = "the network's input"


@dataclass
class ImageStages:
    """One image after each stage.

    Attributes:
        title: Name of the file; below it the class by name, or the number of the label.
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
    name = printable(str(results.get('img_path', f'image {index}')).rpartition('/')[2])
    title = f'{name}\n{_name_label(dataset, results["gt_label"])}'
    pictures = {}
    is_bgr = 'img' not in results  # files are decoded to BGR, data sets of arrays hold RGB
    if 'img' in results:
        pictures['data set'] = to_visible(results['img'], is_bgr)
    for transform in dataset.pipeline.transforms:
        results = transform(results)
        if 'img' in results:
            pictures[type(transform).__name__] = to_visible(results['img'], is_bgr)
    image = module(dataset.collate([results]), training)['inputs'][0]
    pictures[INPUT] = to_visible(_to_grey_levels(image, module), is_bgr != module.to_rgb)
    return ImageStages(title, pictures)


def _name_label(dataset: BaseDataset, label: int | list[int] | np.ndarray) -> str:
    """Names of the classes of an image without synonyms; their numbers where there are none."""
    names = get_names(dataset.metainfo, 'classes')
    labels = np.atleast_1d(np.asarray(label, int)).tolist()
    if names is None or max(labels, default=0) >= len(names):
        return f'label {", ".join(map(str, labels))}'
    return 'class ' + ', '.join(printable(names[each].partition(',')[0]) for each in labels)


def _to_grey_levels(image: Tensor, module: ClsDataPreprocessor) -> np.ndarray:
    """The normalisation of an input (C, H, W) undone, (H, W, C)."""
    if module._enable_normalize:
        image = image * module.std + module.mean
    return image.permute(1, 2, 0).numpy()


@styled()
def draw_grid(rows: Sequence[ImageStages], title: str = '') -> Figure:
    """A figure with a row per image and a column per stage, each image with its size in pixels."""
    stages = list(rows[0].pictures)
    side = max(1.5, min(2.4, WIDTH / len(stages)))  # inches
    width = max(WIDTH / 2, side * len(stages))
    figure = new_figure((side + 0.15) * len(rows) + 0.6, title, width)
    grid = figure.subplots(len(rows), len(stages), squeeze=False)
    for line, row in zip(grid, rows, strict=True):
        for axes, stage in zip(line, stages, strict=True):
            picture = row.pictures[stage]
            axes.imshow(picture, cmap='gray', vmin=0, vmax=255)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            height, wide = picture.shape[:2]
            axes.set_xlabel(f'{wide} x {height} pixels', fontsize=8)
        name = '\n'.join(short_text(part) for part in row.title.split('\n'))
        line[0].set_ylabel(name, fontsize=8)
    for axes, stage in zip(grid[0], stages, strict=True):
        axes.set_title(stage, fontsize=8 if len(stage) < 22 else 7)
    return figure
