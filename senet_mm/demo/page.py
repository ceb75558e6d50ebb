"""A page on which a network is asked about pictures, made with gradio (the extra ``demo``)."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Read when gradio is imported: it asks nobody on the network, and keeps no history of answers.
os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'
os.environ['GRADIO_RUN_HISTORY'] = 'False'
os.environ.setdefault('HF_HUB_OFFLINE', '1')

import gradio as gr
import numpy as np

from senet_mm.apis.explainer import Explainer
from senet_mm.utils.errors import UserError

from .data import Example
from .parts import show_gates, show_look, show_top, text

AS_TRAINED = 'as trained'
# What is shown of an unusable picture, or before the first: look, gates, top-5, top-5 with a stage.
NOTHING = '', '', '', ''
# Least side of a picture to choose from, pixels.
SIDE = 96


class Page:
    """What the page answers; see :func:`.served`.

    Args:
        explainer: The network.
        title: Heading of the page.
        subtitle: Line below it.
        examples: Pictures to choose from.
    """

    def __init__(
        self, explainer: Explainer, title: str, subtitle: str, examples: Sequence[Example] = ()
    ) -> None:
        self.explainer, self.title, self.subtitle = explainer, title, subtitle
        self.examples = examples

    def ask(self, path: str | None, stage: str) -> tuple[str, ...]:
        """Message, look, gates, top-5, and top-5 with the gates of a stage set to 1, as HTML."""
        if not path:
            return self.greeting, *NOTHING
        try:
            explained = self.explainer(path)
        except UserError as error:
            return _format_error(path, error), *NOTHING
        name = self.explainer.names[explained.label]
        average, count = self.explainer.average(explained.label)
        seconds = f'the network took {explained.seconds * 1000:.1f} ms'
        stages = self.explainer.stages
        return (
            f'<b>{text(name)}</b> ({seconds})',
            show_look(explained, name),
            show_gates(explained.gates, average, stages, name, count) if stages else '',
            show_top('Best classes', self.explainer.top(explained.scores)),
            self.open(path, stage),
        )

    def open(self, path: str | None, stage: str) -> str:
        """Top-5 with the gates of a stage set to 1, as HTML."""
        if not path or stage == AS_TRAINED:
            return ''
        try:
            scores = self.explainer.open_stage(path, stage)
        except UserError:  # said by the answer to the picture
            return ''
        title = f'Best classes, all gates of {text(stage)} set to 1'
        return show_top(title, self.explainer.top(scores))

    @property
    def greeting(self) -> str:
        """What is said before the first picture."""
        return f'Drop a picture{", or choose an example" if self.examples else ""}.'

    def choose(self, event: gr.SelectData) -> str:
        """The file of an example."""
        return self.examples[event.index].path

    def build(self) -> gr.Blocks:
        """The page."""
        stages = [AS_TRAINED, *self.explainer.stages]
        with gr.Blocks(title=self.title, analytics_enabled=False) as page:
            gr.HTML(f'<h1>{text(self.title)}</h1><p>{text(self.subtitle)}</p>', elem_id='heading')
            with gr.Row():
                with gr.Column(scale=1):
                    file = self._add_file()
                    message = gr.HTML(self.greeting, elem_id='message')
                    top = gr.HTML(elem_id='top')
                    stage = gr.Radio(
                        stages, value=AS_TRAINED, label='Set all gates of a stage to 1',
                        elem_id='stage', visible=len(stages) > 1,
                    )  # fmt: skip
                    opened = gr.HTML(elem_id='opened')
                with gr.Column(scale=2):
                    look, gates = gr.HTML(elem_id='look'), gr.HTML(elem_id='gates')
            # One answer after the other, in the order of the questions: matplotlib draws in one
            # thread at a time, and an answer about an earlier stage must not come last.
            once: dict[str, Any] = dict(
                show_progress='minimal', concurrency_limit=1, concurrency_id='answers'
            )
            outputs = [message, look, gates, top, opened]
            file.change(self.ask, [file, stage], outputs, api_name='ask', **once)
            stage.change(self.open, [file, stage], opened, api_name='open', **once)
        return page

    def _add_file(self) -> gr.File:
        """The place to drop a picture, and the examples, which are put there."""
        size = self.explainer.predictor.fixed_size
        of_size = f' of {size[1]} x {size[0]} pixels' if size else ''
        file = gr.File(label=f'Drop a picture{of_size} here', elem_id='picture', height=160)
        if self.examples:
            gallery = gr.Gallery(
                [(_enlarge(each), Path(each.path).name) for each in self.examples], columns=5,
                label='Examples', buttons=[], allow_preview=False, format='png', elem_id='examples',
                height='auto',
            )  # fmt: skip
            gallery.select(self.choose, None, file, api_visibility='private')
        return file


def _enlarge(example: Example) -> np.ndarray:
    """The picture of an example, uint8 RGB (H, W, 3), of at least ``SIDE`` pixels."""
    height, width, _ = example.picture.shape
    factor = max(1, -(-SIDE // max(height, width)))
    coloured = np.broadcast_to(example.picture, (height, width, 3))
    return coloured.repeat(factor, 0).repeat(factor, 1)


def _format_error(path: str, error: Exception) -> str:
    reason = str(error).removeprefix(f'{path}: ').replace(path, Path(path).name)
    return f'<b>{text(Path(path).name)} cannot be used:</b> {text(reason)}'
