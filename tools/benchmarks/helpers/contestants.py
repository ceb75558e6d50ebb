"""The images, pipelines and loaders that tools/benchmarks/data.py measures."""

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine import Config
from mmengine.dataset import default_collate
from mmengine.registry import init_default_scope

from senet_mm.datasets import ImageNet, SeededDataset
from senet_mm.datasets.collate import collate
from senet_mm.datasets.images.colours import swap_red_and_blue
from senet_mm.datasets.images.jpeg import encode_jpeg
from senet_mm.datasets.images.turbojpeg import can_decode_windows
from senet_mm.datasets.windows import wait_for_crops
from senet_mm.engine import Runner
from senet_mm.registry import DATASETS, TRANSFORMS
from senet_mm.utils.device import name_processor

ROOT = Path(__file__).parents[3]
SIZE, BYTES_PER_PIXEL = (375, 500), 0.6
REPEATS = 16  # the set is so often in an epoch of a loader
init_default_scope('senet_mm')
cv2.setNumThreads(0)
torch.set_num_threads(1)

CONFIG = Config.fromfile(ROOT / 'configs/_base_/datasets/imagenet_bs32_senet.py')
CROP = dict(type='RandomResizedCrop', scale=224)
DEFAULT = [dict(type='LoadImageFromFile'), CROP, dict(type='RandomFlip', prob=0.5)]
PACK = dict(type='PackInputs')
# The recipe from what mmpretrain has, and a jitter by NumPy.
NAIVE = [
    *DEFAULT,
    dict(
        type='Rotate',
        magnitude_range=(0, 10),
        magnitude_std='inf',
        prob=1.0,
        interpolation='bilinear',
        pad_val=(104, 117, 123),
    ),
    dict(type='PixelJitter', magnitude=20),
]


def project(on: str) -> list[dict]:
    """The project's pipeline, augmentation on ``device`` or ``cpu``."""
    pipeline = [dict(cfg) for cfg in CONFIG.train_pipeline]
    pipeline[2]['on'] = on
    return pipeline


def photographs() -> list[np.ndarray]:
    """BGR photographs that come with scikit-image and scikit-learn."""
    from skimage import data
    from sklearn.datasets import load_sample_images

    names = ('astronaut', 'coffee', 'rocket', 'retina', 'hubble_deep_field', 'immunohistochemistry')
    images = [getattr(data, name)() for name in names] + load_sample_images().images
    return [swap_red_and_blue(image) for image in images]


def make_set(root: Path, count: int) -> None:
    """Write random crops in ImageNet's layout; the JPEG quality follows the bytes per pixel."""
    rng, images = np.random.default_rng(0), photographs()
    (root / 'train').mkdir()
    (root / 'meta').mkdir()
    lines = []
    for i in range(count):
        image = images[i % len(images)]
        top, left = (rng.integers(a - b + 1) for a, b in zip(image.shape, SIZE, strict=False))
        crop = image[top : top + SIZE[0], left : left + SIZE[1]]
        encoded = (encode_jpeg(crop, quality) for quality in range(70, 101, 2))
        wanted = BYTES_PER_PIXEL * SIZE[0] * SIZE[1]
        best = min(encoded, key=lambda data: abs(len(data) - wanted))
        (root / f'train/{i}.JPEG').write_bytes(best)
        lines.append(f'{i}.JPEG {i % 1000}\n')
    (root / 'meta/train.txt').write_text(''.join(lines))


def describe_set(root: Path) -> str:
    """Size and bytes of the images."""
    sizes = [path.stat().st_size for path in root.glob('train/*')]
    mean = np.mean(sizes)
    return (
        f'{SIZE[1]} x {SIZE[0]}, {mean / 1000:.0f} kB, {mean / SIZE[0] / SIZE[1]:.2f} bytes / pixel'
    )


def make_shards(root: Path) -> Path:
    """The set packed with a short side of 288."""
    command = ['tools/dataset_tools/pack.py', root, root / 'shards', '--short-side', '288']
    command = [sys.executable, *map(str, command), '--splits', 'train', '--workers', '2']
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return root / 'shards'


def get_datasets(root: Path, shards: Path) -> dict[str, tuple[dict, Callable]]:
    """Configs of OpenMMLab data sets, and their collate functions."""
    files = dict(type='ImageNet', split='train', data_root=str(root))
    packed = dict(type='ShardedImageNet', split='train', data_root=str(shards))
    rows = {
        'mmpretrain, default': (files, [*DEFAULT, PACK], default_collate),
        'mmpretrain, this augmentation': (files, [*NAIVE, PACK], default_collate),
        'this project, all on the CPU': (files, project('cpu'), collate),
        'this project, rest on the device': (files, project('device'), collate),
        'shards of 288, all on the CPU': (packed, project('cpu'), collate),
        'shards of 288, rest on the device': (packed, project('device'), collate),
    }
    return {
        name: (dict(cfg, pipeline=pipeline), merge) for name, (cfg, pipeline, merge) in rows.items()
    }


def batches(count: int, size: int) -> Iterator[range]:
    """The indices of an epoch by batches."""
    return (range(i, min(i + size, count)) for i in range(0, count, size))


def get_works(root: Path, shards: Path, size: int) -> dict[str, Callable[[], None]]:
    """An epoch of each contestant in this process: read, decode, augment, make batches."""

    def plainly(dataset, merge) -> None:
        for indices in batches(len(dataset), size):
            merge([dataset[i] for i in indices])

    def seeded(dataset, merge) -> None:
        served = SeededDataset(dataset, merge)
        for indices in batches(len(dataset), size):
            served.__getitems__([(i, (0, 0, i)) for i in indices])

    works = {}
    for name, (cfg, merge) in get_datasets(root, shards).items():
        dataset, run = DATASETS.build(cfg), seeded if merge is collate else plainly
        works[name] = partial(run, dataset, merge)
        if run is seeded and can_decode_windows():
            works[f'{name}, without the extra'] = partial(run, DATASETS.build(cfg), merge)
            wait_for_crops(dataset)
    for name, transform in get_others().items():
        works[name] = lambda transform=transform: run_others(root, transform, size)
    return works


def get_others() -> dict[str, Callable]:
    """torchvision's and timm's transforms of a Pillow image."""
    from timm.data import create_transform
    from torchvision import transforms as v1
    from torchvision.transforms import InterpolationMode, v2

    def jitter(image):
        noise = torch.randint(-20, 21, image.shape, dtype=torch.int16)
        return (image + noise).clamp_(0, 255).to(torch.uint8)

    rotation = dict(degrees=10, interpolation=InterpolationMode.BILINEAR, fill=(123, 117, 104))
    default = [v1.RandomResizedCrop(224), v1.RandomHorizontalFlip()]
    return {
        'torchvision v1, default': v1.Compose([*default, v1.PILToTensor()]),
        'torchvision v1, this augmentation': v1.Compose(
            [*default, v1.RandomRotation(**rotation), v1.PILToTensor(), jitter]
        ),
        'torchvision v2, this augmentation': v2.Compose(
            [
                v2.PILToTensor(),
                v2.RandomResizedCrop(224),
                v2.RandomHorizontalFlip(),
                v2.RandomRotation(**rotation),
                jitter,
            ]
        ),
        'timm, crop and mirror': create_transform(
            224, is_training=True, auto_augment=None, color_jitter=None, interpolation='bilinear'
        ),
    }


def run_others(root: Path, transform: Callable, size: int) -> None:
    """An epoch of a transform of Pillow images."""
    from PIL import Image

    paths = sorted(root.glob('train/*.JPEG'))
    for indices in batches(len(paths), size):
        torch.stack([transform(Image.open(paths[i]).convert('RGB')) for i in indices])


def get_stages(root: Path) -> dict[str, Callable[[], None]]:
    """Each transform of the project alone, on the output of the one before it."""
    works, dataset = {}, ImageNet(data_root=str(root), split='train')
    samples = [dataset.get_data_info(i) for i in range(len(dataset))]
    for cfg in project('cpu'):
        transform = TRANSFORMS.build(cfg)
        works[cfg['type']] = lambda transform=transform, samples=samples: [
            transform(dict(sample)) for sample in samples
        ]
        samples = [transform(dict(sample)) for sample in samples]
    works['collate'] = lambda samples=samples: collate(samples)
    return works


class Loader:
    """A loader of an epoch, whose workers persist."""

    def __init__(self, dataset: dict, merge: Callable, workers: int, size: int) -> None:
        images = len(DATASETS.build(dataset))
        cfg = dict(
            dataset=dict(dataset, indices=list(range(images)) * REPEATS),
            batch_size=size,
            num_workers=workers,
            sampler=dict(type='DefaultSampler', shuffle=True),
            collate_fn=dict(type=merge),
        )
        self.loader = Runner.build_dataloader(cfg, seed=0)

    def run(self) -> None:
        """Receive the batches of an epoch."""
        for batch in self.loader:
            assert len(batch['inputs'])


def get_loaders(root: Path, shards: Path, workers: int, size: int) -> dict[str, Loader]:
    """Loaders of the OpenMMLab data sets."""
    from mmengine.dataset import pseudo_collate

    datasets = get_datasets(root, shards)
    name = 'mmpretrain, this augmentation'
    datasets['the same, lists (mmengine default)'] = (datasets[name][0], pseudo_collate)
    return {name: Loader(*parts, workers, size) for name, parts in datasets.items()}


def time_on_device() -> str:
    """Milliseconds of the batched module for 256 images, where there is a GPU."""
    if not torch.cuda.is_available():
        return 'No GPU: the batched module on a device is not measured.'
    from .batches import augmented_batch, preprocessor

    module, batch = preprocessor().cuda(), augmented_batch(256, 224, 'cuda')
    times = []
    for _ in range(30):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        module(batch, training=True)
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end))
    return (
        f'Batched module, 256 images on {torch.cuda.get_device_name()}: {sorted(times)[15]:.2f} ms'
    )


def describe_machine() -> str:
    """Processor and versions."""
    import mmpretrain
    import PIL
    import timm
    import torchvision

    versions = {
        'Python': platform.python_version(),
        **{module.__name__: module.__version__ for module in (
            np, cv2, PIL, torch, torchvision, timm, mmpretrain
        )},
    }  # fmt: skip
    text = ', '.join(f'{name} {version}' for name, version in versions.items())
    extra = 'with' if can_decode_windows() else 'without'
    return f'{name_processor()}, {os.cpu_count()} cores; {text}; {extra} the extra windows'
