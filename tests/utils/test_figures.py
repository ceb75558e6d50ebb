"""The style of figures, and files of them."""

import re

import matplotlib
import pytest
from PIL import Image

from senet_mm.utils.errors import InputError
from senet_mm.utils.figures import (
    PALETTE,
    WIDTH,
    check_picture,
    curve_style,
    line_style,
    marker_style,
    new_figure,
    save_figure,
    short_text,
    styled,
)


@styled()
def draw(title='gates of a $100 bill and a $5 one'):
    figure = new_figure(2, title)
    figure.subplots().plot([0, 1])
    return figure


@pytest.mark.parametrize('suffix', ['png', 'PNG', 'svg', 'pdf'])
def test_files(tmp_path, suffix):
    for name in 'ab':
        save_figure(draw(), tmp_path / f'{name}.{suffix}')
    first, second = (tmp_path / f'{name}.{suffix}' for name in 'ab')
    assert first.read_bytes() == second.read_bytes()
    if suffix.lower() == 'png':
        with Image.open(first) as image:
            assert image.format == 'PNG'
            assert image.size == (WIDTH * 150, 300)
    if suffix == 'svg':
        assert 'gates of a $100 bill and a $5 one' in first.read_text()
        assert 'sans-serif' in first.read_text()


@pytest.mark.parametrize('name', ['a.jpg', 'a', 'no/a.png'])
def test_wrong_names(tmp_path, name):
    message = re.escape(f'--out {tmp_path / name}: allowed: a file .png, .svg, .pdf in a folder')
    with pytest.raises(InputError, match=message):
        check_picture(tmp_path / name)
    with pytest.raises(InputError):
        save_figure(draw(), tmp_path / name)
    assert not [*tmp_path.iterdir()]


def test_letters_without_a_font_are_named(tmp_path, capsys, recwarn):
    save_figure(draw('letter \uf8a0'), tmp_path / 'a.png')  # of private use: in no font
    assert 'a.png: no installed font has \uf8a0; they are drawn as boxes' in capsys.readouterr().out
    save_figure(draw('letter \uf8a0'), tmp_path / 'a.svg')
    save_figure(draw(), tmp_path / 'b.png')
    assert capsys.readouterr().out == ''
    assert not recwarn.list


def test_the_style_ends_with_the_drawing():
    before = dict(matplotlib.rcParams)
    draw()
    assert dict(matplotlib.rcParams) == before


def test_curves_and_points_differ():
    number = 2 * len(PALETTE)
    for style in (line_style, marker_style, curve_style):
        assert len({tuple(style(i).items()) for i in range(number)}) == number


def test_short_names():
    assert short_text('goldfish') == 'goldfish'
    assert short_text('a\nb') == r'"a\nb"'
    assert short_text('x' * 24) == 'x' * 24
    assert short_text('x' * 25) == 'x' * 23 + '…'
    assert short_text('猫' * 12) == '猫' * 12
    assert short_text('猫' * 13) == '猫' * 11 + '…'
    assert short_text('') == ''
