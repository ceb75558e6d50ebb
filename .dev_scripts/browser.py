"""A headless browser that takes pictures for the docs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = '/usr/bin/chromium'


@contextmanager
def opened_tab(width: int, height: int, **options: Any) -> 'Iterator[Page]':
    """A tab of Debian's chromium with a window of so many pixels."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox'])
        yield browser.new_page(viewport=dict(width=width, height=height), **options)
        browser.close()


def photograph(tab: 'Page', path: Path, whole: bool = False, photos: bool = False) -> None:
    """Write a picture of a tab, or of its whole page; of few colours, which keeps it small.

    Args:
        tab: The tab.
        path: The file.
        whole: Not only what the window shows.
        photos: Whether the page shows photographs and maps, whose colours must stay right.
    """
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    tab.screenshot(path=path, full_page=whole)
    with Image.open(path) as picture:
        colours = picture.convert('RGB')
    if photos:
        palette = colours.quantize(256, Image.Quantize.MAXCOVERAGE)
        few = colours.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    else:
        few = colours.quantize(128)
    few.save(path, optimize=True)
