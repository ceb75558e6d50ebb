import pytest
from mmengine.config import Config

from senet_mm.config.image_shape import find_image_shape

# As mmpretrain's files, without the shape of an image.
PLAIN = dict(model=dict(data_preprocessor=dict(mean=[0.5])))


@pytest.mark.parametrize(
    ('cfg', 'size', 'shape'),
    [
        (dict(input_shape=(3, 224, 192)), None, (3, 224, 192)),
        (dict(input_shape=(1, 8, 8)), [224], (1, 224, 224)),
        (dict(input_shape=(1, 8, 8)), [8, 16], (1, 8, 16)),
        (PLAIN, [8], (1, 8, 8)),
        (dict(data_preprocessor=dict(mean=[1, 2, 3, 4]), model={}), [8], (4, 8, 8)),
        (dict(model={}), [8], (3, 8, 8)),
    ],
)
def test_shape(cfg, size, shape):
    assert find_image_shape(Config(cfg), size) == shape


@pytest.mark.parametrize(
    ('size', 'message'),
    [
        (None, 'the config has no input_shape; allowed: --shape SIZE'),
        ([], '--shape : allowed: SIZE or HEIGHT WIDTH'),
        ([1, 2, 3], '--shape 1 2 3: allowed: SIZE or HEIGHT WIDTH'),
        ([4, 0], '--shape 4 0: allowed: SIZE or HEIGHT WIDTH'),
    ],
)
def test_no_shape(size, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011, the message is compared below
        find_image_shape(Config(PLAIN), size)
    assert str(error.value) == message
