"""The model card of a folder in the layout of timm's hub: ``README.md`` with metadata in YAML."""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from senet_mm.config.text import read_config_text
from senet_mm.engine.weights.preprocessing import get_network
from senet_mm.utils.errors import one_line
from senet_mm.utils.names import printable
from senet_mm.utils.tables import markdown_table

if TYPE_CHECKING:
    from senet_mm.engine.run_reading import TrainingRun

    from .share import Shared

# Metrics of ours -> type and name for the hub; others keep their names.
METRICS = {
    'accuracy/top1': ('accuracy', 'Top-1 accuracy (%)'),
    'accuracy/top5': ('accuracy', 'Top-5 accuracy (%)'),
}
# Of an identifier, which the hub wants for licences and data sets.
IDENTIFIER = re.compile(r'[a-z0-9][a-z0-9.+-]*')
MOST_ROWS, MOST_CLASSES = 20, 100

TIMM_USE = """```python
import timm

model = timm.create_model({address}, pretrained=True)
transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
```

"""
USE = """```python
from senet_mm import get_model

model = get_model({folder})
```
"""


class Results(NamedTuple):
    """What was measured.

    Attributes:
        scores: Metrics of the weights; empty where they were not measured.
        loader: The loader of the config that gave the images.
    """

    scores: Mapping[str, float]
    loader: Mapping[str, Any]

    def describe_dataset(self) -> dict[str, str]:
        """Type, name and split of the data set."""
        dataset = self.loader.get('dataset') or {}
        kind = str(dataset.get('type', 'unknown')).rpartition('.')[2]
        folder = str(dataset.get('data_root') or '').rstrip('/').rpartition('/')[2]
        slug = re.sub(r'[^a-z0-9]+', '-', (folder or kind).lower()).strip('-') or 'unknown'
        split = dataset.get('split')
        return dict(
            type='imagenet-1k' if kind == 'ImageNet' else slug,
            name=f'{folder} ({kind})' if folder else kind,
            **(dict(split=split) if isinstance(split, str) and split else {}),
        )


def make_card(
    shared: 'Shared',
    meta: Mapping[str, Any],
    results: Results,
    run: 'TrainingRun | None',
    folder: str,
) -> str:
    """The text of a model card; figures are those that were measured, or none.

    Args:
        shared: What the folder holds.
        meta: The meta that is published, with ``name`` and perhaps ``seed``.
        results: What was measured.
        run: The training, if its log is there.
        folder: Name of the folder.
    """
    metadata = make_metadata(shared, meta, results)
    head = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)
    parts = [
        f'---\n{head}---\n\n# {one_line(meta["name"])}\n\n{_introduce(meta)}\n',
        _section('Use', _describe_use(shared, folder)),
        _section('Images', _list(_describe_images(meta, shared))),
        _section('Classes', _describe_classes(meta)),
        _section('Training', _describe_training(meta, run)),
        _section('Log', _describe_log(run)),
        _section('Results', _describe_results(results)),
        _section('Licence', _describe_licence(meta)),
    ]
    return '\n'.join(filter(None, parts))


def make_metadata(shared: 'Shared', meta: Mapping[str, Any], results: Results) -> dict[str, Any]:
    """The metadata of a card, with ``model-index`` where something was measured."""
    library = 'timm' if shared.is_timm else 'senet_mm'
    tags = ['image-classification', 'senet_mm', 'squeeze-and-excitation']
    metadata: dict[str, Any] = dict(
        library_name=library,
        pipeline_tag='image-classification',
        tags=[*tags, 'timm'] if shared.is_timm else tags,
        **_to_license(meta.get('license')),
    )
    if scores := results.scores:
        kinds = {name: METRICS.get(name, (name.rpartition('/')[2], name)) for name in scores}
        metadata['metrics'] = sorted({kind for kind, _ in kinds.values()})
        values = [
            dict(type=kinds[name][0], value=value, name=kinds[name][1])
            for name, value in scores.items()
        ]
        task = dict(type='image-classification', name='Image classification')
        result = dict(task=task, dataset=results.describe_dataset(), metrics=values)
        metadata['model-index'] = [dict(name=meta['name'], results=[result])]
    return metadata


def _to_license(text: str | None) -> dict[str, str]:
    """The licence as the hub has it: an identifier, or ``other`` with a name."""
    if not text:
        return {}
    if IDENTIFIER.fullmatch(text.lower()):
        return dict(license=text.lower())
    return dict(license='other', license_name=one_line(text))


def _introduce(meta: Mapping) -> str:
    network = get_network(read_config_text(meta['cfg']))
    depth = network['backbone'].get('depth')
    kind = network['backbone']['type'] + (f' of depth {depth}' if depth else '')
    se = ' with Squeeze-and-Excitation' if network.get('se') else ''
    cost = meta['complexity']
    size = 'x'.join(map(str, cost['shape']))
    return (
        f'An image classifier, {kind}{se}: {cost["params"]:,} parameters, {cost["macs"]:,} '
        f'multiply-adds for an image of {size}. Written by senet_mm {meta["senet_mm_version"]}.'
    )


def _describe_use(shared: 'Shared', folder: str) -> str:
    if shared.is_timm:
        address = repr(f'local-dir:{folder}')
        return (TIMM_USE + USE).format(folder=repr(folder), address=address)
    return USE.format(folder=repr(folder)) + ''.join(f'\n{line}.\n' for line in shared.lines)


def _describe_images(meta: Mapping, shared: 'Shared') -> list[str]:
    described = [f'{name}: {value}' for name, value in meta['preprocessing'].items()]
    return [*described, *(shared.lines if shared.is_timm else ())]


def _describe_classes(meta: Mapping) -> str:
    names = meta.get('dataset_meta', {}).get('classes')
    if not names:
        return 'The names of the classes are not known.\n'
    more = f', ... {len(names)} in all, see config.json' if len(names) > MOST_CLASSES else ''
    return ', '.join(map(printable, names[:MOST_CLASSES])) + more + '\n'


def _describe_training(meta: Mapping, run: 'TrainingRun | None') -> str:
    lines = [f'{key}: {one_line(str(meta[key]))}' for key in ('recipe', 'source') if key in meta]
    lines += [f'{key}: {meta[key]}' for key in ('epoch', 'iter', 'seed') if key in meta]
    if run is None:
        return _list(lines)
    start = run.start
    lines += [
        f'{name}: {start[name]}'
        for name in ('processes', 'device', 'senet_mm', 'torch')
        if name in start
    ]
    commands = '\n'.join(map(printable, run.commands))
    return f'{_list(lines)}\n```\n{commands}\n```\n'


def _describe_log(run: 'TrainingRun | None') -> str:
    """A table of the validations, evenly from all of them, the last included."""
    if not (run and run.validations):
        return ''
    step = -(-len(run.validations) // MOST_ROWS)
    rows = run.validations[::-1][::step][::-1]
    names = list(dict.fromkeys(name for row in rows for name in row.metrics))
    cells = [
        [str(row.step), _number(row.loss), *(_number(row.metrics.get(name)) for name in names)]
        for row in rows
    ]
    return markdown_table([run.unit, 'training loss', *names], cells)


def _describe_results(results: Results) -> str:
    if not results.scores:
        return 'These weights were not measured.\n'
    rows = [
        [METRICS.get(name, ('', name))[1], _number(value)] for name, value in results.scores.items()
    ]
    dataset = results.describe_dataset()
    place = one_line(', '.join(dataset[key] for key in ('name', 'split') if key in dataset))
    return f'On {place}:\n\n{markdown_table(["metric", "value"], rows)}'


def _describe_licence(meta: Mapping) -> str:
    return f'{one_line(meta["license"])}\n' if meta.get('license') else 'Not stated.\n'


def _number(value: float | None) -> str:
    return '' if value is None else f'{value:.4f}'


def _list(lines: Iterable[str]) -> str:
    return ''.join(f'- {line}\n' for line in lines)


def _section(title: str, text: str) -> str:
    return f'## {title}\n\n{text}' if text else ''
