import numpy as np
import pytest
import torch

from senet_mm.analysis import Excitation
from senet_mm.analysis.excitation import BlockStats
from senet_mm.analysis.excitation_figures import draw_gates, draw_spread, sample_channels

from ..figure_texts import check_texts


def make_excitation(blocks, low=0.0, high=1.0, names=()):
    """Gates of some classes, uniform between two numbers."""
    classes = dict(enumerate(map(str, names))) or {0: 'tench, Tinca tinca', 5: 'goldfish'}
    excitation = Excitation(classes)
    rows = len(classes) + 1
    for name, channels in blocks.items():
        stats = BlockStats.zeros(rows, channels)
        stats.classes.add(
            low + (high - low) * torch.rand(10 * rows, channels).double(),
            torch.arange(10 * rows) % rows,
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


@pytest.mark.parametrize('order', ['mean', 'index'])
def test_figure_6(order):
    excitation = make_excitation({'SE_2_1': 16, 'SE_3_1': 128})
    figure = draw_gates(
        excitation, [5, 0], ['SE_3_1', 'SE_2_1'], order=order, title='net, 30 images'
    )
    assert figure.get_suptitle() == 'Mean gate of each channel, by class\nnet, 30 images'
    assert figure.get_supylabel() == 'mean gate'
    assert ('sorted' in figure.get_supxlabel()) == (order == 'mean')
    first, second = figure.axes
    assert (first.get_title(), second.get_title()) == ('SE_3_1', 'SE_2_1')
    labels = [line.get_label() for line in first.lines]
    assert labels == ['goldfish', 'tench', 'all']
    assert [text.get_text() for text in figure.legends[0].get_texts()] == labels
    all_gates = excitation.moments('SE_3_1', None).mean.numpy()
    x = sample_channels(128, 50)
    chosen = np.argsort(all_gates)[x] if order == 'mean' else x
    for line, label in zip(first.lines, (5, 0, None), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), x)
        mean = excitation.moments('SE_3_1', label).mean.numpy()
        np.testing.assert_array_equal(line.get_ydata(), mean[chosen])
        assert (line.get_linestyle() == 'None') == (order == 'mean' and label is not None)
    assert first.get_ylim() == second.get_ylim() == (0, 1)


def test_figure_7_has_a_panel_for_each_class():
    excitation = make_excitation({'SE_2_1': 16, 'SE_3_1': 8})
    figure = draw_spread(excitation, [0, 5], ['SE_2_1', 'SE_3_1'], order='index')
    assert [axes.get_title() for axes in figure.axes] == [
        'SE_2_1\ntench', 'SE_2_1\ngoldfish', 'SE_3_1\ntench', 'SE_3_1\ngoldfish',
    ]  # fmt: skip
    assert figure.get_suptitle().endswith('standard deviation; black: all images')
    axes = figure.axes[0]
    moments = excitation.moments('SE_2_1', 0)
    band = axes.collections[0].get_datalim(axes.transData)
    assert band.y0 == pytest.approx((moments.mean - moments.std).min().item())
    assert band.y1 == pytest.approx((moments.mean + moments.std).max().item())
    assert axes.get_ylim() == (0, 1)
    everything = excitation.moments('SE_2_1', None).mean.numpy()
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), everything)


def test_figure_7_of_all_images():
    figure = draw_spread(make_excitation({'SE_2_1': 16}), [], ['SE_2_1'])
    assert [line.get_label() for line in figure.axes[0].lines] == ['all']
    assert 'black' not in figure.get_suptitle()


def test_each_block_of_figure_7_begins_a_row():
    excitation = make_excitation({'SE_2_1': 4, 'SE_3_1': 4}, names=range(6))
    figure = draw_spread(excitation, range(6), ['SE_2_1', 'SE_3_1'])
    drawn = [axes for axes in figure.axes if axes.get_visible()]
    assert len(drawn) == 12
    starts = [axes.get_title() for axes in drawn if axes.get_subplotspec().is_first_col()]
    assert starts == ['SE_2_1\n0', 'SE_2_1\n4', 'SE_3_1\n0', 'SE_3_1\n4']


@pytest.mark.parametrize('draw', [draw_gates, draw_spread])
@pytest.mark.parametrize('blocks', [1, 4, 7])
def test_no_text_is_on_another_one(draw, blocks):
    excitation = make_excitation(
        {f'SE_2_{i}': 2048 for i in range(blocks)},
        names=['hen of the woods, Grifola', 'é' * 90, '$', '猫' * 90],
    )
    figure = draw(excitation, [0, 1, 2, 3], list(excitation.blocks), title='seresnet50_8xb32_in1k')
    texts = check_texts(figure)
    assert len(texts) > 5 * blocks


def test_a_gate_of_another_range_is_drawn_whole():
    excitation = make_excitation({'SE_2_1': 16}, low=-1, high=3)
    (axes,) = draw_gates(excitation, [0], ['SE_2_1']).axes
    low, high = axes.get_ylim()
    assert all(low <= line.get_ydata().min() for line in axes.lines)
    assert high > 1


def test_a_gate_of_one_channel_is_a_point():
    excitation = make_excitation({'SE_2_1': 1})
    for figure in (
        draw_gates(excitation, [0], ['SE_2_1']),
        draw_spread(excitation, [], ['SE_2_1']),
    ):
        assert all(line.get_marker() != 'None' for line in figure.axes[0].lines)
