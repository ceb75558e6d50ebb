"""Goals and predictions, and what became of them."""

from typing import NamedTuple

# Images per second in training of ResNet-50 on one GPU of eight, end to end with data: NVIDIA in
# MLPerf Training v4.0.
MLPERF = {'H200': 7945, 'H100': 7157}

# Milliseconds of a training step, batch 256, on an H200 (+-20 %), and GB kept for the backward
# pass: from a model of memory traffic, not measured.
EXPECTED_MS = {
    'mmpretrain': 52.5, 'timm': 52.5, 'plain reference': 42.4, 'fused': 35.6,
    'timm compiled': 38.2, 'mmpretrain compiled': 38.2, 'algebra compiled': 35.0,
}  # fmt: skip
EXPECTED_KEPT = {'mmpretrain': 14.05, 'timm': 14.05, 'fused': 11.2, 'lean': 9.1}

EAGER = ('mmpretrain', 'timm')
OURS = ('reference', 'fused', 'lean', 'algebra compiled')
PLAIN = ('plain reference', 'plain fused', 'plain compiled')

# Form -> a row with SE, the row of the same form without.
FORMS = {
    'plain blocks': ('reference', 'plain reference'),
    'fused': ('fused', 'plain fused'),
    'compiled': ('algebra compiled', 'plain compiled'),
}


class Goal(NamedTuple):
    """A goal: what is measured, the least or greatest value, the value; None if it is not known."""

    what: str
    wanted: str
    value: float | None
    met: bool | None


def best(parts: dict[str, dict], names: tuple[str, ...], graphs: bool = True) -> float | None:
    """Most images per second of some rows, with a CUDA graph or without."""
    keys = ('rate', 'graph_rate') if graphs else ('rate',)
    rates = [parts[n].get(key) for n in names if n in parts for key in keys]
    return max((rate for rate in rates if rate), default=None)


def at_least(what: str, wanted: float, over: float | None, under: float | None) -> Goal:
    """A goal on a ratio."""
    value = over / under if over and under else None
    return Goal(what, f'>= {wanted}', value, None if value is None else value >= wanted)


def get_goals(results: dict) -> list[Goal]:
    """The goals of training, from the results of all stages; the small form tells nothing."""
    if results['small']:
        return []
    stages = results['stages']
    parts = {
        name: part
        for stage in ('steps', 'compiled')
        for name, part in stages.get(stage, {}).get('parts', {}).items()
    }
    device = device_of(results)
    yardstick = next((rate for name, rate in MLPERF.items() if name in device), None)
    mine, plain = best(parts, OURS), best(parts, PLAIN)
    peers = ('timm compiled', 'mmpretrain compiled')
    return [
        at_least(
            f'images/s, by the {yardstick or "MLPerf figure"} of MLPerf', 0.94, mine, yardstick
        ),
        at_least('by the best eager peer', 1.5, mine, best(parts, EAGER, graphs=False)),
        at_least('by the best compiled peer, graphs or not', 1.1, mine, best(parts, peers)),
        tax('time of SE, best against best', mine, plain),
        *(
            tax(f'time of SE, {name}', best(parts, (ours,)), best(parts, (without,)))
            for name, (ours, without) in FORMS.items()
        ),
    ]


def tax(what: str, mine: float | None, plain: float | None) -> Goal:
    """The goal on the part of a step's time that SE adds."""
    value = plain / mine - 1 if mine and plain else None
    return Goal(what, '< 0.06', value, None if value is None else value < 0.06)


def device_of(results: dict) -> str:
    """The name of the GPU; empty if no stage has said it."""
    machine = results['stages'].get('machine', {}).get('parts', {}).get('machine', {})
    return machine.get('device') or results.get('device', '')
