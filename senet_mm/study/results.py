"""Published results beside what the configs cost and what their checkpoints reach."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from senet_mm.config.auto import Size, settle
from senet_mm.config.names import CONFIGS, find_config, get_config
from senet_mm.utils.options import check_option
from senet_mm.utils.progress import track
from senet_mm.utils.tables import csv_table, format_count, json_table, markdown_table

# Metric -> heading of its scores.
HEADINGS = {
    'error': 'error, top-1 / top-5 %',
    'accuracy': 'accuracy, top-1 / top-5 %',
    'AP': 'AP / AP50 %',
}
# Those that the test of a classifier gives.
MEASURED = ('error', 'accuracy')


@dataclass
class Result:
    """One row of a table of results; None where there is no such number.

    Attributes:
        model: Name of the network in the publication.
        config: Name of the config.
        dataset: Data set.
        metric: What the scores are, a key of ``HEADINGS``.
        command: Command that trains it.
        params: Learned parameters.
        macs: Multiply-adds of convolutions and fully connected layers for one image.
        printed_params: Parameters in the publication, in millions.
        printed_gflops: Multiply-adds in the publication, in billions.
        note: Why ours differ from the printed ones.
        remark: What else is to be known of the score or of its recipe.
        cite: Source in few words.
        detector: Name of the config of the detector that has the scores.
        like: Name of the config whose score is expected of this one.
        expected: What is expected in place of a published score.
        top1, top5: Published scores; of a detector AP and AP50.
        measured_top1, measured_top5: Scores of a checkpoint.
    """

    model: str
    config: str | None
    metric: str
    dataset: str = 'ImageNet-1k'
    command: str | None = None
    params: int | None = None
    macs: int | None = None
    printed_params: float | None = None
    printed_gflops: float | None = None
    note: str | None = None
    remark: str | None = None
    cite: str | None = None
    detector: str | None = None
    like: str | None = None
    expected: str | None = None
    top1: float | None = None
    top5: float | None = None
    measured_top1: float | None = None
    measured_top5: float | None = None

    def to_dict(self) -> dict:
        """The row as plain data, with the differences of measured and published scores."""
        differences = {
            f'difference_{key}': _difference(getattr(self, f'measured_{key}'), getattr(self, key))
            for key in ('top1', 'top5')
        }
        return asdict(self) | differences


def _difference(measured: float | None, published: float | None) -> float | None:
    return None if measured is None or published is None else round(measured - published, 3)


def load_tables() -> dict[str, dict]:
    """All tables of published results: ``title``, ``source``, ``metric``, ``recipe``, ``rows``."""
    import yaml

    return yaml.safe_load((CONFIGS / 'results.yml').read_text())


def get_results(table: str) -> list[Result]:
    """The rows of a table, with command and complexity of every config.

    Raises:
        ValueError: There is no such table.
    """
    tables = load_tables()
    check_option('table', table, tables)
    results = []
    for row in track(tables[table]['rows'], 'counting', unit='networks'):
        result = Result(metric=tables[table]['metric'], **row)
        check_option('metric', result.metric, HEADINGS)
        if result.config is not None:
            _describe(result, result.config)
        results.append(result)
    return results


def _describe(result: Result, config: str) -> None:
    """Fill in what follows from a config."""
    result.params, result.macs = _count(config)
    first_line = Path(find_config(config)).read_text().partition('\n')[0]
    result.command = first_line.removeprefix('# ')


@cache
def _count(config: str) -> tuple[int, int]:
    """Parameters and multiply-adds of a config of the project; many are in several tables."""
    import torch

    from senet_mm.engine.classifier import build_classifier
    from senet_mm.utils.complexity import count_macs, count_params

    cfg = get_config(config)
    with torch.device('meta'):
        settle(cfg, Size(classes=1000))  # of a network whose classes follow from its data
        model = build_classifier(cfg).eval()
    return count_params(model), count_macs(model, cfg.input_shape)['']


def find_checkpoint(folder: Path, config: str) -> Path | None:
    """The checkpoint of a config in a folder: ``CONFIG.pth`` or the published ``CONFIG_*-*.pth``.

    Raises:
        ValueError: There are several.
    """
    found = sorted([*folder.glob(f'{config}.pth'), *folder.glob(f'{config}_*-*.pth')])
    if len(found) > 1:
        names = ', '.join(path.name for path in found)
        raise ValueError(f'{folder} holds {names} for {config}; allowed: one checkpoint')
    return found[0] if found else None


def measure(result: Result, checkpoint: Path, data_root: str, work_dir: str, options: dict) -> None:
    """Test a checkpoint on the test set of its config and fill in the measured scores.

    Args:
        result: The row.
        checkpoint: Checkpoint of the row's config.
        data_root: Folder of the data set.
        work_dir: Folder for the log.
        options: Keys of the config to override.

    Raises:
        ValueError: The row has no config.
    """
    from senet_mm.engine import Runner

    if result.config is None:
        raise ValueError(f'{result.model} has no config; allowed: a row with one')
    options = {'test_dataloader.dataset.data_root': data_root, **options}
    cfg = get_config(result.config, options)
    cfg.work_dir = work_dir
    metrics = Runner.from_checkpoint(cfg, str(checkpoint)).test()
    for key in ('top1', 'top5'):
        accuracy = metrics[f'accuracy/{key}']
        score = 100 - accuracy if result.metric == 'error' else accuracy
        setattr(result, f'measured_{key}', round(score, 3))


def results_to_json(results: Sequence[Result]) -> str:
    """The rows as a JSON list."""
    return json_table([result.to_dict() for result in results])


def results_to_csv(results: Sequence[Result]) -> str:
    """The rows as CSV, one column a field."""
    return csv_table([result.to_dict() for result in results])


def results_to_markdown(
    results: Sequence[Result], root: str = '', measured: bool = True, config: bool = False
) -> str:
    """The rows as a Markdown table, networks linked to their configs, with their notes.

    Args:
        results: Rows of one table.
        root: Path from the page to the root of the project, ``'../'`` for ``docs/``.
        measured: Whether to have columns for the command and, if a row was measured, for measured
            scores and differences.
        config: Whether to have a column for the name of the config.
    """
    header = ['network', 'params (M)', 'GFLOPs', f'published {HEADINGS[results[0].metric]}']
    if config:
        header.append('config')
    rows = [result.to_dict() for result in results]
    scored = measured and any(_scores(row, 'measured_') != '-' for row in rows)
    if scored:
        header += ['measured', 'difference']
    if measured:
        header.append('train')
    lines = []
    for result, row in zip(results, rows, strict=True):
        name = result.model
        if linked := result.config or result.detector:
            path = Path(find_config(linked)).relative_to(CONFIGS.parent).as_posix()
            name = f'[{result.model}]({root}{path})'
        cells = [
            name if result.dataset == 'ImageNet-1k' else f'{name}, {result.dataset}',
            _with_printed(format_count(result.params, 1e6), result.printed_params),
            _with_printed(format_count(result.macs, 1e9), result.printed_gflops),
            _scores(row, ''),
        ]
        if config:
            cells.append(f'`{result.config}`')
        if scored:
            cells += [_scores(row, 'measured_'), _scores(row, 'difference_', '+')]
        if measured:
            cells.append(f'`{result.command}`' if result.command else '-')
        lines.append(cells)
    notes = _notes(results)
    return markdown_table(header, lines) + (f'\n{notes}' if notes else '')


def _notes(results: Sequence[Result]) -> str:
    """Notes and remarks, each once, with its networks."""
    models: dict[str, list[str]] = {}
    for result in results:
        for text in filter(None, (result.note, result.remark)):
            models.setdefault(text, []).append(result.model)
    return ''.join(f'- {", ".join(names)}: {note}.\n' for note, names in models.items())


def _with_printed(count: str, printed: float | None) -> str:
    """Our count, with the printed one in brackets."""
    return count if printed is None else f'{count} ({printed:g})'


def _scores(row: dict, prefix: str, sign: str = '') -> str:
    scores = [row[f'{prefix}top1'], row[f'{prefix}top5']]
    if scores == [None, None]:
        return '-'
    return ' / '.join('-' if score is None else f'{score:{sign}.2f}' for score in scores)
