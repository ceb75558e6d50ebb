"""Trains configs over seeds, each run in its own process and folder."""

import contextlib
import hashlib
import itertools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from senet_mm.config.names import find_config, get_config
from senet_mm.utils.files import atomic_file
from senet_mm.utils.project import PROJECT

if TYPE_CHECKING:
    from mmengine.config import Config

ALLOWED = 'allowed: another --work-dir, or to remove that folder'
TRAIN = PROJECT / 'tools/train.py'


@dataclass(frozen=True)
class Run:
    """One config trained with one seed.

    Attributes:
        config: Name of the config.
        seed: The seed.
        folder: Its work directory.
        config_hash: Hash of the config with the options.
    """

    config: str
    seed: int
    folder: Path
    config_hash: str

    def __str__(self) -> str:
        return f'{self.config} seed {self.seed}'

    @property
    def log(self) -> Path:
        """File with the output of the process, over all attempts."""
        return self.folder / 'train.log'

    def get_result(self) -> dict | None:
        """What :class:`senet_mm.engine.ResultHook` wrote; None if the run is not complete.

        Raises:
            ValueError: The result is that of another config.
        """
        file = self.folder / 'result.json'
        if not file.exists():
            return None
        result = json.loads(file.read_text())
        if result['config_hash'] != self.config_hash:
            raise ValueError(f'{file} is the result of another config; {ALLOWED}')
        return result

    def get_state(self) -> str:
        """``finished``, ``interrupted`` if there is something to resume, or ``new``."""
        if self.get_result() is not None:
            return 'finished'
        return 'interrupted' if (self.folder / 'last_checkpoint').exists() else 'new'

    def get_command(self) -> list[str]:
        """The command that trains or resumes."""
        config = self.folder.parent / f'{self.config}.py'
        resume = ['--resume'] if self.get_state() == 'interrupted' else []
        return [
            sys.executable, str(TRAIN), str(config), '--work-dir', str(self.folder), *resume,
            '--cfg-options', f'randomness.seed={self.seed}', 'default_hooks.result.type=ResultHook',
            f'default_hooks.result.config_hash={self.config_hash}',
        ]  # fmt: skip

    def start(self, lock: int) -> subprocess.Popen:
        """Train in a process that holds the lock while it lives."""
        self.folder.mkdir(exist_ok=True)
        with self.log.open('a') as log:
            return subprocess.Popen(
                self.get_command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[lock],
            )

    def get_last_words(self) -> str:
        """The last line that the process printed."""
        lines = self.log.read_text(errors='replace').split('\n')
        return next((line for line in reversed(lines) if line.strip()), 'nothing was printed')


def resolve(names: Sequence[str], options: dict) -> dict[str, 'Config']:
    """The configs with the options, by name.

    Raises:
        FileNotFoundError: There is no such config.
        ValueError: A name occurs twice, or an option is not allowed.
    """
    for option in options:
        if option.startswith(('randomness.seed', 'default_hooks.result')):
            raise ValueError(f'--cfg-options {option} is set by the ablation itself')
    configs = {}
    for name in names:
        stem = Path(find_config(name)).stem
        if stem in configs:
            raise ValueError(f'two configs are called {stem}; allowed: one of each name')
        configs[stem] = get_config(name, options)
    return configs


def plan(configs: dict[str, 'Config'], seeds: int, work_dir: Path) -> list[Run]:
    """All runs, every config with seed 0 first, then with seed 1: early runs are comparable.

    Args:
        configs: Configs by name.
        seeds: Number of seeds.
        work_dir: Folder of all runs.

    Raises:
        ValueError: A config has changed since its runs in the folder began, or a result is foreign.
    """
    if seeds < 1:
        raise ValueError(f'--seeds {seeds}: allowed: 1 or more')
    hashes = {}
    for name, cfg in configs.items():
        check_unchanged(cfg, work_dir / name / f'{name}.py')
        data = json.dumps(cfg.to_dict(), sort_keys=True, default=repr)
        hashes[name] = f'sha256:{hashlib.sha256(data.encode()).hexdigest()}'
    runs = [
        Run(name, seed, work_dir / name / f'seed-{seed}', hashes[name])
        for seed in range(seeds)
        for name in configs
    ]
    for run in runs:
        run.get_result()  # fails on a foreign result before anything is trained
    return runs


def check_unchanged(cfg: 'Config', file: Path) -> None:
    """Raise a ValueError if a file holds the config as it was before a change."""
    from senet_mm.config.reading import read_config

    if not file.exists():
        return
    before, now = (flatten_config(c.to_dict()) for c in (read_config(str(file))[0], cfg))
    changed = [key for key in sorted(before | now) if before.get(key) != now.get(key)]
    if changed:
        key, more = changed[0], f' and {len(changed) - 1} more' if changed[1:] else ''
        raise ValueError(
            f'{file.stem} has changed since its runs in {file.parent} began: {key} was '
            f'{before.get(key, "not there")}, is {now.get(key, "not there")}{more}; '
            f'{ALLOWED}'
        )


def flatten_config(value: object, prefix: str = '') -> dict[str, str]:
    """The leaves of nested dicts and lists as text, by dotted key."""
    items: Iterable[tuple[object, object]] = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    leaves: dict[str, str] = {}
    for key, item in items:
        leaves |= flatten_config(item, f'{prefix}.{key}' if prefix else str(key))
    return leaves or {prefix: repr(value)}


def train_side_by_side(runs: Iterable[Run], jobs: int, lock: int) -> Iterator[tuple[Run, int]]:
    """Train runs in their order, at most ``jobs`` at a time; those at work end with the caller.

    Args:
        runs: The runs.
        jobs: Number of processes.
        lock: Descriptor of :func:`locked_for_children`.

    Yields:
        A run that has ended, and its exit code.
    """
    waiting = iter(runs)
    working = {run: run.start(lock) for run in itertools.islice(waiting, jobs)}
    try:
        while working:
            ended = [run for run, process in working.items() if process.poll() is not None]
            for run in ended:
                yield run, working.pop(run).returncode
                working |= {run: run.start(lock) for run in itertools.islice(waiting, 1)}
            time.sleep(0 if ended else 0.1)
    finally:
        end_all(working.values())


def end_all(processes: Collection[subprocess.Popen], patience: float = 20) -> None:
    """Interrupt processes, which save what they have; kill those that take too long.

    The signal is that of Ctrl-C, which a terminal sends to all of them: a run takes a second signal
    of the same kind for the first one.

    Args:
        processes: The processes.
        patience: Seconds to wait for all of them.
    """
    for process in processes:
        process.send_signal(signal.SIGINT)
    end = time.monotonic() + patience
    for process in processes:
        try:
            process.wait(max(0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def write_configs(configs: dict[str, 'Config'], work_dir: Path) -> None:
    """Write the configs beside their runs, which read them there: a later edit changes none.

    Modules beside the configs are copied as well.
    """
    from senet_mm.config.own_modules import copy_modules

    for name, cfg in configs.items():
        file = work_dir / name / f'{name}.py'
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(file) as out:
                out.write(cfg.pretty_text.encode())
            copy_modules(file.parent)


@contextlib.contextmanager
def locked_for_children(folder: Path) -> Iterator[int]:
    """Lock a folder for this process and the children that inherit the lock's descriptor.

    A child that outlives this process, killed without a chance to end it, keeps the lock.

    Yields:
        The descriptor.

    Raises:
        ValueError: Another process has locked the folder.
    """
    import fcntl  # not on Windows

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / '.lock').open('w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(
                f'a run is at work in {folder}; allowed: wait for it, or another --work-dir'
            ) from error
        yield file.fileno()
