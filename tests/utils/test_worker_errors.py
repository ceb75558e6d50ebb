"""An error in a loader's worker is one line, as the same error without workers."""

import pytest
from torch.utils.data import DataLoader

from senet_mm.utils.errors import describe


class Broken:
    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 1

    def __getitem__(self, index):
        raise self.error


@pytest.mark.parametrize('num_workers', [0, 1])
@pytest.mark.parametrize(
    ('error', 'line'),
    [(ValueError('a: b\nc'), 'a: b c'), (KeyError('gt_label'), 'gt_label')],
)
def test_one_line(num_workers, error, line):
    with pytest.raises(type(error)) as caught:
        next(iter(DataLoader(Broken(error), num_workers=num_workers)))
    assert describe(caught.value).strip("'") == line
