"""Results of configs over seeds beside those of a baseline."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from senet_mm.utils.tables import format_count, markdown_table

from .statistics import PairedDifference, Summary, paired_difference, summarize

SCORE = 'accuracy/top1'
# The columns of the Markdown table: metric, heading, decimals. JSON and CSV have every metric.
MARKDOWN_COLUMNS = (
    (SCORE, 'top-1 %', 2),
    ('macro/recall', 'macro recall %', 2),
    ('loss/cross_entropy', 'loss', 4),
)

# config -> seed -> result of a run, as ResultHook writes it
Results = Mapping[str, Mapping[int, dict]]


@dataclass(frozen=True)
class Comparison:
    """One config and one metric; None for a number that does not exist.

    Attributes:
        config: Name of the config.
        metric: Name of the metric.
        params: Learned parameters.
        macs: Multiply-adds of convolutions and fully connected layers for one image.
        seconds: Training time of a run.
        final: The metric after the last epoch: the score.
        best: The metric after the epoch with the best top-1 accuracy. For comparison only, because
            that epoch is chosen on the test set.
        difference: The score minus that of the baseline, paired by seed; None for the baseline.
    """

    config: str
    metric: str
    params: int | None
    macs: int | None
    seconds: Summary
    final: Summary
    best: Summary
    difference: PairedDifference | None

    def to_dict(self) -> dict:
        """The row as flat data, for JSON and CSV."""
        flat = {key: getattr(self, key) for key in ('config', 'metric', 'params', 'macs')}
        flat |= {'seconds_mean': self.seconds.mean, 'seconds_std': self.seconds.std}
        flat |= asdict(self.final)
        flat |= {'best_mean': self.best.mean, 'best_std': self.best.std}
        difference = asdict(self.difference or PairedDifference(0, None, None, None, None))
        return flat | {f'difference_{key}': value for key, value in difference.items()}


def compare_configs(results: Results, confidence: float = 0.95) -> list[Comparison]:
    """One row for each config and metric.

    Args:
        results: Results of the runs by config and seed; the first config is the baseline.
        confidence: Level of the intervals, between 0 and 1.
    """
    baseline, *_ = results
    metrics = _get_metrics(results)
    rows = []
    for config, runs in results.items():
        first = next(iter(runs.values()), {})
        seconds = summarize([run['seconds'] for run in runs.values()])
        for metric in metrics:
            final = _get_final(runs, metric)
            best = summarize([_get_best(run)[metric] for run in runs.values()])
            difference = None
            if config != baseline:
                theirs = _get_final(results[baseline], metric)
                difference = paired_difference(final, theirs, confidence)
            numbers = (seconds, summarize(list(final.values())), best, difference)
            rows.append(
                Comparison(config, metric, first.get('params'), first.get('macs'), *numbers)
            )
    return rows


def get_machines(results: Results) -> str:
    """Versions and devices with which the results were made."""
    keys = [
        f'torch {run["torch"]}, senet_mm {run["senet_mm"]}, {run["device"]}'
        for runs in results.values()
        for run in runs.values()
    ]
    return '; '.join(sorted(set(keys)))


def _get_metrics(results: Results) -> list[str]:
    """The metrics that every run has, in the order of the evaluator."""
    validations = [run['validations'][-1] for runs in results.values() for run in runs.values()]
    if not validations:
        return [SCORE]
    common = set(validations[0]).intersection(*validations) - {'epoch', 'iter'}
    if not common:
        raise ValueError('the configs have no metric in common; allowed: one val_evaluator for all')
    return [name for name in validations[0] if name in common]


def _get_final(runs: Mapping[int, dict], metric: str) -> dict[int, float]:
    return {seed: run['validations'][-1][metric] for seed, run in runs.items()}


def _get_best(run: dict) -> dict[str, float]:
    """The validation with the best score, the last one if there is no such score."""
    validations = run['validations']
    return max(validations, key=lambda v: v[SCORE]) if SCORE in validations[-1] else validations[-1]


def comparison_to_markdown(
    rows: list[Comparison], confidence: float = 0.95, machines: str = ''
) -> str:
    """The rows of :func:`compare_configs` as a Markdown table with a legend, one line a config.

    Args:
        rows: The rows.
        confidence: Level of their intervals.
        machines: See :func:`get_machines`.
    """
    by_config: dict[str, dict[str, Comparison]] = {}
    for row in rows:
        by_config.setdefault(row.config, {})[row.metric] = row
    known = by_config[rows[0].config]
    columns = [column for column in MARKDOWN_COLUMNS if column[0] in known]
    columns = columns or [(metric, metric, 2) for metric in known]
    header = ['config', 'params (M)', 'GFLOPs', 'runs', 'seconds per run']
    for _, heading, _ in columns:
        header += [heading, 'difference']
    lines = []
    for config, metrics in by_config.items():
        row = next(iter(metrics.values()))
        cells = [config, format_count(row.params, 1e6), format_count(row.macs, 1e9)]
        cells += [str(row.final.n), format_summary(row.seconds, 1)]
        for metric, _, decimals in columns:
            cells += [format_summary(metrics[metric].final, decimals)]
            cells += [format_difference(metrics[metric].difference, decimals)]
        lines.append(cells)
    made = f'Made with {machines}.\n' if machines else ''
    return f'{markdown_table(header, lines)}\n{_legend(rows[0].config, confidence)}{made}'


def format_summary(summary: Summary, decimals: int) -> str:
    """Mean and spread, as ``99.30 ± 0.24``."""
    if summary.mean is None:
        return '-'
    spread = '-' if summary.std is None else f'{summary.std:.{decimals}f}'
    return f'{summary.mean:.{decimals}f} ± {spread}'


def format_difference(difference: PairedDifference | None, decimals: int) -> str:
    """Mean, interval and p-value, as ``-0.13 [-0.38, +0.12], p = 0.27``."""
    if difference is None or difference.mean is None:
        return '-'
    text = f'{difference.mean:+.{decimals}f}'
    if difference.low is not None:
        text += f' [{difference.low:+.{decimals}f}, {difference.high:+.{decimals}f}]'
    return text if difference.p is None else f'{text}, p = {difference.p:.2g}'


def _legend(baseline: str, confidence: float) -> str:
    return (
        'Scores are those of the last epoch: the best epoch would be chosen on the test set. '
        'Mean ± sample standard deviation\nover the seeds. Differences are paired by seed, against '
        f'{baseline}, with the {confidence * 100:g} % confidence interval\n'
        "of Student's t and the p-value of the paired t-test, each for one comparison alone. "
        'Seconds are of training without\nvalidation and start-up; GFLOPs are multiply-adds of '
        'convolutions and fully connected layers for one image.\n'
    )
