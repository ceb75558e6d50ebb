import os
import pickle

import pytest
import torch
from mmengine.runner import load_checkpoint
from torch import nn

from senet_mm.engine import load_from_local, load_strictly


class Hostile:
    """Runs a command when it is unpickled."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def save_hostile(tmp_path, save):
    file, proof = tmp_path / 'hostile.pth', tmp_path / 'proof'
    save({'state_dict': Hostile(f'touch {proof}')}, file)
    return file, proof


def save_pickle(content, file):
    file.write_bytes(pickle.dumps(content))


@pytest.mark.parametrize('save', [torch.save, save_pickle])
def test_hostile_file_is_refused_and_not_run(tmp_path, save):
    file, proof = save_hostile(tmp_path, save)
    with pytest.raises(ValueError, match=r'hostile.pth is refused: .*; allowed: tensors and plain'):
        load_from_local(str(file))
    assert not proof.exists()


def test_init_cfg_goes_the_same_way(tmp_path):
    """``init_cfg=dict(type='Pretrained')`` loads by mmengine's function."""
    file, proof = save_hostile(tmp_path, torch.save)
    with pytest.raises(ValueError, match='is refused'):
        load_checkpoint(nn.Linear(1, 1), str(file))
    assert not proof.exists()


@pytest.mark.parametrize('content', [b'', b'<html>404</html>', b'PK\x03\x04' + bytes(100)])
def test_damaged_file(tmp_path, content):
    file = tmp_path / 'damaged.pth'
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r'damaged.pth is (refused|damaged)'):
        load_from_local(str(file))


def test_truncated_file(tmp_path):
    file = tmp_path / 'truncated.pth'
    torch.save(nn.Linear(100, 100).state_dict(), file)
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r'truncated.pth is damaged or no checkpoint'):
        load_from_local(str(file))


def test_missing_file():
    with pytest.raises(FileNotFoundError, match=r'checkpoint nowhere.pth does not exist'):
        load_from_local('nowhere.pth')


@pytest.mark.parametrize('wrap', [lambda s: s, lambda s: {'state_dict': s, 'meta': {}}])
@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_fitting_checkpoint(wrap, prefix):
    a, b = nn.Linear(2, 3), nn.Linear(2, 3)
    load_strictly(b, wrap({prefix + k: v for k, v in a.state_dict().items()}), 'a.pth')
    assert torch.equal(a.weight, b.weight)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda s: s.pop('bias'), r'1 missing \(bias\)$'),
        (lambda s: s.update(extra=s['bias']), r'1 unexpected \(extra\)$'),
        (
            lambda s: s.update(bias=torch.zeros(4)),
            r'1 of another shape \(bias \(4,\) for \(3,\)\)$',
        ),
        (
            lambda s: [s.update({f'x{i}': s['bias']}) for i in range(5)],
            r'5 unexp.*x0, x1, x2, \.\.\.',
        ),
    ],
)
def test_unfitting_checkpoint_changes_nothing(change, message):
    model, state = nn.Linear(2, 3), nn.Linear(2, 3).state_dict()
    before = model.weight.clone()
    change(state)
    with pytest.raises(ValueError, match='checkpoint a.pth does not fit the model.*: ' + message):
        load_strictly(model, state, 'a.pth')
    assert torch.equal(model.weight, before)


class Classifier(nn.Module):
    """The least that has a head."""

    def __init__(self, num_classes, width=2):
        super().__init__()
        self.backbone, self.head = nn.Linear(2, width), nn.Linear(width, num_classes)


def test_new_head(logged):
    source, model = Classifier(3), Classifier(5)
    head = model.head.weight.clone()
    load_strictly(model, source.state_dict(), 'a.pth', new_head=True)
    assert torch.equal(model.backbone.weight, source.backbone.weight)
    assert torch.equal(model.head.weight, head)
    assert logged.messages == [
        'checkpoint a.pth has a head of 3 classes; the head of 5 classes is newly initialised '
        '(head.weight, head.bias)'
    ]


def test_new_head_is_for_the_class_count_only():
    """A head of another width, a missing head or another backbone stay errors."""
    for source in (Classifier(3, width=4), Classifier(5, width=4), nn.Linear(2, 2)):
        with pytest.raises(ValueError, match='does not fit'):
            load_strictly(Classifier(5), source.state_dict(), 'a.pth', new_head=True)
    state = Classifier(3).state_dict()
    del state['head.bias']
    with pytest.raises(ValueError, match=r'1 missing \(head.bias\)$'):
        load_strictly(Classifier(5), state, 'a.pth', new_head=True)
    with pytest.raises(ValueError, match='2 of another shape'):
        load_strictly(Classifier(5), Classifier(3).state_dict(), 'a.pth')


@pytest.mark.parametrize('content', [[1], torch.zeros(1), {'state_dict': None}])
def test_no_state_dict(content):
    with pytest.raises(ValueError, match=r'checkpoint a.pth holds no state dict$'):
        load_strictly(nn.Linear(2, 3), content, 'a.pth')
