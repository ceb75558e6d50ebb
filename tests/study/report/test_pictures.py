"""Pictures of a report have the colours of their files."""

import numpy as np
import pytest
import torch

from senet_mm.apis import get_model
from senet_mm.datasets.images.decoding import decode
from senet_mm.study.report.pictures import to_picture


@pytest.mark.parametrize('name', ['seresnet50_8xb32_in1k', 'seresnet50-caffe_8xb32_in1k'])
def test_colours_do_not_depend_on_what_the_network_takes(name):
    """Both load BGR; the first one's preprocessor swaps it."""
    model = get_model(name)
    orange = torch.tensor([0, 128, 255], dtype=torch.uint8).reshape(3, 1, 1).expand(3, 16, 16)
    picture = to_picture(model, orange, 1, 2, 0.1, 0.9, 'a.jpg')
    np.testing.assert_allclose(decode(picture.jpeg)[8, 8], [0, 128, 255], atol=3)
