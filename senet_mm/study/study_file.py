"""Reads the file of a study: which configs are compared with which."""

from collections.abc import Sequence
from pathlib import Path

from senet_mm.utils.errors import InputError
from senet_mm.utils.files import check_regular_file
from senet_mm.utils.options import check_mapping, suggest

from .contrasts import Contrast, name_of_runs, published_accuracies

SUFFIXES = ('.yml', '.yaml')
# Of a table; the first two are those of its rows that have none.
TABLE_KEYS = ('against', 'paper_against', 'title', 'rows')
ROW_KEYS = ('name', 'config', 'paper', 'against', 'paper_against')


def find_study(names: Sequence[str]) -> Path | None:
    """The file of a study where it is given instead of configs.

    Raises:
        ValueError: It is given beside others.
    """
    studies = [name for name in names if name.lower().endswith(SUFFIXES)]
    if studies and len(names) > 1:
        raise InputError(
            f'{studies[0]} is the file of a study, beside {len(names) - 1} others; '
            'allowed: one file of a study alone, or configs'
        )
    return Path(studies[0]) if studies else None


def load_contrasts(file: Path) -> list[Contrast]:
    """Read the file of a study.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not YAML, or has a key or a value that is not known, or lacks one.
    """
    import yaml

    check_regular_file(file, 'study')
    try:
        study = yaml.safe_load(file.read_bytes())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f'{file} is not YAML: {error}') from error
    check_mapping(f'{file}: study', study, ('tables',))
    published = published_accuracies()
    contrasts = []
    for table in _list_of(f'{file}: tables', study.get('tables')):
        _check_keys(f'{file}: table', table, TABLE_KEYS, ('title', 'rows'))
        for row in _list_of(f'{file}: table {table["title"]}: rows', table['rows']):
            shared = {key: table[key] for key in TABLE_KEYS[:2] if key in table}
            _check_keys(f'{file}: row', row, ROW_KEYS, ())
            row = {**shared, **row}
            _check_keys(f'{file}: row', row, ROW_KEYS, ('name', 'config', 'against'))
            _check_row(f'{file}: table {table["title"]}: row {row["name"]}', row, published)
            contrasts.append(Contrast(table['title'], **row))
    return contrasts


def _list_of(name: str, given: object) -> list:
    """A list that is not empty; else an InputError."""
    if not isinstance(given, list) or not given:
        raise InputError(f'{name}={given!r}; allowed: a list of one and more')
    return given


def _check_keys(name: str, given: dict, allowed: Sequence[str], needed: Sequence[str]) -> None:
    """Raise an InputError unless a value is a dict with these keys, whose values are text."""
    check_mapping(name, given, allowed)
    for key in needed:
        if key not in given:
            raise InputError(
                f'{name}={given!r} has no {key}; allowed: one with {", ".join(needed)}'
            )
    for key, value in given.items():
        if key != 'rows' and not isinstance(value, str):
            raise InputError(f'{name}={given!r}: {key}={value!r}; allowed: text')


def _check_row(name: str, row: dict[str, str], published: dict[str, float]) -> None:
    """Raise an InputError for a row that compares nothing, here or in the paper."""
    for ours, theirs in (('config', 'against'), ('paper', 'paper_against')):
        if theirs in row and name_of_runs(row.get(ours, '')) == name_of_runs(row[theirs]):
            raise InputError(f'{name}: {ours} and {theirs} are {row[ours]}; allowed: two configs')
    for key in ('paper', 'paper_against'):
        if key in row and row[key] not in published:
            hint = suggest(row[key], published) or '; allowed: a config with top1 there'
            raise InputError(f'{name}: {key}={row[key]!r} is not in configs/results.yml{hint}')
    if 'paper' in row and 'paper_against' not in row:
        raise InputError(f'{name}: paper={row["paper"]!r} without paper_against; allowed: both')
