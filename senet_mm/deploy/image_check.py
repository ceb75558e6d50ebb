"""An ONNX file that takes images as they are, beside the classifier that it was made from."""

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import default_collate

from senet_mm.datasets.images.colours import swap_red_and_blue
from senet_mm.engine.weights.geometry import is_inner
from senet_mm.engine.weights.preprocessing import (
    describe_preprocessing,
    get_dataset,
    get_preprocessor,
)
from senet_mm.registry import DATASETS

from .images import spread_evenly
from .runtimes import start_session


def decode_images(cfg: Config, indices: Sequence[int]) -> Iterator[np.ndarray]:
    """Images of the test set as they are decoded, uint8 (H, W, C), RGB or grey."""
    decoding = copy.deepcopy(cfg)
    owner = get_dataset(decoding, 'test_dataloader')
    assert owner is not None  # its geometry is known
    owner['pipeline'] = [step for step in owner['pipeline'] if not is_inner(step)]
    dataset: Any = DATASETS.build(decoding.test_dataloader.dataset)
    is_swapped = bool(get_preprocessor(cfg).get('to_rgb'))
    is_bgr = describe_preprocessing(cfg)['channel_order'] == ('RGB' if is_swapped else 'BGR')
    for index in indices:
        image = dataset[index]['inputs'].permute(1, 2, 0).numpy()
        yield swap_red_and_blue(image) if is_bgr else np.ascontiguousarray(image)


@torch.no_grad()
def compare_scores(path: Path, model: Any, number: int) -> dict[str, dict[str, object]]:
    """Rows of a report: a deployed file beside the classifier, image by image of the test set.

    Args:
        path: The file.
        model: The classifier, with its config.
        number: Number of images, evenly from all of the set.
    """
    dataset: Any = DATASETS.build(model.cfg.test_dataloader.dataset)
    indices = spread_evenly(len(dataset), number)
    session = start_session(path)()
    differences, agreed = [], 0
    for index, image in zip(indices, decode_images(model.cfg, indices), strict=True):
        inputs = model.data_preprocessor(default_collate([dataset[index]]))['inputs']
        expected = model(inputs).softmax(1).cpu()
        scores = torch.from_numpy(session.run(['pred_scores'], {'images': image[None]})[0])
        differences.append(float((scores - expected).abs().max()))
        agreed += int(scores.argmax() == expected.argmax())
    return {
        'largest score difference, from images': dict(after=max(differences)),
        'same top-1, from images': dict(after=f'{agreed} of {len(indices)} images'),
    }
