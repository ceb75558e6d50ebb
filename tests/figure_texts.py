"""Where the texts of a figure of matplotlib are."""

import warnings

from matplotlib.text import Text


def check_texts(figure):
    """Assert that no text is on another one or leaves the page; return the texts."""
    with warnings.catch_warnings(action='ignore', category=UserWarning):  # missing glyphs
        figure.draw_without_rendering()
    hidden = {id(text) for axes in figure.axes for text in hidden_texts(axes)}
    texts = [text for text in figure.findobj(Text) if text.get_text().strip()]
    texts = [text for text in texts if text.get_visible() and id(text) not in hidden]
    boxes = [text.get_window_extent() for text in texts]
    for i, (text, box) in enumerate(zip(texts, boxes, strict=True)):
        assert figure.bbox.x0 - 1 <= box.x0, text
        assert box.x1 <= figure.bbox.x1 + 1, text
        hit = [other for other, its in zip(texts[:i], boxes, strict=False) if overlap(box, its)]
        assert not hit, (text, hit)
    return [text.get_text() for text in texts]


def hidden_texts(axes):
    """All texts of hidden axes; the labels of ticks that are outside of the axes."""
    if not axes.get_visible():
        yield from axes.findobj(Text)
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
            if not (low <= tick.get_loc() <= high and tick.label1.get_visible()):
                yield tick.label1


def overlap(first, second):
    """Whether two boxes share more than a pixel in both directions."""
    wide = min(first.x1, second.x1) - max(first.x0, second.x0)
    high = min(first.y1, second.y1) - max(first.y0, second.y0)
    return wide > 1 and high > 1
