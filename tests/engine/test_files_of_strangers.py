"""Every way in, files of strangers: nothing runs or hangs, memory is bounded, each has its line."""

import functools
import os
import warnings

import pytest

from senet_mm.engine import Runner

from .confined import PEAK, run_confined
from .corpus import CAFFEMODELS, DAMAGED, FILES, HUB_CONFIGS, PROTOTXTS, SAFETENSORS, TEXTS
from .test_runner import digits
from .ways import CAFFE_WAYS, DATA_WAYS, HUB_WAYS, PROTOTXT_WAYS, WAYS

PTH = FILES | DAMAGED
ODD = ('fifo', 'folder', 'device')
ALL = [*PTH, *(f'safetensors: {name}' for name in SAFETENSORS), *ODD]
# A file of each kind, for ways that do much before they read.
FEW = [
    *('calls by allowed names', 'many records', 'tensor larger than its storage', 'meta tensor'),
    *('name that moves the cursor', 'meta of another type', 'a mean that is no float'),
    *('cut at 8/16', 'flipped at 8/16', 'safetensors: offsets behind the end', 'fifo'),
]
FULL = 'get_model'
# They read tensors, which they do not compare with all of a network, and no metadata.
LOOSE = ('load_from_local', 'mmengine.load_checkpoint', 'weights of a hub')
READ_LATER = ('name that moves the cursor', 'a mean that is no float')
# They read a copy, of another name.
COPIES = ('resume=auto', 'reproduce.py', 'weights of a hub')
CASES = [(way, name) for way in WAYS for name in (ALL if way == FULL else FEW)]


OTHERS = {
    **dict.fromkeys(CAFFE_WAYS, (CAFFEMODELS, 'caffemodel')),
    'convert.py caffe': (
        {k: v for k, v in CAFFEMODELS.items() if k != 'many layers'},
        'caffemodel',
    ),
    **dict.fromkeys(PROTOTXT_WAYS, (PROTOTXTS, 'prototxt')),
    **dict.fromkeys(DATA_WAYS, (TEXTS, 'json')),
    **dict.fromkeys(HUB_WAYS, (HUB_CONFIGS, 'json')),
}


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """The checkpoint of an epoch on the digits."""
    work_dir = tmp_path_factory.mktemp('run')
    Runner.from_cfg(digits(work_dir, **{'train_cfg.max_epochs': 1})).train()
    return work_dir / 'epoch_1.pth'


@pytest.fixture(scope='module')
def files(whole, tmp_path_factory):
    """All files by name."""
    folder = tmp_path_factory.mktemp('corpus')
    makers = PTH | {f'safetensors: {name}': make for name, make in SAFETENSORS.items()}
    made = {}
    for i, (name, make) in enumerate(makers.items()):
        made[name] = folder / f'{i}{".safetensors" if name.startswith("safet") else ".pth"}'
        with warnings.catch_warnings(action='ignore'):  # of formats that torch gives up
            make(whole, made[name])
    os.mkfifo(folder / 'fifo.pth')
    return made | dict(fifo=folder / 'fifo.pth', folder=folder, device='/dev/zero')


@pytest.fixture(scope='module')
def outcomes(files, tmp_path_factory):
    """A function of a way: what became of each of its files."""

    @functools.cache
    def see(way):
        chosen = {name: files[name] for known, name in CASES if known == way}
        return run_confined(
            'tests.engine.ways', way, chosen, tmp_path_factory.mktemp('way') / 'out'
        )

    return see


@pytest.mark.parametrize(('way', 'name'), CASES)
def test_a_file_of_a_stranger(files, outcomes, way, name):
    outcome = outcomes(way).get(name)
    assert outcome, 'it hangs, or ended the process'
    assert not outcome.ran
    assert outcome.peak < PEAK
    if way in LOOSE and name in READ_LATER:
        return
    assert outcome.line
    assert outcome.answers, f'{outcome.kind}: {outcome.line}'
    assert outcome.line.isprintable()
    if way not in COPIES:
        assert str(files[name]) in outcome.line


@pytest.mark.parametrize('way', OTHERS)
def test_other_files_of_strangers(tmp_path, way):
    makers, suffix = OTHERS[way]
    made = {}
    for i, (name, make) in enumerate(makers.items()):
        made[name] = tmp_path / f'{i}.{suffix}'
        make(None, made[name])
    outcomes = run_confined('tests.engine.ways', way, made, tmp_path / 'out')
    for name in made:
        outcome = outcomes.get(name)
        assert outcome, f'{name}: it hangs, or ended the process'
        assert outcome.peak < PEAK, name
        assert outcome.line, name
        assert outcome.answers, f'{name}: {outcome.kind}: {outcome.line}'
        assert outcome.line.isprintable()
