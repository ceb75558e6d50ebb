import contextlib
import os
import subprocess
import sys

import pytest

from senet_mm.cli import reported_errors
from senet_mm.registry import MODELS
from senet_mm.utils.errors import InputError

from .conftest import load_tool


@pytest.mark.parametrize(
    'network',
    [
        dict(type='mmpretrain.ResNet', depth=18),
        dict(type='VGG', depth=11),
        dict(type='mmpretrain.ConvNeXt'),
        dict(type='mmpretrain.RegNet', arch='regnetx_400mf'),
    ],
)
def test_more_frozen_stages_than_there_are(network, capsys):
    """One line, without the traceback, though upstream raises whatever comes."""
    name = network['type'].rpartition('.')[2]
    message = f'^error: frozen_stages=9: {name} has fewer stages; allowed'
    with pytest.raises(SystemExit, match=message), reported_errors():
        MODELS.build({**network, 'frozen_stages': 9}).train()
    assert 'Traceback' not in capsys.readouterr().err


@pytest.mark.parametrize('hidden', [False, True])
def test_interruption(hidden, capsys):
    """Also where a library turns whatever is raised within it into an error of its own."""

    def work():
        try:
            raise KeyboardInterrupt
        except BaseException:
            if hidden:
                raise SyntaxError('Failed to format the config file') from None
            raise

    with pytest.raises(SystemExit, match='130'), reported_errors():
        work()
    assert capsys.readouterr().err == 'interrupted\n'


@pytest.fixture
def rank(tmp_path, monkeypatch):
    """Makes this process one that torchrun has started."""

    def become(number, attempt=0):
        folder = tmp_path / f'attempt_{attempt}' / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        monkeypatch.setenv('RANK', str(number))
        monkeypatch.setenv('TORCHELASTIC_ERROR_FILE', str(folder / 'error.json'))
        return folder / 'error.json'

    return become


def lose(text):
    """A connection, while a part of a run is being built."""
    try:
        raise RuntimeError(f'[/pytorch/gloo/gloo/pair.cc:545] {text}. This is typically')
    except RuntimeError as error:
        raise InputError('DDP cannot be built of its arguments') from error


def fail(text):
    raise RuntimeError(text)


def refuse(text):
    raise InputError(text)


def line_of(end, text):
    """What Python prints at the end of a tool; 1 where it prints nothing."""
    with pytest.raises(SystemExit) as ended, reported_errors():
        end(text)
    return ended.value.code


@pytest.mark.parametrize('end', [fail, refuse])
def test_an_error_of_all_processes_is_printed_once(end, rank, capsys):
    """Once after each start; all of them tell the launcher whether it is an answer."""
    for attempt in range(2):
        files = []
        lines = []
        for number in range(3):
            files.append(rank(number, attempt))
            lines.append(line_of(end, 'the same'))
        assert lines == ['error (rank 0): the same', 1, 1]
        assert all(file.exists() == (end is refuse) for file in files)
        assert capsys.readouterr().err.count('Traceback') == (end is fail)


def test_errors_that_differ_are_all_printed(rank):
    for number in range(2):
        rank(number)
        assert line_of(refuse, f'file {number}') == f'error (rank {number}): file {number}'


def test_lost_connections_are_one_line_and_no_answer(rank):
    """Whatever was being built; their ports differ."""
    lines, files = [], []
    for number in range(2):
        files.append(rank(number))
        lines.append(line_of(lose, f'Read error [127.0.0.1]:{number}'))
    lost = 'the connection to another process is lost: Read error [127.0.0.1]:0'
    assert lines == [f'error (rank 0): {lost}', 1]
    assert not any(file.exists() for file in files)


@pytest.mark.parametrize(
    ('tool', 'unused'),
    [
        ('tools/test.py', 'train_dataloader.batch_size, optim_wrapper.optimizer.lr'),
        ('tools/deploy.py', 'train_dataloader.batch_size, optim_wrapper.optimizer.lr'),
        (
            'tools/analysis_tools/excitation.py',
            'train_dataloader.batch_size, optim_wrapper.optimizer.lr',
        ),
        (
            'tools/analysis_tools/get_flops.py',
            'train_dataloader.batch_size, optim_wrapper.optimizer.lr, test_dataloader.batch_size',
        ),
    ],
)
def test_options_that_a_tool_does_not_use_are_named(tool, unused, monkeypatch, capsys, tmp_path):
    arguments = [tool, 'seresnet8_1xb64_digits', '--work-dir', str(tmp_path)]
    arguments += [] if 'flops' in tool else ['nowhere.pth']
    options = ['train_dataloader.batch_size=2', 'optim_wrapper.optimizer.lr=1.0']
    options += ['test_dataloader.batch_size=2', 'model.backbone.depth=20']
    monkeypatch.setattr('sys.argv', [*arguments, '--cfg-options', *options])
    module = load_tool(tool)
    with contextlib.suppress(OSError):  # there is no such checkpoint
        module.main(module.parse_args())
    assert capsys.readouterr().err == f'--cfg-options {unused}: not used by this tool\n'


PRINTING = """
import sys
from senet_mm.cli import reported_errors
with reported_errors():
    print('line')
    for _ in range({lines}):
        print('line')
    {end}
"""


@pytest.mark.parametrize('env', [{}, {'TORCHELASTIC_RUN_ID': '1'}])
@pytest.mark.parametrize('lines', [1, 100_000])
@pytest.mark.parametrize('end', ['', 'sys.exit(65)'])
def test_a_reader_that_goes_away(lines, end, env):
    """As ``tool | head -1``: no line, and the code of a shell's ``cat``."""
    script = PRINTING.format(lines=lines, end=end)
    read, write = os.pipe()
    os.close(read)
    try:
        run = subprocess.run(
            [sys.executable, '-c', script], stdout=write, stderr=subprocess.PIPE,
            env={**os.environ, **env}, check=False,
        )  # fmt: skip
    finally:
        os.close(write)
    assert (run.returncode, run.stderr) == (141, b'')


def test_a_pipe_that_breaks_elsewhere(capsys):
    """It is an error as others: someone reads stdout."""

    def break_pipe(text):
        raise BrokenPipeError(32, text)

    assert 'Broken' in line_of(break_pipe, 'Broken pipe')


CLOSED = """
import sys
from senet_mm.cli import reported_errors
from senet_mm.utils.progress import track
with reported_errors():
    for _ in track(range(3), 'work'):
        print('line')
    with open(sys.argv[1], 'w') as file:
        file.write('result')
"""


@pytest.mark.parametrize('streams', ['>&-', '2>&-', '>&- 2>&-'])
def test_closed_streams(streams, tmp_path):
    """As some daemons start a process: what is printed goes nowhere, nor into a file of its own."""
    out = tmp_path / 'out'
    command = ['bash', '-c', f'"$@" {streams}', 'sh', sys.executable, '-c', CLOSED, str(out)]
    run = subprocess.run(command, capture_output=True, check=False)
    assert (run.returncode, run.stderr, out.read_text()) == (0, b'', 'result')
