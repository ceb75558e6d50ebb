"""Every tool with a config and a checkpoint evaluates the network that was trained."""

import csv
import sys

import mmengine
import onnxruntime
import pytest
import torch

from senet_mm.apis import find_config, get_config, get_model
from senet_mm.engine import Runner, load_from_local
from senet_mm.registry import DATASETS
from senet_mm.study.results import Result, measure

from ..conftest import load_tool
from ..engine.test_runner import digits

NAME = 'seresnet8_1xb64_digits'
# The second changes no tensor's shape.
CHOSEN = {'model.se.layer.ratio': 4, 'model.se.layer.gate_cfg.type': 'Tanh'}
OPTIONS = [f'{key}={value}' for key, value in CHOSEN.items()]
REMEDY = f'--cfg-options {" ".join(sorted(OPTIONS))}, or the config that it was made with'
# Not those of the config.
IMAGES = {'data_preprocessor.mean': [60.0], 'data_preprocessor.std': [120.0]}


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A checkpoint of averaged weights, made with options; its accuracy in per cent."""
    work_dir = tmp_path_factory.mktemp('run')
    hook = dict(type='EMAHook', momentum=0.05)
    options = {'train_cfg.max_epochs': 2, 'custom_hooks': [hook], **CHOSEN, **IMAGES}
    runner = Runner.from_cfg(digits(work_dir, **options))
    runner.train()
    return work_dir / 'epoch_2.pth', runner.message_hub.get_scalar('val/accuracy/top1').current()


def get_accuracy(run, model, cfg):
    """Of a function of preprocessed images on the test set, in per cent."""
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    samples = [dataset[i] for i in range(len(dataset))]
    inputs = model.data_preprocessor(dict(inputs=[s['inputs'] for s in samples]))['inputs']
    labels = torch.cat([s['data_samples'].gt_label for s in samples])
    with torch.no_grad():
        return 100 * (run(inputs).argmax(1) == labels).float().mean().item()


def use_get_model(call, checkpoint, folder, options):
    cfg = get_config(NAME)
    cfg.merge_from_dict(options)
    model = get_model(cfg, checkpoint)
    return get_accuracy(model, model, model.cfg)


def use_test(call, checkpoint, folder, options):
    out = ['--out', folder / 'metrics.json', '--out-item', 'metrics']
    call('test.py', NAME, checkpoint, '--work-dir', folder, *out)
    return mmengine.load(folder / 'metrics.json')['accuracy/top1']


def use_test_with_tta(call, checkpoint, folder, options):
    """Of one view, so that the accuracy is that of the test."""
    view = [dict(type='PackInputs')]
    config = f'_base_ = {find_config(NAME)!r}\n'
    config += f"tta_pipeline = [dict(type='TestTimeAug', transforms=[{view}])]\n"
    (folder / 'tta.py').write_text(config)
    out = ['--tta', '--out', folder / 'metrics.json', '--out-item', 'metrics']
    call('test.py', folder / 'tta.py', checkpoint, '--work-dir', folder, *out)
    return mmengine.load(folder / 'metrics.json')['accuracy/top1']


def use_reproduce(call, checkpoint, folder, options):
    result = Result('SE-ResNet-8', NAME, 'accuracy')
    measure(result, checkpoint, '', str(folder), options)
    return result.measured_top1


def use_deploy(call, checkpoint, folder, options):
    """To ONNX, which is as exact as the network."""
    arguments = ['--to', 'onnx', '--images', 8, '--rounds', 2]
    call('deploy.py', NAME, checkpoint, '--work-dir', folder, *arguments)
    beside = mmengine.load(folder / 'model.json')
    assert beside['preprocessing']['mean'] == [60]
    assert beside['classes'] == list('0123456789')
    session = onnxruntime.InferenceSession(folder / 'model.onnx')
    cfg = get_config(NAME)
    cfg.merge_from_dict({**options, **IMAGES})
    run = lambda inputs: torch.from_numpy(session.run(None, {'images': inputs.numpy()})[0])  # noqa: E731
    return get_accuracy(run, get_model(cfg), cfg)


def use_publish(call, checkpoint, folder, options):
    call('model_converters/publish_model.py', checkpoint, folder, '--name', NAME)
    [file] = folder.glob('*.pth')
    meta = load_from_local(str(file))['meta']
    assert meta['preprocessing']['mean'] == [60]
    assert "type='Tanh'" in meta['cfg']
    return use_test(call, file, folder, options)


def use_excitation(call, checkpoint, folder, options):
    arguments = ['--work-dir', folder, '--out', folder, '--channels', 5, '--blocks', 'SE_4_1']
    call('analysis_tools/excitation.py', NAME, checkpoint, *arguments)
    with open(folder / 'excitation.csv') as file:
        assert min(float(row['mean']) for row in csv.DictReader(file)) < 0
    return


USES = [
    use_get_model, use_test, use_test_with_tta, use_reproduce, use_deploy, use_publish,
    use_excitation,
]  # fmt: skip


@pytest.fixture
def call(monkeypatch):
    """Run tools in this process with options of the config."""

    def make(options):
        def run(path, *arguments):
            given = ['--cfg-options', *options] if options else []
            monkeypatch.setattr(sys, 'argv', [path, *map(str, arguments), *given])
            tool = load_tool(f'tools/{path}')
            tool.main(tool.parse_args())

        return run

    return make


@pytest.mark.parametrize('use', USES)
def test_another_network_is_refused(trained, call, tmp_path, use):
    with pytest.raises(ValueError, match='does not fit the model of the config') as raised:
        use(call([]), trained[0], tmp_path, {})
    assert str(raised.value).endswith(f'allowed: {REMEDY}')


@pytest.mark.parametrize('use', USES)
def test_the_trained_network_is_measured(trained, call, tmp_path, use):
    """With the options that it was trained with, and normalised as it was trained without any."""
    checkpoint, accuracy = trained
    measured = use(call(OPTIONS), checkpoint, tmp_path, CHOSEN)
    assert measured is None or measured == pytest.approx(accuracy, abs=1e-2)
