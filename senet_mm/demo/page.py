"""A page on which a network is asked about pictures, made with gradio (the extra ``demo``)."""

import contextlib
import os
import socket
import tempfile
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

# Read when gradio is imported: it asks nobody on the network.
os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'
os.environ.setdefault('HF_HUB_OFFLINE', '1')

import gradio as gr

from senet_mm.apis.explainer import Explainer
from senet_mm.utils.errors import InputError, UserError
from senet_mm.utils.figures import short_text
from senet_mm.utils.names import printable

from .figures import draw_look, draw_own_gates

FONTS = ['system-ui', 'sans-serif']
AS_TRAINED = 'as trained'
# What is shown of an unusable picture, or before the first: look, gates, top-5, top-5 with a stage.
NOTHING = None, None, None, None
# Seconds after which an uploaded file is removed, and between two looks for such files.
KEPT, CLEANED = 300, 60


class Page:
    """What the page answers; see :func:`served`.

    Args:
        explainer: The network.
        title: Heading of the page.
        subtitle: Line below it.
        examples: Files to choose from.
    """

    def __init__(
        self, explainer: Explainer, title: str, subtitle: str, examples: Sequence[str] = ()
    ) -> None:
        self.explainer, self.title, self.subtitle = explainer, title, subtitle
        self.examples = list(map(os.path.abspath, examples))

    def ask(self, path: str | None, stage: str) -> tuple[Any, ...]:
        """Message, look, gates, top-5, and top-5 with the gates of a stage set to 1."""
        if not path:
            return '', *NOTHING
        try:
            explained = self.explainer(path)
        except UserError as error:
            return _format_error(path, error), *NOTHING
        name = self.explainer.names[explained.label]
        average, count = self.explainer.average(explained.label)
        message = f'<b>{escape(printable(name))}</b>, {explained.seconds * 1000:.1f} ms'
        if self.explainer.stages and not average:
            message += '. No pictures of this class are known: its average gates are not shown.'
        known = f'{short_text(name)} ({count:,} picture{"s" * (count != 1)})'
        gates = explained.gates and draw_own_gates(
            explained.gates, average, self.explainer.stages, known
        )
        top = dict(self.explainer.top(explained.scores))
        look = draw_look(explained)
        return message, look, gates if explained.gates else None, top, self.open(path, stage)

    def open(self, path: str | None, stage: str) -> dict[str, float] | None:
        """Top-5 with the gates of a stage set to 1."""
        if not path or stage == AS_TRAINED:
            return None
        try:
            scores = self.explainer.open_stage(path, stage)
        except UserError:  # said by the answer to the picture
            return None
        return dict(self.explainer.top(scores))

    def choose(self, event: gr.SelectData) -> str:
        """The file of an example."""
        return self.examples[event.index]

    def build(self) -> gr.Blocks:
        """The page."""
        stages = [AS_TRAINED, *self.explainer.stages]
        with gr.Blocks(
            title=self.title, analytics_enabled=False, delete_cache=(CLEANED, KEPT)
        ) as page:
            gr.HTML(
                f'<h1>{escape(printable(self.title))}</h1><p>{escape(printable(self.subtitle))}</p>'
            )
            with gr.Row():
                with gr.Column(scale=1):
                    size = self.explainer.predictor.fixed_size
                    of_size = f' of {size[1]} x {size[0]} pixels' if size else ''
                    file = gr.File(
                        label=f'Drop a picture{of_size} here', elem_id='picture', height=160
                    )
                    if self.examples:
                        gallery = gr.Gallery(
                            self.examples, label='Examples', columns=5, height=180, buttons=[],
                            allow_preview=False, elem_id='examples',
                        )  # fmt: skip
                        gallery.select(self.choose, None, file, api_visibility='private')
                    message = gr.HTML(elem_id='message')
                    top = gr.Label(label='Best classes', elem_id='top')
                with gr.Column(scale=2):
                    look = _add_figure('What it saw, and where it looked (Grad-CAM)', 'look')
            with gr.Row(visible=len(stages) > 1):
                with gr.Column(scale=1):
                    stage = gr.Radio(
                        stages, value=AS_TRAINED, label='Set all gates of a stage to 1',
                        elem_id='stage',
                    )  # fmt: skip
                    opened = gr.Label(label='Best classes with these gates open', elem_id='opened')
                with gr.Column(scale=2):
                    gates = _add_figure('Gates of the last block of each stage', 'gates')
            # matplotlib draws in one thread at a time: one answer after the other.
            once: dict[str, Any] = dict(show_progress='minimal', concurrency_limit=1)
            outputs = [message, look, gates, top, opened]
            file.change(self.ask, [file, stage], outputs, api_name='ask', **once)
            stage.change(self.open, [file, stage], opened, api_name='open', **once)
        return page


def _add_figure(title: str, name: str) -> gr.Image:
    """A place for a figure below its title, without the button that shares it with others."""
    gr.Markdown(f'#### {title}')
    return gr.Image(
        elem_id=name, show_label=False, interactive=False, format='png',
        buttons=['download', 'fullscreen'],
    )  # fmt: skip


def _format_error(path: str, error: Exception) -> str:
    text = str(error).removeprefix(f'{path}: ').replace(path, Path(path).name)
    return f'<b>{escape(printable(Path(path).name))} cannot be used:</b> {escape(text)}'


@contextlib.contextmanager
def served(page: Page, host: str, port: int | None, max_bytes: int) -> Iterator[str]:
    """Serve a page until the end; gives its address. What was uploaded is removed at the end.

    Args:
        page: The page.
        host: Address of this machine to listen at.
        port: None for a free one from 7860.
        max_bytes: Largest file that is taken.

    Raises:
        InputError: The port is taken, or the host is not of this machine.
    """
    port = find_port(host, port)
    before = os.environ.get('GRADIO_TEMP_DIR')
    with tempfile.TemporaryDirectory(prefix='senet_mm-demo-') as folder:
        os.environ['GRADIO_TEMP_DIR'] = folder
        blocks = page.build()
        try:
            _, address, _ = blocks.launch(
                server_name=host, server_port=port, share=False, quiet=True, inbrowser=False,
                prevent_thread_lock=True, max_file_size=max_bytes, footer_links=[],
                allowed_paths=page.examples,
                theme=gr.themes.Default(font=FONTS, font_mono=['monospace']),
                enable_monitoring=False, ssr_mode=False,
            )  # fmt: skip
            yield address
        finally:
            blocks.close(verbose=False)
            if before is None:
                del os.environ['GRADIO_TEMP_DIR']
            else:
                os.environ['GRADIO_TEMP_DIR'] = before


def find_port(host: str, port: int | None) -> int:
    """A port that is free: the given one, or one of the hundred from 7860.

    Raises:
        InputError: There is none.
    """
    reason = ''
    for each in range(7860, 7960) if port is None else [port]:
        try:
            with socket.create_server((host, each)):
                return each
        except OSError as error:
            reason = error.strerror or str(error)
    what = f'--port {port}' if port is not None else 'ports 7860 to 7959'
    raise InputError(f'{what} of --host {host}: {reason}; allowed: a free port of this machine')
