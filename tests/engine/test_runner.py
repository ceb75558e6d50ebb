"""A whole run of the digits config in this process, and the runner's parts."""

import copy
import json
import logging

import pytest
import torch
from mmengine import Config
from mmengine.optim import OptimWrapper

from senet_mm.apis import get_model
from senet_mm.config.keys import check_keys
from senet_mm.engine import Bf16OptimWrapper, Runner, optim_wrapper, speed

from ..conftest import ROOT


def digits(work_dir, **options):
    cfg = Config.fromfile(ROOT / 'configs/digits/seresnet8_1xb64_digits.py')
    defaults = {'train_cfg.max_epochs': 2, 'randomness.seed': 0}
    cfg.merge_from_dict({'work_dir': str(work_dir), **defaults, **options})
    return cfg


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    """Two epochs on the digits."""
    work_dir = tmp_path_factory.mktemp('run')
    runner = Runner.from_cfg(digits(work_dir))
    runner.train()
    return runner, work_dir


def scalars(work_dir):
    (file,) = work_dir.glob('*/vis_data/scalars.json')
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_log_is_short_and_says_what_matters(finished):
    _, work_dir = finished
    (file,) = work_dir.glob('*/*.log')
    log = file.read_text()
    before_first = log[: log.index('Epoch(train)')].splitlines()
    assert len(before_first) < 60
    assert '75,793 parameters, 0.75 MFLOPs for an image of 1x8x8' in log
    assert 'WARNING' not in log
    (config,) = work_dir.glob('*.py')
    assert Config.fromfile(config).model == digits(work_dir).model


def test_validation_logs_loss_and_both_accuracies(finished):
    _, work_dir = finished
    for row in (row for row in scalars(work_dir) if 'accuracy/top1' in row):
        assert {'accuracy/top5', 'loss/cross_entropy'} <= row.keys()


def test_complexity_is_in_the_checkpoint(finished):
    _, work_dir = finished
    meta = torch.load(work_dir / 'epoch_2.pth', weights_only=False)['meta']
    assert (meta['complexity']['params'], meta['complexity']['macs']) == (75_793, 747_808)
    assert meta['complexity']['shape'] == [1, 8, 8]


def test_reported_validation_is_that_of_the_checkpoint(finished):
    """The last validation of the training run, measured anew from the saved file."""
    _, work_dir = finished
    last = [row for row in scalars(work_dir) if 'accuracy/top1' in row][-1]
    cfg = digits(work_dir / 'test', load_from=str(work_dir / 'epoch_2.pth'))
    metrics = Runner.from_cfg(cfg).test()
    for key in ('accuracy/top1', 'accuracy/top5', 'loss/cross_entropy'):
        assert metrics[key] == pytest.approx(last[key], rel=1e-6)


def test_validation_loss_is_the_mean_cross_entropy(finished):
    runner, _ = finished
    model, losses = runner.model.eval(), []
    for batch in runner.val_dataloader:
        data = model.data_preprocessor(batch)
        labels = torch.cat([sample.gt_label for sample in data['data_samples']])
        with torch.no_grad():
            losses.append(torch.nn.functional.cross_entropy(model(data['inputs']), labels))
    expected = torch.stack(losses).mean().item()  # batches are equally large
    metrics = runner.val_loop.run()
    assert metrics['loss/cross_entropy'] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize('what', ['val', 'test'])
def test_an_evaluation_needs_no_training_data(tmp_path, what):
    cfg = digits(tmp_path)
    missing = str(tmp_path / 'missing')
    cfg.train_dataloader.dataset = dict(type='CustomDataset', data_root=missing, pipeline=[])
    runner = Runner.from_cfg(cfg)
    assert 0 < getattr(runner, what)()['accuracy/top1'] < 100
    assert (runner.epoch, runner.iter) == (0, 0)
    assert not list(tmp_path.glob('*.pth'))


def test_same_seed_same_network_whatever_the_workers(finished, tmp_path):
    runner, _ = finished
    again = Runner.from_cfg(digits(tmp_path, **{'train_dataloader.num_workers': 2}))
    again.train()
    expected = runner.model.state_dict()
    assert all(torch.equal(v, expected[k]) for k, v in again.model.state_dict().items())


@pytest.mark.slow
def test_resume_goes_on_from_the_checkpoint(finished, tmp_path):
    _, work_dir = finished
    cfg = digits(tmp_path, load_from=str(work_dir / 'epoch_1.pth'), resume=True)
    runner = Runner.from_cfg(cfg)
    runner.train()
    expected = finished[0].model.state_dict()
    assert runner.iter == 38
    assert all(torch.equal(v, expected[k]) for k, v in runner.model.state_dict().items())


@pytest.mark.parametrize(
    'config', ['digits/resnet8_1xb64_digits.py', 'cifar/resnet20_8xb16_cifar10.py']
)
def test_testing_with_a_foreign_checkpoint_is_an_error(finished, tmp_path, config):
    _, work_dir = finished
    cfg = digits(tmp_path, load_from=str(work_dir / 'epoch_2.pth'))
    cfg.model = Config.fromfile(ROOT / 'configs' / config).model
    cfg.model.backbone.in_channels = 1  # as the images have
    with pytest.raises(
        ValueError, match=r'does not fit the model of the config: it was made with .* model.se='
    ):
        Runner.from_cfg(cfg).test()


def test_testing_with_missing_keys_is_an_error(finished, tmp_path):
    _, work_dir = finished
    checkpoint = torch.load(work_dir / 'epoch_2.pth', weights_only=False)
    del checkpoint['state_dict']['backbone.layer3.0.se.fc1.weight']
    torch.save(checkpoint, tmp_path / 'broken.pth')
    cfg = digits(tmp_path, load_from=str(tmp_path / 'broken.pth'))
    with pytest.raises(ValueError, match=r'1 missing \(backbone.layer3.0.se.fc1.weight\)$'):
        Runner.from_cfg(cfg).test()


@pytest.fixture(scope='module')
def twelve_classes(tmp_path_factory):
    """A checkpoint of the digits network with two classes more."""
    file = tmp_path_factory.mktemp('twelve') / 'twelve.pth'
    state_dict = get_model('seresnet8_1xb64_digits', num_classes=12).state_dict()
    torch.save({'state_dict': state_dict, 'meta': {'epoch': 1, 'iter': 19}}, file)
    return file


@pytest.mark.parametrize('hooks', [[], [dict(type='EMAHook')]])
def test_fine_tuning_may_change_the_class_count(twelve_classes, tmp_path, hooks):
    options = {
        'optim_wrapper.optimizer.lr': 0.0,
        'train_cfg.max_epochs': 1,
        'custom_hooks': hooks,
    }
    runner = Runner.from_cfg(digits(tmp_path, load_from=str(twelve_classes), **options))
    runner.train()
    expected = torch.load(twelve_classes, weights_only=True)['state_dict']
    assert torch.equal(runner.model.backbone.conv1.weight, expected['backbone.conv1.weight'])
    (file,) = tmp_path.glob('*/*.log')
    said = 'a head of 12 classes; the head of 10 classes is newly initialised (head.fc.weight, '
    assert file.read_text().count(said) == 1
    assert 'WARNING' not in file.read_text()


@pytest.mark.parametrize(('run', 'resume'), [('train', True), ('test', False), ('val', False)])
def test_only_fine_tuning_may(twelve_classes, tmp_path, run, resume):
    cfg = digits(tmp_path, load_from=str(twelve_classes), resume=resume)
    with pytest.raises(ValueError, match=r'2 of another shape \(head.fc.bias \(12,\) for \(10,\)'):
        getattr(Runner.from_cfg(cfg), run)()


def test_bf16_trains_on_this_device(tmp_path):
    cfg = digits(tmp_path, **{'optim_wrapper.type': 'Bf16OptimWrapper'})
    runner = Runner.from_cfg(cfg)
    dtypes = set()
    runner.model.backbone.conv1.register_forward_hook(
        lambda module, args, out: dtypes.add(out.dtype) if module.training else None
    )
    runner.train()
    assert isinstance(runner.optim_wrapper, Bf16OptimWrapper)
    assert torch.bfloat16 in dtypes
    assert runner.val_loop.run()['accuracy/top1'] > 30
    assert all(p.dtype == torch.float32 for p in runner.model.parameters())


@pytest.mark.parametrize('fast', [True, False])
def test_fast_means_where_the_device_is(tmp_path, monkeypatch, fast):
    """bfloat16 and channels-last of a recipe are for devices that have them."""
    for module in (optim_wrapper, speed):
        monkeypatch.setattr(module, 'has_fast_bf16', lambda device: fast)
    options = {'optim_wrapper.type': 'Bf16OptimWrapper', 'optim_wrapper.when': 'fast'}
    runner = Runner.from_cfg(digits(tmp_path, channels_last='fast', **options))
    wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    with wrapper.optim_context(runner.model):
        out = runner.model.backbone(torch.zeros(2, 1, 8, 8))[-1]
    assert (out.dtype == torch.bfloat16) == fast
    weight = runner.model.backbone.layer2[0].conv1.weight
    assert weight.is_contiguous(memory_format=torch.channels_last) == fast


def test_unknown_switches(tmp_path):
    with pytest.raises(ValueError, match="channels_last='no'; allowed: True or False or 'fast'"):
        Runner.from_cfg(digits(tmp_path, channels_last='no'))
    with pytest.raises(ValueError, match="when='never' is not known; allowed: always, fast"):
        Bf16OptimWrapper(torch.optim.SGD([torch.zeros(1)], 0.1), when='never')


def test_tf32_is_a_word_of_the_config(tmp_path):
    for tf32 in (False, True):
        Runner.from_cfg(digits(tmp_path, **{'env_cfg.tf32': tf32}))
        assert torch.backends.cuda.matmul.allow_tf32 == tf32
        assert torch.backends.cudnn.allow_tf32 == tf32


def test_accumulated_gradients_are_those_of_the_whole_batch():
    """Two halves, one step: what a batch twice as large gives, without batch statistics."""
    x, steps = torch.randn(8, 5), {}
    for parts in (1, 2):
        model = torch.nn.Linear(5, 3)
        torch.nn.init.constant_(model.weight, 0.5)
        torch.nn.init.zeros_(model.bias)
        sgd = torch.optim.SGD(model.parameters(), 0.1)
        wrapper = Bf16OptimWrapper(sgd, when='fast', accumulative_counts=parts)
        wrapper.enabled = False
        wrapper.initialize_count_status(model, 0, parts)
        for part in x.chunk(parts):
            with wrapper.optim_context(model):
                loss = model(part).square().mean()
            wrapper.update_params(loss)
        steps[parts] = model.weight.detach()
    torch.testing.assert_close(steps[1], steps[2])


@pytest.mark.parametrize(('name', 'regions'), [('seresnet8', 3), ('smallcnn', 1)])
def test_compiled_by_regions(name, regions):
    """Same names, scores and gradients; a network without blocks is compiled as one."""
    model = get_model(f'{name}_1xb64_digits').train()
    plain = copy.deepcopy(model)
    assert speed.compile_regions(model, backend='aot_eager', fullgraph=True) == regions
    assert list(model.state_dict()) == list(plain.state_dict())
    x = torch.randn(4, 1, 8, 8)
    for network in (model, plain):
        network(x).square().sum().backward()
    for (key, a), b in zip(model.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-3, atol=1e-4, msg=key)


def test_compiled_shapes_are_those_of_the_images():
    """No kind of block, and no smaller last batch, makes a dimension of a program variable."""
    programs = []

    def backend(program, _):
        programs.append(program)
        return program.forward

    def count_variables():
        inputs = (node for program in programs for node in program.graph.nodes)
        values = (n.meta.get('example_value') for n in inputs if n.op == 'placeholder')
        return sum(
            isinstance(side, torch.SymInt) for v in values for side in getattr(v, 'shape', ())
        )

    model = get_model('seresnet8_1xb64_digits').train()
    speed.compile_regions(model, backend=backend)
    x = torch.randn(4, 1, 8, 8)
    numbers = []
    for batch in (x, x[:3], x):
        model(batch)
        numbers.append(len(programs))
    assert numbers == [3, 6, 6]
    assert count_variables() == 0


def test_auto_scale_lr_counts_accumulation(tmp_path):
    runner = Runner.from_cfg(digits(tmp_path))
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    sgd = torch.optim.SGD(runner.model.parameters(), lr=0.1)
    runner.scale_lr(OptimWrapper(sgd, accumulative_counts=4), dict(enable=True, base_batch_size=64))
    assert sgd.param_groups[0]['lr'] == pytest.approx(0.4)


@pytest.mark.parametrize(
    ('key', 'meant'),
    [('modle', 'model'), ('optim_wraper', 'optim_wrapper'), ('val_cgf', 'val_cfg')],
)
def test_misspelt_key(key, meant):
    with pytest.raises(
        ValueError, match=f"config key '{key}' is not known; did you mean '{meant}'?"
    ):
        check_keys(Config({key: {}, 'model': {}, 'my_own_name': 1}))


def test_noise_is_left_out_and_nothing_else(finished):
    runner, work_dir = finished
    for message in ('paramwise_options -- a:lr=1', 'a real message'):
        runner.logger.log(logging.INFO, message)
    (file,) = work_dir.glob('*/*.log')
    log = file.read_text()
    assert 'a real message' in log
    assert 'paramwise_options' not in log


def test_runs_that_begin_in_one_second_share_nothing(tmp_path, monkeypatch):
    """One process may have several: mmengine names logger, hub and visualizer by the second."""
    monkeypatch.setattr('mmengine.runner.runner.time.time', lambda: 1e9)
    runners = []
    for work_dir in ('first', 'second'):
        runners.append(Runner.from_cfg(digits(tmp_path / work_dir)))
    first, second = runners
    assert second.visualizer.get_backend('LocalVisBackend')._save_dir.startswith(second.work_dir)
    assert first.logger is not second.logger
    assert first.message_hub is not second.message_hub
