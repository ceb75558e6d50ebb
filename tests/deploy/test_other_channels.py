"""The preparation of images in a graph, where they are not three channels of 8 bits."""

import numpy as np
import pytest

from senet_mm.deploy.metadata import describe_input

PLAIN = dict(mean=[1.0, 2, 3, 4], std=[1.0] * 4, resize=None, crop=None, input_size=[4, 5, 6])


@pytest.mark.parametrize('order', ['RGB', 'BGR'])
def test_four_channels(order):
    """Alpha stays the last."""
    pytest.importorskip('onnxscript')
    runtime = pytest.importorskip('onnxruntime')
    from senet_mm.deploy.image_graph import build_preparation

    graph = build_preparation({**PLAIN, 'channel_order': order}, 4)
    session = runtime.InferenceSession(
        graph.SerializeToString(), providers=['CPUExecutionProvider']
    )
    images = np.random.default_rng(0).integers(0, 256, (2, 5, 6, 4)).astype(np.uint8)
    [prepared] = session.run(None, {'images': images})
    expected = images[..., [0, 1, 2, 3] if order == 'RGB' else [2, 1, 0, 3]] - np.array(
        PLAIN['mean']
    )
    assert np.array_equal(prepared, expected.transpose(0, 3, 1, 2))


@pytest.mark.parametrize(
    ('channels', 'order'), [(1, 'grey'), (3, 'RGB'), (4, 'RGBA'), (6, 'multi-channel')]
)
def test_what_it_takes_in_words(channels, order):
    record = dict(preprocessing=dict(mean=None, channel_order='RGB' if channels == 3 else None))
    assert f'{order} images' in describe_input(record, (channels, 8, 8), with_images=True)
    words = describe_input(record, (channels, 8, 8), with_images=False)
    assert ('grey' in words) == (channels == 1)
