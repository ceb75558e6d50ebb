import cv2
import numpy as np
import pytest
import torch

from senet_mm.analysis import Excitation
from senet_mm.analysis.excitation import BlockStats
from senet_mm.analysis.excitation_figures import draw_gates, draw_spread, sample_channels, save


def make_excitation(blocks, low=0.0, high=1.0):
    """Gates of two classes, uniform between two numbers."""
    excitation = Excitation({0: 'tench, Tinca tinca', 5: 'goldfish'})
    for name, channels in blocks.items():
        stats = BlockStats.zeros(3, channels)
        stats.classes.add(
            low + (high - low) * torch.rand(30, channels).double(), torch.arange(30) % 3
        )
        excitation.blocks[name] = stats
    return excitation


@pytest.mark.parametrize(('channels', 'number'), [(2048, 50), (64, 50), (16, 50), (1, 50), (8, 1)])
def test_channels_are_evenly_spaced(channels, number):
    index = sample_channels(channels, number)
    assert len(index) == min(channels, number)
    assert len(set(index)) == len(index)
    assert index[0] == 0
    if len(index) > 1:
        assert index[-1] == channels - 1
        assert np.ptp(np.diff(index)) <= 1


def test_figure_6():
    excitation = make_excitation({'SE_2_1': 16, 'SE_3_1': 128})
    figure = draw_gates(excitation, [5, 0], ['SE_3_1', 'SE_2_1'])
    first, second = figure.axes
    assert (first.get_title(), second.get_title()) == ('SE_3_1', 'SE_2_1')
    labels = [line.get_label() for line in first.lines]
    assert labels == ['goldfish', 'tench', 'all']
    assert [text.get_text() for text in figure.legends[0].get_texts()] == labels
    for line, label in zip(first.lines, (5, 0, None), strict=True):
        mean = excitation.moments('SE_3_1', label).mean.numpy()
        x = sample_channels(128, 50)
        np.testing.assert_array_equal(line.get_xdata(), x)
        np.testing.assert_array_equal(line.get_ydata(), mean[x])
    assert first.get_ylim() == second.get_ylim() == (0, 1)


def test_figure_7():
    excitation = make_excitation({'SE_2_1': 16})
    (axes,) = draw_spread(excitation, [0, 5], ['SE_2_1']).axes
    assert [line.get_label() for line in axes.lines] == ['tench', 'goldfish']
    moments = excitation.moments('SE_2_1', 0)
    band = axes.collections[0].get_datalim(axes.transData)
    assert band.y0 == pytest.approx((moments.mean - moments.std).min().item())
    assert band.y1 == pytest.approx((moments.mean + moments.std).max().item())
    assert axes.get_ylim() == (0, 1)
    (axes,) = draw_spread(excitation, [], ['SE_2_1']).axes
    assert [line.get_label() for line in axes.lines] == ['all']


def test_a_gate_of_another_range_is_drawn_whole():
    excitation = make_excitation({'SE_2_1': 16}, low=-1, high=3)
    (axes,) = draw_gates(excitation, [0], ['SE_2_1']).axes
    low, high = axes.get_ylim()
    assert all(low <= line.get_ydata().min() for line in axes.lines)
    assert high > 1


@pytest.mark.parametrize('blocks', [1, 4, 7])
def test_png(tmp_path, blocks):
    excitation = make_excitation({f'SE_2_{i}': 64 for i in range(blocks)})
    for draw in (draw_gates, draw_spread):
        save(draw(excitation, [0, 5], list(excitation.blocks)), tmp_path / 'figure.png')
        image = cv2.imread(str(tmp_path / 'figure.png'))
        assert min(image.shape[:2]) > 300
        assert image.std() > 10
