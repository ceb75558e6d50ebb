"""The wrapper of distributed training: its settings, and that they change no weight."""

import copy

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.model import MMDistributedDataParallel, MMFullyShardedDataParallel
from torch.nn.parallel import DistributedDataParallel

from senet_mm.apis import get_config
from senet_mm.config.keys import check_keys
from senet_mm.config.schema import CLOSED
from senet_mm.config.values import KINDS
from senet_mm.engine.distributed_model import (
    COMPRESSIONS,
    DEFAULTS,
    DistributedModel,
    complete_wrapper,
)
from senet_mm.engine.speed import compile_regions
from senet_mm.registry import MODEL_WRAPPERS, MODELS

from ..forked import run_ranks

pytestmark = pytest.mark.filterwarnings('ignore:.broadcast_buffers. is deprecated')

DIGITS = 'seresnet8_1xb64_digits'
# As mmengine wraps a model of whose wrapper a config says nothing.
UPSTREAM = dict(gradient_as_bucket_view=False, type='MMDistributedDataParallel')
GIVEN = [
    dict(broadcast_buffers=True),
    dict(gradient_as_bucket_view=False),
    dict(find_unused_parameters=True),
    dict(static_graph=True),
    dict(bucket_cap_mb=1.5),
    dict(batched_grad_copy=True),
    dict(compression='bf16'),
    UPSTREAM,
]


@pytest.fixture(params=[True, False], ids=['GPU', 'CPU'])
def has_gpu(request, monkeypatch):
    MMLogger.get_current_instance()  # would count the GPUs
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: request.param)
    return request.param


@pytest.fixture
def group(tmp_path):
    """This process is all of a group."""
    torch.distributed.init_process_group('gloo', f'file://{tmp_path}/store', rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def wrap(given=None, **cfg):
    """A wrapped network of the digits; its first process group must exist."""
    model = MODELS.build(get_config(DIGITS).model)
    return MODEL_WRAPPERS.build(complete_wrapper(cfg, given), default_args=dict(module=model))


@pytest.mark.parametrize('given', GIVEN, ids=str)
def test_a_given_setting_counts_and_the_others_stay(given, has_gpu):
    """With mmengine's own, a config that gives one setting loses the others."""
    before = copy.deepcopy(given)
    wrapper = complete_wrapper({}, given)
    expected = {'find_unused_parameters': False, **DEFAULTS, **given}
    expected['type'] = MMDistributedDataParallel if 'type' in given else DistributedModel
    if not has_gpu:
        expected['device_ids'] = None
    assert wrapper == expected
    assert given == before


@pytest.mark.parametrize('given', [None, dict(bucket_cap_mb=5)])
def test_the_key_of_the_run_counts_beside_settings(given, has_gpu):
    assert complete_wrapper(dict(find_unused_parameters=True), given)['find_unused_parameters']


def test_settings_reach_torch(group):
    model = wrap()
    assert model.gradient_as_bucket_view
    assert not model.forward_sync_buffers
    assert not model.static_graph
    assert wrap(dict(bucket_cap_mb=2)).bucket_bytes_cap == 2 * 2**20


@pytest.mark.parametrize('kind', ['MMFullyShardedDataParallel', MMFullyShardedDataParallel])
def test_wrappers_that_are_not_ddp_are_left_alone(kind):
    assert complete_wrapper({}, dict(type=kind)) == dict(type=MMFullyShardedDataParallel)


@pytest.mark.parametrize(
    'kind', [MMDistributedDataParallel, 'mmengine.MMDistributedDataParallel', DistributedModel]
)
def test_classes_and_scopes_are_types(kind):
    assert complete_wrapper({}, dict(type=kind))['gradient_as_bucket_view']


@pytest.mark.parametrize(
    ('kind', 'reason'),
    [
        ('MMSeparateDistributedDataParallel', 'is for models that have a train_step of their own'),
        ('DistributedDataParallel', 'has no train_step'),
        ('DataParallel', 'has no train_step'),
        (DistributedDataParallel, 'has no train_step'),
    ],
)
def test_wrappers_that_cannot_train(kind, reason):
    """Before a network is built."""
    with pytest.raises(ValueError, match=rf'^model_wrapper_cfg.type=.* {reason}.*; allowed: Dist'):
        complete_wrapper({}, dict(type=kind))
    cfg = get_config(DIGITS)
    cfg.model_wrapper_cfg = dict(type=kind)
    with pytest.raises(ValueError, match=reason):
        check_keys(cfg)


@pytest.mark.parametrize(
    'name', ['mmengine.MMDistributedDataParallel', 'senet_mm.DistributedModel', DistributedModel]
)
def test_keys_of_a_scoped_type(name):
    cfg = get_config(DIGITS)
    cfg.model_wrapper_cfg = dict(type=name, static_grph=True)
    with pytest.raises(ValueError, match=r"'model_wrapper_cfg.static_grph' is not known; did you"):
        check_keys(cfg)


def test_two_sizes_of_buckets():
    options = {'model_wrapper_cfg': dict(bucket_cap_mb=5, bucket_cap_mb_list=[1, 5])}
    message = r'bucket_cap_mb=5 with bucket_cap_mb_list=\[1, 5\]; allowed: one of them'
    with pytest.raises(ValueError, match=message):
        check_keys(get_config(DIGITS, options))


def test_every_setting_of_ddp_has_a_kind():
    cfg = dict(type='DistributedModel')
    keys = CLOSED['model_wrapper_cfg'](cfg, {}) - {'type'}
    assert {f'model_wrapper_cfg.{key}' for key in keys} <= set(KINDS)


@pytest.mark.parametrize('kind', ['NoWrapper', 7])
def test_a_type_that_names_no_wrapper(kind):
    with pytest.raises(ValueError, match=rf'^model_wrapper_cfg.type={kind!r} is not known; allow'):
        complete_wrapper({}, dict(type=kind))


def test_static_graph_and_accumulated_gradients():
    """torch ends with an internal error in the first step."""
    cfg = dict(optim_wrapper=dict(accumulative_counts=2))
    message = 'static_graph=True with optim_wrapper.accumulative_counts=2; allowed: static_graph=F'
    with pytest.raises(ValueError, match=message):
        complete_wrapper(cfg, dict(static_graph=True))
    whole = get_config(DIGITS, {'optim_wrapper.accumulative_counts': 2})
    whole.model_wrapper_cfg = dict(static_graph=True)
    with pytest.raises(ValueError, match=message):
        check_keys(whole)
    assert complete_wrapper(cfg, dict(static_graph=False))
    assert complete_wrapper(dict(optim_wrapper=object()), dict(static_graph=True))


@pytest.mark.parametrize(
    ('key', 'value', 'allowed'),
    [
        ('compression', 'int8', "None or 'bf16', 'fp16'"),
        ('bucket_cap_mb', 0, 'None or a number from 0.001 to 1048576'),
        ('bucket_cap_mb', 2**30, 'None or a number from 0.001'),
        ('bucket_cap_mb_list', 5, 'None or a list, each a number from 0.001'),
        ('init_sync', 1, 'True or False'),
        ('detect_anomalous_params', 'yes', 'True or False'),
        ('check_reduction', True, 'False'),
        ('delay_all_reduce_named_params', 'fc', 'None'),
        ('mixed_precision', 'bf16', 'None'),
        ('process_group', 1, 'None'),
        ('device_ids', 0, 'None'),
        ('static_graph', 1, 'True or False'),
        ('gradient_as_bucket_view', 'yes', 'True or False'),
        ('batched_grad_copy', None, 'True or False'),
    ],
)
def test_values(key, value, allowed):
    message = rf'^model_wrapper_cfg.{key}={value!r}; allowed: {allowed}'
    with pytest.raises(ValueError, match=message):
        check_keys(get_config(DIGITS, {f'model_wrapper_cfg.{key}': value}))


@pytest.mark.parametrize('given', GIVEN, ids=str)
def test_keys_are_known(given):
    check_keys(get_config(DIGITS, dict(model_wrapper_cfg=given)))


def test_compression_is_of_our_wrapper():
    given = dict(type='MMDistributedDataParallel', compression='bf16')
    with pytest.raises(
        ValueError, match=r"^config key 'model_wrapper_cfg.compression' is not known"
    ):
        check_keys(get_config(DIGITS, dict(model_wrapper_cfg=given)))


@pytest.mark.parametrize(('name', 'dtype'), [('bf16', torch.bfloat16), ('fp16', torch.float16)])
def test_compressed_gradients_are_rounded(group, name, dtype):
    """Of one process, the sum is its own gradient."""
    images = torch.randn(4, 1, 8, 8)
    plain, compressed = wrap(), wrap(dict(compression=name))
    compressed.module.load_state_dict(plain.module.state_dict())
    for model in (plain, compressed):
        model(images, mode='tensor').logsumexp(1).sum().backward()
    assert set(COMPRESSIONS) == {'bf16', 'fp16'}
    pairs = [
        (one.grad, other.grad)
        for one, other in zip(plain.parameters(), compressed.parameters(), strict=True)
    ]
    assert all(torch.equal(one.to(dtype).float(), other) for one, other in pairs)
    assert any(not torch.equal(one, other) for one, other in pairs)


@pytest.mark.slow
def test_blocks_are_compiled_whole(group):
    """torch would cut the code of each block at the sizes of the buckets."""
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    model = wrap(dict(bucket_cap_mb=0.001))
    regions = compile_regions(model, backend=backend)
    model(torch.randn(4, 1, 8, 8), mode='tensor').sum().backward()
    assert 0 < len(graphs) <= regions


@pytest.mark.slow
def test_older_runs_continue_to_the_same_weights(tmp_path):
    """Two epochs as mmengine wraps a model; the second one again as we wrap it."""
    options = ['train_cfg.max_epochs=2', 'train_dataloader.num_batch_per_epoch=3', 'val_cfg=None']
    options += ['val_dataloader=None', 'val_evaluator=None', 'randomness.seed=0']
    options += ['default_hooks.checkpoint.save_best=None', 'train_dataloader.num_workers=0']

    def train(*more, settings=()):
        command = ['tools/train.py', f'configs/digits/{DIGITS}.py', '--work-dir', tmp_path, *more]
        for run in run_ranks([*command, '--cfg-options', *options, *settings], 2):
            assert run.returncode == 0, run.stderr
            assert run.stderr == ''
        return torch.load(tmp_path / 'epoch_2.pth', weights_only=False)['state_dict']

    expected = train(settings=[f'model_wrapper_cfg.{k}={v}' for k, v in UPSTREAM.items()])
    (tmp_path / 'epoch_2.pth').unlink()
    (tmp_path / 'last_checkpoint').write_text('epoch_1.pth')
    resumed = train('--resume')
    for name, value in expected.items():
        assert torch.equal(value, resumed[name]), name
