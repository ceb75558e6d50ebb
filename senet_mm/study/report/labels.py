"""Short labels of configs that have one name: what they differ in."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

# Longer values are in no label.
LONGEST = 20


class KeyDifference(NamedTuple):
    """A key in which configs differ.

    Attributes:
        key: The key, with dots.
        values: Its value in each group, as text; None where a group has no such key.
    """

    key: str
    values: list[str | None]


def label_differences(rows: Sequence[KeyDifference], number: int) -> list[str]:
    """What each config differs in, as ``ratio=4, lr=0.1``: as few keys as tell them apart.

    Of several keys each config names those whose value is not the most common one, so that one
    config, the baseline as a rule, names none.

    Args:
        rows: The keys in which the configs differ.
        number: Number of the configs.
    """
    short = [row for row in rows if all(value and len(value) <= LONGEST for value in row.values)]
    names = {row.key: _shorten(row.key, [row.key for row in short]) for row in short}
    chosen = _choose(short, names)
    several = chosen if len(chosen) > 1 else []
    usual = {row.key: Counter(row.values).most_common(1)[0][0] for row in several}
    return [
        ', '.join(
            f'{names[row.key]}={row.values[i]}'
            for row in chosen
            if row.values[i] != usual.get(row.key)
        )
        for i in range(number)
    ]


def _choose(rows: Sequence[KeyDifference], names: dict[str, str]) -> list[KeyDifference]:
    """The keys that tell most configs apart, one after the other, of equal ones the shortest."""
    chosen: list[KeyDifference] = []

    def count(row: KeyDifference) -> tuple[int, int]:
        kinds = set(zip(*(each.values for each in [*chosen, row]), strict=True))
        return len(kinds), -len(names[row.key])

    told = 1
    while rows and (best := max(rows, key=count)) and count(best)[0] > told:
        told = count(best)[0]
        chosen.append(best)
    return chosen


def _shorten(key: str, keys: Sequence[str]) -> str:
    """The last parts of a key, as many as no other key ends with."""
    parts = key.split('.')
    tails = ('.'.join(parts[i:]) for i in reversed(range(len(parts))))
    ends = [f'.{other}' for other in keys]
    own = (tail for tail in tails if sum(end.endswith(f'.{tail}') for end in ends) == 1)
    return next(own, key)
