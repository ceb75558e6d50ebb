"""Folders in the layout of timm's hub that we write: for timm, and for every way of ours."""

import copy
import json
import shutil
import sys

import numpy as np
import pytest
import timm
import torch
from huggingface_hub import ModelCard
from mmengine.dataset import Compose, default_collate
from PIL import Image

from senet_mm.apis import get_model
from senet_mm.converters.networks import get_network_config
from senet_mm.engine import Runner
from senet_mm.utils.errors import UserError

from ..conftest import ROOT, load_tool
from ..engine.test_runner import digits
from .parity import image, randomise

PUBLISH = 'tools/model_converters/publish_model.py'
DIGITS = 'seresnet8_1xb64_digits'
CLASSES = ['Kühe & Kälber', 'red tulip', 'b|c']
# Architecture of timm -> config of ours, what it changes of the model, and other lines.
NETWORKS = {
    'seresnet18': ('seresnet18_8xb32_in1k', 'se=dict(layer=dict(divisor=8)), ', ''),
    'resnet18': ('seresnet18_8xb32_in1k', 'se=None, ', 'in_channels = 1\n'),
    # Its images are BGR.
    'legacy_seresnet50': ('seresnet50-caffe_8xb32_in1k', '', ''),
}


PARAMS = [*list(NETWORKS)[:2], pytest.param('legacy_seresnet50', marks=pytest.mark.slow)]


def publish(src, folder, *options):
    tool = load_tool(PUBLISH)
    tool.main(tool.parse_args([str(src), '--hub', str(folder), *map(str, options)]))
    return json.loads((folder / 'config.json').read_text())


def write_config(file, architecture):
    """A config whose network timm has, with three classes."""
    base, change, lines = NETWORKS[architecture]
    file.write_text(
        f"_base_ = '{ROOT}/configs/seresnet/{base}.py'\n"
        f'model = dict({change}head=dict(num_classes=3, topk=(1,)))\n'
        f'{lines}license = "mit"\n'
    )
    return file


@pytest.fixture(scope='module', params=PARAMS)
def shared(request, tmp_path_factory):
    """Architecture, config, our network with drawn weights, its folder for a hub."""
    path = tmp_path_factory.mktemp('shared')
    config = write_config(path / 'mine.py', request.param)
    model = get_model(str(config))
    channels = 1 if request.param == 'resnet18' else 3
    randomise(model, image(64)[:, :channels])
    meta = dict(cfg=model.cfg.pretty_text, dataset_meta=dict(classes=CLASSES))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path / 'net.pth')
    publish(path / 'net.pth', path / 'hub', '--name', config)
    return request.param, config, model, path / 'hub'


def test_timm_gives_the_same_logits(shared):
    architecture, _, model, folder = shared
    theirs = timm.create_model(f'local-dir:{folder}', pretrained=True).eval()
    assert theirs.pretrained_cfg['architecture'] == architecture
    assert theirs.pretrained_cfg['label_names'] == CLASSES
    assert theirs.num_classes == 3
    x = image(64)[:, : 1 if architecture == 'resnet18' else 3]
    with torch.no_grad():
        ours, others = model(x), theirs(turn(x, architecture))
        assert others.abs().max() > 0.3
        if architecture.startswith('legacy'):  # the channels are added in another order
            x, model, theirs = x.double(), copy.deepcopy(model).double(), theirs.double()
            assert (model(x) - theirs(turn(x, architecture))).abs().max() < 1e-12
        else:
            assert torch.equal(ours, others)


def turn(images, architecture):
    """BGR to RGB for weights that were BGR."""
    return images.flip(1) if architecture.startswith('legacy') else images


def test_it_is_read_back_to_the_bit(shared):
    _, _, model, folder = shared
    again = get_model(str(folder))
    state = model.state_dict()
    assert list(again.state_dict()) == list(state)
    assert all(torch.equal(value, state[name]) for name, value in again.state_dict().items())
    assert again.dataset_meta['classes'] == tuple(CLASSES)
    assert (again.origin.recipe, again.origin.license) == ('mine', 'mit')
    assert again.cfg.data_preprocessor == model.cfg.data_preprocessor


def test_timm_prepares_pictures_as_we_do(shared, tmp_path):
    """timm's transform by the folder's config against our test pipeline and preprocessor."""
    architecture, config, _, folder = shared
    if architecture == 'resnet18':
        pytest.skip('a picture of one channel')
    coarse = np.random.default_rng(0).integers(0, 256, (7, 9, 3)).astype(np.uint8)
    picture = Image.fromarray(coarse).resize((401, 333))
    picture.save(tmp_path / 'a.png')
    model = get_model(str(config), folder)
    pipeline = Compose(model.cfg.test_dataloader.dataset.pipeline)
    batch = default_collate([pipeline(dict(img_path=str(tmp_path / 'a.png'), gt_label=0))])
    ours = turn(model.data_preprocessor(batch)['inputs'], architecture)
    theirs = timm.create_model(f'local-dir:{folder}')
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(theirs))
    assert (ours - transform(picture)[None]).abs().max() < 1e-6 * ours.abs().max()


def edit(folder, to, **changes):
    """A copy of a folder with other values in its config, a dict for ``pretrained_cfg``."""
    shutil.copytree(folder, to)
    config = json.loads((to / 'config.json').read_text())
    for name, value in changes.items():
        config[name] = config[name] | value if isinstance(value, dict) else value
    (to / 'config.json').write_text(json.dumps(config))
    return to


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (
            dict(label_names=['Kühe & Kälber', 'tulip', 'b|c']),
            "label_names has 'tulip' at 1, senet_mm says 'red tulip'; allowed: the same in both",
        ),
        (dict(mean=[0.5, 0.5, 0.5]), r'pretrained_cfg.mean has 0.5 at 0, senet_mm says 0.4\d+; a'),
        (dict(std='x'), r"pretrained_cfg.std is 'x', senet_mm says \[0.0"),
        (dict(std=[0.5]), r'pretrained_cfg.std has 1 entries, senet_mm says 3;'),
        (dict(crop_pct=0), r'pretrained_cfg.crop_pct is 0, senet_mm says 0.875; '),
        (dict(interpolation='bicubic'), r"interpolation is 'bicubic', senet_mm says 'bilinear'; "),
        (dict(license='gpl'), r"pretrained_cfg.license is 'gpl', senet_mm says 'mit'; "),
    ],
)
def test_a_contradiction_between_both_parts(shared, tmp_path, changes, message):
    architecture, _, _, folder = shared
    if architecture == 'resnet18' and {'mean', 'std'} & changes.keys():
        pytest.skip('one number')
    changes = changes if 'label_names' in changes else dict(pretrained_cfg=changes)
    other = edit(folder, tmp_path / 'hub', **changes)
    with pytest.raises(UserError, match=f'^{other}/config.json contradicts itself: .*{message}'):
        get_model(other)


def test_what_one_part_alone_says(trained, tmp_path):
    _, folder, config = trained
    section = {k: v for k, v in config['senet_mm'].items() if k not in ('dataset_meta', 'license')}
    names = [f'n{i}' for i in range(10)]
    other = edit(folder, tmp_path / 'a', label_names=names)
    with pytest.raises(UserError, match="label_names has 'n0' at 0, senet_mm says '0'; allowed"):
        get_model(other)
    config = json.loads((other / 'config.json').read_text()) | dict(senet_mm=section)
    (other / 'config.json').write_text(json.dumps(config))
    model = get_model(other)
    assert model.dataset_meta['classes'] == tuple(names)
    assert model.origin.license == 'My own, v1'


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A training of two epochs on the digits, and the folder of its last checkpoint."""
    path = tmp_path_factory.mktemp('digits')
    Runner.from_cfg(digits(path / 'run', license='My own, v1')).train()
    config = publish(path / 'run/epoch_2.pth', path / 'hub')
    return path / 'run/epoch_2.pth', path / 'hub', config


def test_a_network_that_timm_has_not(trained, capsys):
    src, folder, config = trained
    assert config['architecture'] == f'senet_mm/{DIGITS}'
    assert config['label_names'] == [str(i) for i in range(10)]
    with pytest.raises(RuntimeError, match='Unknown model'):
        timm.create_model(f'local-dir:{folder}')
    again, state = get_model(folder), get_model(DIGITS, src).state_dict()
    assert all(torch.equal(value, state[name]) for name, value in again.state_dict().items())
    assert again.dataset_meta['classes'] == tuple(config['label_names'])
    publish(src, folder.with_name('again'))
    assert (
        'no network of timm is known to be this one: it cannot load this folder, senet_mm can\n'
        in (capsys.readouterr().out)
    )
    for name in ('config.json', 'model.safetensors'):
        assert (folder.with_name('again') / name).read_bytes() == (folder / name).read_bytes()


def test_the_folder_names_no_place_of_this_machine(trained):
    src, folder, _ = trained
    for file in folder.iterdir():
        content = file.read_bytes()
        for text in (src.parent, ROOT):
            assert str(text).encode() not in content


def test_card(trained):
    """Its metadata as the hub reads them; each figure is one of the log."""
    src, folder, _ = trained
    card = ModelCard.load(folder / 'README.md')
    [log] = src.parent.glob('*/vis_data/scalars.json')
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    measured = next(row for row in rows if row['step'] == 2 and 'accuracy/top1' in row)
    results = {result.metric_name: result for result in card.data.eval_results}
    assert results['Top-1 accuracy (%)'].metric_value == measured['accuracy/top1']
    assert results['Top-5 accuracy (%)'].metric_value == measured['accuracy/top5']
    assert {r.dataset_name for r in results.values()} == {'Digits'}
    assert (card.data.model_name, card.data.library_name) == (DIGITS, 'senet_mm')
    assert (card.data.license, card.data.license_name) == ('other', 'My own, v1')
    assert card.data.pipeline_tag == 'image-classification'
    assert f'| 2 | {rows[-2]["loss"]:.4f} | {measured["accuracy/top1"]:.4f} |' in card.text
    assert '- seed: 0\n' in card.text
    assert f'- recipe: {DIGITS}\n' in card.text
    start = json.loads(next(src.parent.glob('*/run.json')).read_text())
    assert f'- device: {start["device"]}\n' in card.text
    assert '```\npython ' in card.text


def test_card_of_weights_that_were_not_measured(trained, tmp_path):
    """A checkpoint without its log; the metrics that are given are those of the test."""
    src, _, _ = trained
    shutil.copyfile(src, tmp_path / 'net.pth')
    publish(tmp_path / 'net.pth', tmp_path / 'a')
    card = ModelCard.load(tmp_path / 'a/README.md')
    assert card.data.eval_results is None
    assert 'These weights were not measured.' in card.text
    assert 'python tools/train.py' not in card.text
    (tmp_path / 'metrics.json').write_text('{"accuracy/top1": 71.5, "single-label/f1-score": 3}')
    publish(tmp_path / 'net.pth', tmp_path / 'b', '--metrics', str(tmp_path / 'metrics.json'))
    results = ModelCard.load(tmp_path / 'b/README.md').data.eval_results
    assert [(r.metric_type, r.metric_value) for r in results] == [
        ('accuracy', 71.5),
        ('f1-score', 3),
    ]


def test_card_of_a_network_of_timm(shared):
    architecture, _, _, folder = shared
    card = ModelCard.load(folder / 'README.md')
    assert (card.data.library_name, card.data.license) == ('timm', 'mit')
    assert "timm.create_model('local-dir:hub', pretrained=True)" in card.text
    assert ', '.join(CLASSES) in card.text
    line = 'timm must be given images of 1 channel;'
    assert (line in card.text) == (architecture == 'resnet18')


def test_training_starts_from_a_folder_with_other_classes(trained, tmp_path, logged):
    """And the network of another folder is refused."""
    _, folder, _ = trained
    cfg = digits(tmp_path / 'run', load_from=str(folder), **{'train_cfg.max_epochs': 1})
    runner = Runner.from_cfg(cfg)
    runner.train()
    saved = torch.load(tmp_path / 'run/epoch_1.pth', weights_only=False)
    assert saved['meta']['source'].startswith('hub')
    cfg = digits(tmp_path / 'other', load_from=str(folder), **{'model.se': None})
    with pytest.raises(ValueError, match=r'does not fit the model of the config: it was made with'):
        Runner.from_cfg(cfg).train()


def test_the_tools_take_a_folder(trained, tmp_path, monkeypatch):
    """The figures of the card are those that a test of the folder measures."""
    _, folder, _ = trained
    tool, out = load_tool('tools/test.py'), tmp_path / 'metrics.json'
    arguments = [DIGITS, folder, '--work-dir', tmp_path / 'run', '--out', out]
    monkeypatch.setattr(sys, 'argv', ['test.py', *map(str, arguments), '--out-item', 'metrics'])
    tool.main(tool.parse_args())
    card = ModelCard.load(folder / 'README.md')
    measured = {result.metric_name: result.metric_value for result in card.data.eval_results}
    assert json.loads(out.read_text())['accuracy/top1'] == measured['Top-1 accuracy (%)']
    publish(folder, tmp_path / 'again', '--name', DIGITS)
    weights = [parent / 'model.safetensors' for parent in (folder, tmp_path / 'again')]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_the_config_must_be_of_the_architecture(shared, tmp_path):
    """Pooling, which shapes do not show: the text of our part against timm's name."""
    architecture, _, _, folder = shared
    shutil.copytree(folder, tmp_path / 'net')
    file = tmp_path / 'net/config.json'
    content = json.loads(file.read_text())
    channels = 1 if architecture == 'resnet18' else 3
    content['senet_mm']['cfg'] = get_network_config('resnet50', 3, channels).pretty_text
    file.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r'has the architecture .*, and the config of another netw'):
        get_model(DIGITS, tmp_path / 'net')


def test_an_existing_folder_is_left_alone(trained, tmp_path):
    src, _, _ = trained
    (tmp_path / 'mine').write_text('x')
    with pytest.raises(ValueError, match=r'is not empty; allowed: a new or an empty folder$'):
        publish(src, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ['mine']


def test_broken_weights_are_refused(trained, tmp_path):
    checkpoint = torch.load(trained[0], weights_only=False)
    checkpoint['state_dict']['head.fc.bias'][3] = float('nan')
    torch.save(checkpoint, tmp_path / 'nan.pth')
    with pytest.raises(ValueError, match=r'not finite in 1 tensors: head.fc.bias$'):
        publish(tmp_path / 'nan.pth', tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_one_place_to_write_to(trained, tmp_path):
    tool = load_tool(PUBLISH)
    for places in ([], [str(tmp_path), '--hub', str(tmp_path / 'hub')]):
        with pytest.raises(ValueError, match=r' to write to; allowed: a folder, or --hub F'):
            tool.main(tool.parse_args([str(trained[0]), *places, '--name', DIGITS]))
