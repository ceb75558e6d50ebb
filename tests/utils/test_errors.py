"""Which errors are the user's, so that only their message is shown."""

import pickle
import socket
from pathlib import Path

import pytest
from torch.distributed import DistNetworkError, TCPStore
from torch.utils.data import DataLoader

from senet_mm.config.names import get_config
from senet_mm.datasets.bucket_cache import BucketError
from senet_mm.datasets.damage import DamagedImageError
from senet_mm.utils.errors import (
    OWN_KINDS,
    REFUSALS,
    ArgumentError,
    InputError,
    MissingFileError,
    UnknownTypeError,
    UserError,
    answering,
    describe,
    describe_lost_connection,
    is_answer,
    working,
)
from senet_mm.utils.files import check_regular_file
from senet_mm.utils.names import printable

# What a caller in Python expects them to be.
ANSWERS = {
    InputError: ValueError,
    DamagedImageError: ValueError,
    BucketError: OSError,
    ArgumentError: TypeError,
    UnknownTypeError: KeyError,
}


def raised(error):
    """An error raised after the checks."""
    with pytest.raises(type(error)) as caught, working():
        raise error
    return caught.value


@pytest.mark.parametrize('kind', REFUSALS)
def test_what_a_library_refuses_is_an_answer_before_the_work_alone(kind):
    error = kind('a value')
    assert is_answer(error)
    assert raised(error) is error
    assert not is_answer(error)


@pytest.mark.parametrize('kind', [RuntimeError, AttributeError, IndexError, ZeroDivisionError])
def test_other_errors_are_none(kind):
    assert not is_answer(kind('a bug'))


@pytest.mark.parametrize('kind', ANSWERS)
def test_a_user_error_is_an_answer_always(kind):
    error = raised(kind('PLACE: what is allowed'))
    assert is_answer(error)
    assert isinstance(error, ANSWERS[kind])
    assert str(error) == 'PLACE: what is allowed'
    assert is_answer(pickle.loads(pickle.dumps(error)))


class Refusing:
    def __init__(self, kind):
        self.kind = kind

    def __len__(self):
        return 1

    def __getitem__(self, index):
        raise self.kind('PLACE: what is allowed')


@pytest.mark.parametrize('kind', ANSWERS)
def test_a_user_error_of_a_worker_is_an_answer(kind):
    with pytest.raises(UserError) as caught, working():
        next(iter(DataLoader(Refusing(kind), num_workers=1)))
    assert is_answer(caught.value)


@pytest.mark.parametrize('kind', OWN_KINDS)
def test_the_api_raises_the_own_kind_with_the_line_of_the_tools(kind):
    given = kind('FILE is damaged:\n  here')

    @answering
    def refuse():
        raise given

    with pytest.raises(UserError) as raised:
        refuse()
    assert isinstance(raised.value, kind) or kind is AssertionError
    assert str(raised.value) == describe(given) == 'FILE is damaged: here'
    assert raised.value.__cause__ is given


def test_the_api_leaves_other_errors_and_its_own():
    for error in (RuntimeError('a bug'), InputError('an answer')):

        @answering
        def fail(error=error):
            raise error

        with pytest.raises(type(error)) as raised:
            fail()
        assert raised.value is error


@pytest.mark.parametrize('kind', ANSWERS)
def test_names_of_a_strangers_file_stay_on_one_line(kind):
    error = kind('checkpoint: 1 unexpected (a\nb\x1b[2J\u202e\udc80 é)')
    assert str(error) == r'checkpoint: 1 unexpected (a b\u001b[2J\u202e\udc80 é)'
    assert describe(error) == str(error)
    assert len(str(kind('x' * 10**6))) < 20_000


def test_a_port_that_is_taken_is_no_lost_connection():
    with socket.create_server(('', 0)) as server, pytest.raises(DistNetworkError) as raised:
        TCPStore('127.0.0.1', port := server.getsockname()[1], is_master=True)
    line = f'MASTER_PORT={port}: the port is taken; allowed: another MASTER_PORT'
    assert describe_lost_connection(raised.value) == line
    assert describe_lost_connection(DistNetworkError('gone. This is')) is not None
    assert describe_lost_connection(InputError('an answer')) is None


@pytest.mark.parametrize(
    'text', ['"no\\u001b.jpg" fits no image', 'there is no "no\\u001b.jpg"', '"a" or "b"']
)
@pytest.mark.parametrize('kind', [InputError, ValueError, UnknownTypeError, MissingFileError])
def test_a_quoted_name_keeps_its_quotes(kind, text):
    assert describe(kind(text)) == text


def test_the_text_of_another_error_in_quotes():
    assert describe(KeyError('"x is not known"')) == 'x is not known'
    assert describe(KeyError('"a" or "b"')) == '"a" or "b"'


def test_one_spelling_of_a_name(tmp_path):
    """In the error of a library, in ours, in a list of names."""
    path = str(tmp_path / 'no\x1b[31m\n.pth')
    spelled = f'"{tmp_path}/no\\u001b[31m\\n.pth"'
    assert printable(path) == spelled
    with pytest.raises(FileNotFoundError) as opened:
        Path(path).read_bytes()
    assert describe(opened.value) == f'{spelled}: No such file or directory'
    with pytest.raises(UserError) as checked:
        check_regular_file(path, 'checkpoint')
    assert describe(checked.value) == f'checkpoint {spelled} does not exist'
    with pytest.raises(UserError) as sought:
        get_config(path)
    assert describe(sought.value).startswith(f'config {spelled} does not exist')
