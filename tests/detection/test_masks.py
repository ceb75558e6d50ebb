"""Run lengths as COCO writes them."""

import re

import numpy as np
import pytest
from pycocotools.mask import encode

from senet_mm.detection.coco import CocoData
from senet_mm.detection.masks import check_mask, read_runs

from .test_annotations import changed, write


def get_runs(mask):
    """Run lengths of a mask (H, W), column by column, that of 0 first."""
    values = np.concatenate([[0], mask.ravel(order='F'), [2]])
    ends = [*np.flatnonzero(np.diff(values[:-1])).tolist(), mask.size]
    return np.diff([0, *ends]).tolist()


@pytest.mark.parametrize('share', [0.0, 0.001, 0.1, 0.5, 1.0])
def test_runs_are_those_of_pycocotools(share):
    rng = np.random.default_rng(0)
    for height, width in ((1, 1), (7, 5), (300, 400)):
        mask = np.asfortranarray(rng.random((height, width)) < share, np.uint8)
        text = encode(mask)['counts'].decode()
        assert read_runs(text) == get_runs(mask)
        image = dict(height=height, width=width)
        for counts in (text, get_runs(mask)):
            check_mask(dict(segmentation=dict(size=[height, width], counts=counts)), image, 'x')


@pytest.mark.parametrize(
    ('size', 'counts', 'message'),
    [
        ([9, 9], [81], 'size=[9, 9]; allowed: [48, 64]'),
        (None, [3072], 'size=None; allowed: [48, 64]'),
        ([48, 64], [100, 50], '150 pixels together; the image has 3072'),
        ([48, 64], [10**9, 5], '1000000005 pixels together; the image has 3072'),
        ([48, 64], [-5, 3077], 'counts that are no run lengths; allowed: whole, from 0'),
        ([48, 64], [3072.0], 'counts that are no run lengths'),
        ([48, 64], None, 'counts that are no run lengths'),
        ([48, 64], 'zzz', "counts that are not COCO's run lengths: 'z' after 0 runs"),
        ([48, 64], '0' * 9, '0 pixels together'),
        ([48, 64], 'o', 'the text is cut off'),
        ([48, 64], 'o' * 99, "'o' after 0 runs"),
    ],
)
@pytest.mark.parametrize('crowd', [0, 1])
def test_wrong_run_lengths_are_refused(size, counts, message, crowd, tmp_path):
    given = changed('annotations.0.segmentation', dict(size=size, counts=counts))
    given['annotations'][0]['iscrowd'] = crowd
    root = write(tmp_path, 'val', given)
    place = 'instances_val.json: annotation 0 of a.png has '
    with pytest.raises(ValueError, match=re.escape(place) + '.*' + re.escape(message)):
        CocoData(root, 'val', masks=True)
    assert len(CocoData(root, 'val')) == 2
