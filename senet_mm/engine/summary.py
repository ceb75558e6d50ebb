"""What a run says of itself at its start, and at its end."""

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from mmengine.dataset import BaseDataset
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.runner import EpochBasedTrainLoop
from torch.utils.data import DataLoader

from senet_mm.datasets.classes import get_names
from senet_mm.models import ImageClassifier
from senet_mm.models.recalibration import describe_layers
from senet_mm.utils.device import name_device
from senet_mm.utils.names import counted, printable
from senet_mm.utils.project import PROJECT
from senet_mm.utils.scores import format_score

from .hooks.checkpoint_hook import BEST
from .hooks.complexity_hook import ComplexityHook
from .optim_wrapper import Bf16OptimWrapper
from .speed import compiles, use_channels_last

if TYPE_CHECKING:
    from .runner import Runner

# Pairs of a heading and its text.
Rows = list[tuple[str, str]]


def describe_start(runner: 'Runner') -> str:
    """A table of the run: model, data, batch, recipe, precision, device, seed, folder."""
    rows = _model_rows(runner)
    if runner.is_training:
        rows += [('data', _describe_training_data(runner)), ('batch', _describe_batch(runner))]
        rows += [('recipe', _describe_recipe(runner)), ('precision', _describe_precision(runner))]
    else:
        rows += [('data', f'{_describe_set(runner.test_dataloader)} to test')]
        rows += [('weights', printable(str(runner._load_from or 'as initialised')))]
    what = 'config, log and checkpoints' if runner.is_training else 'log'
    rows += [
        ('device', _describe_device(runner)),
        ('seed', str(runner.seed)),
        ('output', f'{what} in {printable(from_here(runner.work_dir))}'),
    ]
    title = 'training' if runner.is_training else 'test'
    lines = [f'{title} of {_get_name(runner)}', *(f'  {name:9}  {text}' for name, text in rows)]
    return '\n'.join(lines)


def _get_name(runner: 'Runner') -> str:
    """Name of the config."""
    filename = runner.cfg.filename
    return printable(Path(filename).stem) if filename else 'a config made in Python'


def _model_rows(runner: 'Runner') -> Rows:
    hook = runner.find_hook(ComplexityHook)
    network = getattr(runner.bare_model, 'backbone', runner.bare_model)  # a retriever has encoders
    rows = [('model', type(network).__name__)]
    if hook and hook.complexity:
        cost, method = hook.describe()
        rows = [('model', f'{rows[0][1]}, {cost}'), ('FLOPs', method)]
    for number, line in enumerate(describe_layers(runner.bare_model)):
        rows.append(('' if number else 'layers', line))
    return rows


def _describe_set(loader: Any) -> str:
    """``540 images``, as far as it is known."""
    dataset = loader.dataset if isinstance(loader, DataLoader) else None
    try:
        return f'{len(dataset):,} images'  # type: ignore[arg-type]  # refused below
    except TypeError:  # an endless one
        return 'images'


def _describe_training_data(runner: 'Runner') -> str:
    dataset: BaseDataset = runner.train_dataloader.dataset
    names = get_names(getattr(dataset, 'metainfo', None), 'classes')
    classes = f' in {len(names):,} classes' if names else ''
    text = f'{_describe_set(runner.train_dataloader)}{classes} to train'
    if runner.val_loop is not None:
        text += f', {_describe_set(runner.val_dataloader)} to validate'
    return text


def _describe_batch(runner: 'Runner') -> str:
    """``64 x 2 processes, 10 iterations per epoch``."""
    loader = runner.train_dataloader
    counts = getattr(runner.optim_wrapper, '_accumulative_counts', 1)
    size = loader.batch_size or getattr(loader.batch_sampler, 'batch_size', '?')
    text = f'{size} x {counted(runner.world_size, "process", "processes")}'
    if counts > 1:
        text += f', a step every {counts} iterations'
    return f'{text}, {counted(len(loader), "iteration")} per epoch'


def _describe_recipe(runner: 'Runner') -> str:
    """``30 epochs, SGD, lr 0.1, LinearLR, CosineAnnealingLR``."""
    loop = runner.train_loop
    by_epoch = isinstance(loop, EpochBasedTrainLoop)
    length = count_steps(by_epoch, loop.max_epochs if by_epoch else loop.max_iters)
    wrappers = runner.optim_wrapper
    several = [wrappers] if isinstance(wrappers, OptimWrapper) else list(wrappers.values())
    optimizers = [
        f'{type(wrapper.optimizer).__name__}, lr {_highest_lr(wrapper.param_groups):g}'
        for wrapper in several
    ]
    schedules = runner.param_schedulers or []
    if isinstance(schedules, dict):
        schedules = [each for part in schedules.values() for each in part]
    names = dict.fromkeys(type(schedule).__name__ for schedule in schedules)
    return ', '.join([length, *optimizers, *names])


def _highest_lr(groups: Sequence[dict]) -> float:
    """The rate that schedules start from, or rise to as OneCycleLR does."""
    names = 'max_lr', 'initial_lr', 'lr'
    return max(next(group[name] for name in names if name in group) for group in groups)


def _describe_precision(runner: 'Runner') -> str:
    """``bfloat16, channels last, compiled``."""
    wrapper, cuda = runner.optim_wrapper, torch.cuda.is_available()
    kind = 'float32'
    if isinstance(wrapper, Bf16OptimWrapper) and wrapper.enabled:
        kind = 'bfloat16'
    elif isinstance(wrapper, AmpOptimWrapper):
        kind = str(wrapper.cast_dtype or torch.float16).removeprefix('torch.')
    elif cuda and torch.backends.cuda.matmul.allow_tf32:
        kind = 'float32 (products in TF32)'
    words = [kind]
    if use_channels_last(runner.cfg.get('channels_last', False)):
        words.append('channels last')
    if compiles(runner):
        words.append('compiled')
    return ', '.join(words)


def _describe_device(runner: 'Runner') -> str:
    if torch.cuda.is_available():
        return f'{runner.world_size} x {name_device()}'
    return f'CPU ({name_device()}), {counted(torch.get_num_threads(), "thread")}'


def count_steps(by_epoch: bool, number: int) -> str:
    """``30 epochs``, ``1,000 iterations``."""
    return counted(number, 'epoch' if by_epoch else 'iteration')


def describe_best(runner: 'Runner') -> str:
    """``best accuracy/top1 97.22 % (epoch 2)``; empty before the first validation."""
    best = read_best(runner)
    return (
        f'best {best[0].rpartition("/")[2]} {format_score(*best[:2])} ({best[2]})' if best else ''
    )


def read_best(runner: 'Runner') -> tuple[str, float, str, str] | None:
    """Name of the score that chooses checkpoints, its best value, when that was, and its file."""
    hook, info = runner.checkpoint_hook, runner.message_hub.runtime_info
    names = getattr(hook, 'key_indicators', None) or []
    if names == ['auto']:  # of a resumed run, before its first validation
        names = [info.get(BEST, 'auto')]
    suffix = f'_{names[0]}' if len(names) > 1 else ''
    score, file = info.get(f'best_score{suffix}'), info.get(f'best_ckpt{suffix}')
    if not names or score is None or not file:
        return None
    kind, _, step = Path(file).stem.rpartition('_')
    unit = kind.rpartition('_')[2]
    return names[0], float(score), f'{"iteration" if unit == "iter" else unit} {step}', file


def describe_end(runner: 'Runner') -> str:
    """What came out of a training, and the next commands."""
    by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
    done = count_steps(by_epoch, runner.epoch if by_epoch else runner.iter)
    lines = [f'the training is complete: {done}']
    best, info = read_best(runner), runner.message_hub.runtime_info
    file = best[3] if best else info.get('last_ckpt')
    if best:
        name, score, place, path = best
        lines.append(
            f'  best  {name} {format_score(name, score)} at {place}: {printable(from_here(path))}'
        )
    elif file:
        lines.append(f'  last  {printable(from_here(file))}')
    lines += [f'  next  {command}' for command in list_next(runner, file)]
    return '\n'.join(lines)


def list_next(runner: 'Runner', checkpoint: str | None) -> list[str]:
    """Commands for a shell that test a checkpoint, report a run, and open a demo."""
    config = Path(runner.work_dir, Path(runner.cfg.filename or '').name)
    is_classifier = isinstance(runner.bare_model, ImageClassifier)  # the demo opens no other
    can_test = config.is_file() and runner._test_dataloader is not None
    # A checkpoint's own config builds known classes alone.
    needed = ['--config', str(config)] if runner.cfg.get('custom_imports') else []
    steps: list[tuple[str, list[str | None]]] = [
        ('test', [str(config) if can_test else None, checkpoint]),
        ('report', [runner.work_dir]),
        ('demo', [checkpoint if is_classifier else None, *needed]),
    ]
    return [
        format_command(tool, *map(str, arguments))
        for tool, arguments in steps
        if None not in arguments and (PROJECT / f'tools/{tool}.py').is_file()
    ]


def format_command(tool: str, *arguments: str) -> str:
    """The command of a tool, from the present folder, as a shell reads it."""
    in_clone = Path.cwd() == PROJECT
    start = [f'tools/{tool}.py'] if in_clone else ['-m', 'senet_mm', tool]
    return shlex.join([name_python(), *start, *map(from_here, arguments)])


def name_python() -> str:
    """``python`` if it starts this interpreter, else its path: ``.venv/bin/python``."""
    # Links of two environments may lead to the same file.
    found = shutil.which('python')
    is_this = found is not None and Path(found).parent == Path(sys.executable).parent
    return 'python' if is_this else from_here(sys.executable)


def from_here(path: str) -> str:
    """A path from the present folder, if it is below it."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path
