"""A study: pairs of configs to compare over seeds, beside differences that were published."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from .comparison import SCORE
from .results import load_tables
from .statistics import PairedDifference, Summary, paired_difference, summarize


@dataclass(frozen=True)
class Contrast:
    """A config, and the one from whose score its own is told apart.

    Attributes:
        table: Title of its table.
        name: What differs, in few words.
        config, against: Names of the two configs.
        paper, paper_against: Configs of ``configs/results.yml`` whose published scores differ in
            the same way; None where nothing was published.
    """

    table: str
    name: str
    config: str
    against: str
    paper: str | None = None
    paper_against: str | None = None


@dataclass(frozen=True)
class Finding:
    """What the runs say of a contrast; scores are top-1 accuracies in %.

    Attributes:
        contrast: The contrast.
        params: Learned parameters of its config; None without a run.
        score, baseline: Over all seeds of its config, and of the other one.
        difference: From the other config, paired by seed.
        published: The published difference of accuracies; None where there is none.
    """

    contrast: Contrast
    params: int | None
    score: Summary
    baseline: Summary
    difference: PairedDifference
    published: float | None

    def to_dict(self) -> dict:
        """Flat data, for JSON and CSV."""
        flat = {**asdict(self.contrast), 'params': self.params, **asdict(self.score)}
        flat |= {f'baseline_{key}': value for key, value in asdict(self.baseline).items()}
        flat |= {f'difference_{key}': value for key, value in asdict(self.difference).items()}
        return flat | {'published': self.published}

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval of the difference is on one side of zero."""
        low, high = self.difference.low, self.difference.high
        return low is not None and high is not None and (low > 0 or high < 0)


@dataclass(frozen=True)
class SeedScore:
    """What is kept of a run.

    Attributes:
        config, seed: Which run.
        params: Learned parameters.
        top1: Top-1 accuracy in % after each validation; the last one is the score.
        cpu_seconds: Time of all its processes, start-up and validations too.
        made_with: Processor and versions.
    """

    config: str
    seed: int
    params: int
    top1: list[float]
    cpu_seconds: float
    made_with: str


def name_of_runs(config: str) -> str:
    """The name that the runs of a config have, which may be given by its path."""
    return Path(config).name.removesuffix('.py')


def configs_of(contrasts: Sequence[Contrast]) -> list[str]:
    """Names of all configs, each once."""
    pairs = ((contrast.against, contrast.config) for contrast in contrasts)
    return list(dict.fromkeys(name for pair in pairs for name in pair))


def published_accuracies() -> dict[str, float]:
    """Published top-1 accuracy in % by config, of the first table that has it."""
    scores: dict[str, float] = {}
    for table in load_tables().values():
        for row in table['rows'] if table['metric'] in ('error', 'accuracy') else ():
            if row.get('config') and 'top1' in row:
                accuracy = 100 - row['top1'] if table['metric'] == 'error' else row['top1']
                scores.setdefault(row['config'], accuracy)
    return scores


def compare_pairs(
    contrasts: Sequence[Contrast], runs: Sequence[SeedScore], confidence: float = 0.95
) -> list[Finding]:
    """What the runs say of every contrast.

    Args:
        contrasts: The contrasts.
        runs: Runs of their configs; seeds that a pair does not share count for its scores alone.
        confidence: Level of the intervals, between 0 and 1.
    """
    published = published_accuracies()
    by_config: dict[str, dict[int, float]] = {
        name_of_runs(name): {} for name in configs_of(contrasts)
    }
    params = {run.config: run.params for run in runs}
    for run in runs:
        by_config[run.config][run.seed] = run.top1[-1]
    findings = []
    for contrast in contrasts:
        names = [name_of_runs(name) for name in (contrast.config, contrast.against)]
        ours, theirs = (by_config[name] for name in names)
        gain = None
        if contrast.paper and contrast.paper_against:
            gain = round(published[contrast.paper] - published[contrast.paper_against], 2)
        findings.append(
            Finding(
                contrast,
                params.get(names[0]),
                summarize(list(ours.values())),
                summarize(list(theirs.values())),
                paired_difference(ours, theirs, confidence),
                gain,
            )
        )
    return findings


def keep_score(config: str, result: dict) -> SeedScore:
    """What is kept of a run.

    Args:
        config: Name of its config.
        result: What :class:`senet_mm.engine.ResultHook` wrote.
    """
    top1 = [round(validation[SCORE], 3) for validation in result['validations']]
    machine = f'{result["device"]}, torch {result["torch"]}, senet_mm {result["senet_mm"]}'
    cpu_seconds = round(result['cpu_seconds'], 1)
    return SeedScore(config, result['seed'], result['params'], top1, cpu_seconds, machine)
