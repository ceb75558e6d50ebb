"""Checks of labels."""

from collections.abc import Sequence


def check_labels(data_list: Sequence[dict], num_classes: int, file: str) -> None:
    """Raise a ValueError for a label that is out of range.

    Args:
        data_list: One dict per image: ``img_path`` and ``gt_label``.
        num_classes: Number of classes.
        file: Where the labels stand.
    """
    bad = [info for info in data_list if not 0 <= info['gt_label'] < num_classes]
    if bad:
        raise ValueError(
            f'{file}: label {bad[0]["gt_label"]} of {bad[0]["img_path"]} is out of '
            f'range; allowed: 0 to {num_classes - 1}'
        )
