"""An error in a loader's worker is one line, as the same error without workers.

No line of ours has the name of a class of ours in its midst.
"""

import pytest
from torch.utils.data import DataLoader

from senet_mm.datasets import DamagedImageError
from senet_mm.utils.errors import InputError, MissingFileError, describe, name_error


class EmptyError(Exception):
    """Has no message."""


# With its line, and with its name before it where that says something.
ERRORS = [
    (ValueError('a: b\nc'), 'a: b c', 'ValueError: a: b c'),
    (KeyError('gt_label'), 'gt_label', "KeyError: 'gt_label'"),
    (InputError('x.png has 1 channel(s): no'), 'x.png has 1 channel(s): no', None),
    (MissingFileError('x.png: gone'), 'x.png: gone', None),
    (DamagedImageError('x: InputError: y'), 'x: InputError: y', None),
    (InputError('a ' * 2100), 'a ' * 2000 + '...', None),
    (EmptyError(), 'EmptyError', 'EmptyError'),
]


class Broken:
    def __len__(self):
        return len(ERRORS)

    def __getitem__(self, index):
        raise ERRORS[index][0]


@pytest.mark.parametrize('num_workers', [0, 1])
def test_one_line(num_workers):
    samples = iter(DataLoader(Broken(), num_workers=num_workers))
    for error, line, name in ERRORS:
        with pytest.raises(type(error)) as caught:
            next(samples)
        assert describe(caught.value).strip("'") == line
        assert name_error(caught.value).replace(f'{__name__}.', '') == (name or line)
