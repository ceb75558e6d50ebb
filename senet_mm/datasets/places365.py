"""Places365 from the files of its authors."""

from pathlib import Path

from senet_mm.registry import DATASETS
from senet_mm.utils.options import check_option

from .custom import CustomDataset
from .labels import check_below, read_annotations

NUM_CLASSES = 365
CATEGORIES = 'categories_places365.txt'
# Split -> file of its lines "PATH LABEL", folder of its images by their size.
SPLITS = {
    'train-standard': ('places365_train_standard.txt', 'data_{}_standard'),
    'train-challenge': ('places365_train_challenge.txt', 'data_{}_challenge'),
    'val': ('places365_val.txt', 'val_{}'),
}
SIZES = ('256', 'large')


@DATASETS.register_module()
class Places365(CustomDataset):
    """Places365 (Zhou et al., TPAMI 2018): 365 scenes, 36,500 images for validation.

    ``data_root`` holds the files of the release, laid out as for torchvision's ``Places365``:
    ``categories_places365.txt``, ``places365_train_challenge.txt``, ``places365_val.txt`` and the
    image folders ``data_256_challenge`` and ``val_256``.

    Args:
        data_root: Folder of the data set.
        split: ``train-standard`` (1.8 million images), ``train-challenge`` (8 million, those of the
            paper) or ``val``.
        size: ``256`` for the small images, ``large`` for those as they were found.
        **kwargs: Arguments of mmpretrain's ``CustomDataset``: ``pipeline``, ``lazy_init``, ...

    Raises:
        FileNotFoundError: A file or the image folder does not exist.
        ValueError: Split or size are not known, the number of categories is wrong, a line is
            damaged, or a label is out of range.
    """

    def __init__(self, data_root: str, split: str, size: str = '256', **kwargs: object) -> None:
        check_option('split', split, SPLITS)
        check_option('size', size, SIZES)
        ann_file, folder = SPLITS[split]
        folder = folder.format(size)
        for name in (CATEGORIES, ann_file, folder):
            if not Path(data_root, name).exists():
                raise FileNotFoundError(
                    f'{Path(data_root, name)} does not exist; set data_root (now {data_root!r}) to '
                    f'the folder that holds {CATEGORIES}, {ann_file} and {folder}/'
                )
        classes = read_categories(Path(data_root, CATEGORIES))
        # In training damaged images are replaced, anywhere else they are errors.
        kwargs.setdefault('test_mode', split == 'val')
        super().__init__(data_root, folder, ann_file, metainfo=dict(classes=classes), **kwargs)

    def load_data_list(self) -> list[dict]:
        """One dict per image: ``img_path`` and ``gt_label``."""
        # The paths of the training images begin with a slash.
        rows = [
            (name.lstrip('/'), label)
            for name, label in read_annotations(self.ann_file, self.CLASSES)
        ]
        check_below((name for name, _ in rows), self.img_prefix, self.ann_file)
        return [dict(img_path=f'{self.img_prefix}/{name}', gt_label=label) for name, label in rows]


def read_categories(file: Path) -> tuple[str, ...]:
    """Names of the classes in the order of their labels: ``airfield``, ``bakery/shop``, ...

    Raises:
        ValueError: There are not 365, or a line is damaged.
    """
    rows = sorted(read_annotations(str(file), None), key=lambda row: row[1])
    names = tuple(name[3:] for name, _ in rows)  # without "/a/"
    if len(names) != NUM_CLASSES:
        raise ValueError(f'{file} has {len(names)} categories; allowed: {NUM_CLASSES}')
    return names
