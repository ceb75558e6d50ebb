"""Pictures of a test's hits and misses, from the predictions that ``tools/test.py --out`` wrote."""

import io
import json
import pickle
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmpretrain.structures import DataSample
from mmpretrain.visualization import UniversalVisualizer
from torch.utils.data import Dataset

from senet_mm.datasets.seeding import find_owners
from senet_mm.datasets.subset import length_of
from senet_mm.engine.data_loader import build_dataset
from senet_mm.utils.errors import InputError
from senet_mm.utils.files import atomic_file
from senet_mm.utils.names import escape_acting

NEEDED = ('sample_idx', 'gt_label', 'pred_label', 'pred_score')
ALLOWED = 'allowed: a .pkl that tools/test.py --out has written for a classifier'
LEAST_SIDE = 224  # pixels; smaller images are enlarged, for the text above them
BAND = 0.2  # for the text, part of the height


class _Plain(pickle.Unpickler):
    """Reads tensors and plain data alone; a pickle of a stranger could execute anything."""

    def find_class(self, module: str, name: str) -> Any:
        known = {
            '_codecs.encode': lambda text, _: text.encode('latin1'),  # bytes, in old protocols
            'builtins.bytes': lambda: b'',
            'collections.OrderedDict': OrderedDict,
            'torch._utils._rebuild_tensor_v2': torch._utils._rebuild_tensor_v2,
            'torch.storage._load_from_bytes': _load_storage,
        }
        if f'{module}.{name}' not in known:
            raise pickle.UnpicklingError(f'it names {module}.{name}')
        return known[f'{module}.{name}']


def _load_storage(data: bytes) -> Any:
    return torch.load(io.BytesIO(data), weights_only=True)


def read_predictions(path: Path) -> list[Mapping]:
    """The predictions in a file.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It holds something else.
    """
    if not path.is_file():
        raise FileNotFoundError(f'predictions {path} do not exist; {ALLOWED}')
    with open(path, 'rb') as file:
        found = _unpickle(file, path)
    rows = found if isinstance(found, list) else []
    if not rows or not all(isinstance(one, dict) and {*NEEDED} <= one.keys() for one in rows):
        raise InputError(f'{path} holds no list with {", ".join(NEEDED)}; {ALLOWED}')
    return rows


def _unpickle(file: BinaryIO, path: Path) -> object:
    try:
        return _Plain(file).load()
    except Exception as error:  # what is no pickle may raise anything
        raise InputError(f'{path} cannot be read ({error}); {ALLOWED}') from error


def split_results(results: Sequence[Mapping], count: int) -> dict[str, list[Mapping]]:
    """``success`` and ``fail``: the least sure of the hits and the surest of the misses.

    Args:
        results: Predictions with ``gt_label``, ``pred_label`` (L,) and ``pred_score`` (K,).
        count: Most of each.
    """
    ranked = sorted(results, key=lambda one: float(one['pred_score'].max()))
    hits = [one for one in ranked if _is_hit(one)]
    misses = [one for one in reversed(ranked) if not _is_hit(one)]
    return dict(success=hits[:count], fail=misses[:count])


def _is_hit(result: Mapping) -> bool:
    return torch.equal(result['pred_label'], result['gt_label'])


def draw_results(
    cfg: Config, results: Sequence[Mapping], folder: Path, count: int, factor: float | None = None
) -> None:
    """Draw hits and misses into ``success/`` and ``fail/``, and write them as JSON beside.

    Args:
        cfg: A config; pictures are those of its test set.
        results: Predictions.
        folder: Where they are written.
        count: Most of each.
        factor: Scale of the pictures.

    Raises:
        InputError: The predictions are of another data set.
    """
    dataset = _open(cfg)
    classes = getattr(dataset, 'metainfo', {}).get('classes')
    visualizer = UniversalVisualizer()
    # A dollar begins a formula in matplotlib.
    texts = [escape_acting(str(name)).replace('$', r'\$') for name in classes or ()] or None
    for kind, chosen in split_results(results, count).items():
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for rank, result in enumerate(chosen, 1):
            index = int(result['sample_idx'])
            if not 0 <= index < length_of(dataset):
                raise InputError(f'image {index} of a test set of {length_of(dataset)}; {ALLOWED}')
            sample = DataSample(**{name: result[name] for name in NEEDED[1:]})
            out = folder / kind / f'{rank:03d}_{index}.png'
            visualizer.visualize_cls(
                _read(dataset, index), sample, texts, rescale_factor=factor, out_file=str(out)
            )
        rows = [_to_row(result, classes) for result in chosen]
        with atomic_file(folder / f'{kind}.json') as file:
            file.write(json.dumps(rows, indent=2).encode())


def _open(cfg: Config) -> Dataset:
    """The test set with what loads its images, and no more of its pipeline."""
    dataset = build_dataset(cfg.test_dataloader.dataset)
    for pipeline in _pipelines(dataset):
        pipeline.transforms = [
            step for step in pipeline.transforms if type(step).__name__.startswith('LoadImage')
        ]
    return dataset


def _pipelines(dataset: Dataset) -> list[Compose]:
    return [vars(owner)['pipeline'] for owner in find_owners(dataset, 'pipeline')]


def _read(dataset: Dataset, index: int) -> np.ndarray:
    """An image of a data set below a black band, uint8 (H, W, 3), RGB."""
    sample = dataset[index]
    image = np.asarray(sample['img'])
    if image.dtype == np.uint16:
        image = (image // 257).astype(np.uint8)
    if image.ndim == 2:
        image = image[..., None]
    if image.shape[2] < 3:
        image = image[..., :1].repeat(3, axis=2)
    if any(pipeline.transforms for pipeline in _pipelines(dataset)):
        image = image[..., 2::-1]  # decoded images are BGR, arrays RGB
    factor = -(-LEAST_SIDE // min(image.shape[:2]))
    image = image[..., :3].repeat(factor, axis=0).repeat(factor, axis=1)
    return np.pad(image, ((int(BAND * len(image)), 0), (0, 0), (0, 0)))


def _to_row(result: Mapping, classes: Sequence[str] | None) -> dict:
    row = {'sample_idx': int(result['sample_idx']), 'img_path': result.get('img_path')}
    for key in ('gt_label', 'pred_label'):
        labels = result[key].tolist()
        row[key] = labels
        if classes:
            row[key.replace('label', 'class')] = [str(classes[label]) for label in labels]
    return {**row, 'score': float(result['pred_score'].max())}
