"""Errors that would end a run late are raised at its start; a sound run is not changed."""

import copy
import random

import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform
from mmengine import Config
from mmengine.evaluator import BaseMetric

from senet_mm.engine import Runner
from senet_mm.engine.dry_batch import check_training_samples
from senet_mm.engine.preflight import check_run
from senet_mm.models import ImageClassifier
from senet_mm.registry import METRICS, MODELS, TRANSFORMS
from senet_mm.utils.errors import InputError

from ..conftest import ROOT


@METRICS.register_module()
class Listing(BaseMetric):
    """A metric of the user's with a list first, one that fails, or one without a result."""

    def __init__(self, fails=False, silent=False):
        super().__init__()
        self.fails = fails
        self.silent = silent

    def process(self, data_batch, data_samples):
        random.random(), np.random.rand(), torch.rand(1)
        self.results.extend(data_samples)

    def compute_metrics(self, results):
        if self.fails:
            raise RuntimeError('no such axis')
        if self.silent:
            return {}
        return {'by_class': [1.0, 2.0], 'images': len(results)}


@TRANSFORMS.register_module()
class DropLabel(BaseTransform):
    def transform(self, results):
        return {key: value for key, value in results.items() if key != 'gt_label'}


@TRANSFORMS.register_module()
class Grow(BaseTransform):
    """Images of different sizes, or a key that no sample has."""

    def __init__(self, key='img'):
        self.key = key

    def transform(self, results):
        image = results[self.key]
        side = 8 + results['sample_idx'] % 2
        return {**results, 'img': np.resize(image, (side, side, 1))}


@MODELS.register_module()
class Plain(ImageClassifier):
    """Predicts plain tensors, as networks outside of OpenMMLab's packages do."""

    def predict(self, inputs, data_samples=None, **kwargs):
        scores = self.head.fc(self.extract_feat(inputs)[-1])
        return scores, torch.tensor([int(sample.gt_label) for sample in data_samples])


@METRICS.register_module()
class PlainAccuracy(BaseMetric):
    topk = (1,)

    def process(self, data_batch, data_samples):
        scores, labels = data_samples
        self.results.extend((scores.argmax(1) == labels).tolist())

    def compute_metrics(self, results):
        return {'right': float(np.mean(results))}


PACK = dict(type='PackInputs')
UNLABELLED = [dict(type='DropLabel'), dict(type='PackInputs')]
# Pipeline -> what is wrong with it.
BROKEN = [
    (
        [],
        r"its samples have no 'inputs' \(but img, gt_label, .*\); allowed: a pipeline that .*PackI",
    ),
    (
        [dict(type='Grow', key='image'), PACK],
        "no batch can be made of its samples: KeyError: 'image'",
    ),
    (
        [dict(type='Grow'), PACK],
        'no batch can be made of its samples: RuntimeError: stack expects ',
    ),
]
FEW = {
    'train_dataloader.num_batch_per_epoch': 2,
    'val_dataloader.dataset.indices': 100,
    'test_dataloader.dataset.indices': 100,
    'train_cfg.max_epochs': 1,
}
MIXUP = dict(augments=[dict(type='Mixup', alpha=0.2)])
BY_ITER = dict(_delete_=True, by_epoch=False, max_iters=3, val_interval=3)
ENDLESS = dict(_delete_=True, type='InfiniteSampler', shuffle=True)


def make(work_dir, **options):
    cfg = Config.fromfile(ROOT / 'configs/digits/seresnet8_1xb64_digits.py')
    few = {key: value for key, value in FEW.items() if key.partition('.')[0] not in options}
    cfg.merge_from_dict({'work_dir': str(work_dir), **few, **copy.deepcopy(options)})
    return Runner.from_cfg(cfg)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (
            {'val_evaluator': [dict(type='Accuracy', topk=(1, 11))]},
            r'val_evaluator: Accuracy\(topk=\(1, 11\)\) of 10 classes; allowed: 1 to 10',
        ),
        (
            {'default_hooks.checkpoint.save_best': 'accuracy/top2'},
            "save_best='accuracy/top2' is not computed; allowed: accuracy/top1, accuracy/top5, lo",
        ),
        (
            {'val_evaluator': [dict(type='Listing')]},
            "save_best='auto', which is 'by_class', is no single number; allowed: images",
        ),
        (
            {
                'val_evaluator': [dict(type='Listing')],
                'default_hooks.checkpoint.save_best': ['images', 'by_class'],
                'default_hooks.checkpoint.rule': 'greater',
            },
            "save_best='by_class' is no single number; allowed: images",
        ),
        (
            {'val_evaluator': [dict(type='Listing', fails=True)]},
            'val_evaluator: Listing fails on 100 images, .*: RuntimeError: no such axis ',
        ),
        (
            {'val_dataloader.dataset.pipeline': UNLABELLED},
            "Accuracy asks for 'gt_label', which no sample of val_dataloader has, as of images",
        ),
        (
            {
                'param_scheduler': dict(
                    type='ReduceOnPlateauLR', monitor='loss', rule='less', _delete_=True
                )
            },
            "param_scheduler.monitor='loss' is not computed; allowed: accuracy/top1",
        ),
        (
            {'custom_hooks': [dict(type='EarlyStoppingHook', monitor='acc')]},
            r"EarlyStoppingHook\(monitor='acc'\) is not computed; allowed: accuracy/top1",
        ),
        (
            {
                'train_dataloader.dataset.indices': 65,
                'train_dataloader.num_batch_per_epoch': None,
                'train_dataloader.drop_last': False,
                'model.backbone.strides': (2, 2, 2),
            },
            r'the last batch of an epoch has one image \(65 in batches of 64\), on which a batch',
        ),
        (
            {'model.backbone.in_channels': 3, 'input_shape': (3, 8, 8)},
            r'val_dataloader: images of 1 channel, and the network takes 3; allowed: in_ch',
        ),
        (
            {
                'model.backbone.in_channels': 3,
                'input_shape': (3, 8, 8),
                'data_preprocessor': dict(mean=[1, 2, 3], std=[4, 5, 6]),
            },
            r'train_dataloader: images of 1 channel, and data_preprocessor.mean has 3 numbers',
        ),
        ({'model.head.cal_acc': True, 'model.train_cfg': MIXUP}, 'cal_acc=True with model.train'),
        ({'train_cfg.max_epochs': 0}, 'max_epochs or max_iters of train_cfg is 0; allowed: from 1'),
        ({'train_dataloader.sampler': ENDLESS}, 'InfiniteSampler never ends an epoch; allowed: De'),
        ({'val_dataloader.sampler': ENDLESS}, 'InfiniteSampler never ends an epoch; allowed: De'),
        ({'val_dataloader.dataset.indices': []}, 'the dataset has no image'),
        ({'train_dataloader.dataset.indices': 18}, 'takes 128 samples, the data set has 18'),
        (
            {
                'train_dataloader.dataset.indices': 18,
                'train_dataloader.num_batch_per_epoch': None,
            },
            r'18 images, batch_size=64, 1 process\(es\), drop_last=True: an epoch has no batch',
        ),
        (
            {
                'train_cfg': BY_ITER,
                'train_dataloader.dataset.indices': 18,
                'train_dataloader.num_batch_per_epoch': None,
            },
            r'18 images, batch_size=64, 1 process\(es\), drop_last=True: an epoch has no batch',
        ),
    ],
)
def test_said_before_the_first_iteration(tmp_path, options, message):
    runner = make(tmp_path, **options)
    with pytest.raises(ValueError, match=message):
        runner.train()
    assert getattr(runner._train_loop, '_iter', 0) == 0
    assert not list(tmp_path.glob('*.pth'))


@pytest.mark.parametrize('run', ['val', 'test'])
def test_evaluations_are_checked(tmp_path, run):
    options = {
        f'{run}_dataloader.dataset.pipeline': UNLABELLED,
        f'{run}_dataloader.num_workers': 1,
        'load_from': None,
    }
    with pytest.raises(ValueError, match=f"{run}_evaluator: Accuracy asks for 'gt_label'"):
        getattr(make(tmp_path, **options), run)()


@pytest.mark.parametrize(('name', 'workers'), [('train', 1), ('val', 0)])
@pytest.mark.parametrize(('pipeline', 'message'), BROKEN)
def test_a_broken_pipeline_is_said_before_the_first_iteration(
    tmp_path, pipeline, message, name, workers
):
    options = {
        f'{name}_dataloader.dataset.pipeline': pipeline,
        f'{name}_dataloader.num_workers': workers,
        f'{name}_dataloader.dataset.indices': 129,
    }
    runner = make(tmp_path, **options)
    with pytest.raises(ValueError, match=f'{name}_dataloader: {message}'):
        runner.train()
    assert runner.iter == 0


def test_a_network_keeps_nothing_of_the_dry_evaluation(tmp_path):
    """A retriever's prototypes come from the trained network, without mmpretrain's hook as well."""
    runner = make(
        tmp_path,
        **{
            'model': dict(
                _delete_=True,
                type='mmpretrain.ImageToImageRetriever',
                image_encoder=[
                    dict(type='SEResNet', depth=8, in_channels=1),
                    dict(type='GlobalAveragePooling'),
                ],
                prototype=dict(
                    dataset=dict(type='Digits', split='test', indices=20, pipeline=[PACK]),
                    batch_size=20,
                    sampler=dict(type='DefaultSampler', shuffle=False),
                ),
                head=dict(type='LinearClsHead', num_classes=10, in_channels=64),
            ),
            'data_preprocessor': dict(type='mmpretrain.ClsDataPreprocessor', to_rgb=False),
            'val_evaluator': [dict(type='RetrievalRecall', topk=1)],
            'default_hooks.checkpoint.rule': 'greater',
        },
    )
    model, when = runner.model, []
    prepare = model.prepare_prototype
    model.prepare_prototype = lambda: (when.append(runner.iter), prepare())
    runner.train()
    assert when == [0, 2]
    vectors = model.prototype_vecs
    prepare()
    assert torch.equal(vectors, model.prototype_vecs)


def test_nothing_of_a_run_is_changed(tmp_path):
    """Random numbers, weights, statistics, modes."""
    options = {
        'val_evaluator': [dict(type='Listing')],
        'default_hooks.checkpoint.save_best': 'images',
        'default_hooks.checkpoint.rule': 'greater',
    }
    runner = make(tmp_path, **options)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner._val_loop = runner.build_val_loop(runner._val_loop)
    runner.param_schedulers = []
    runner.model.train()
    runner.model.backbone.layer1.eval()

    def state():
        numbers = random.getstate(), np.random.get_state()[1].tolist()
        modes = [module.training for module in runner.model.modules()]
        return numbers, modes, [value.tolist() for value in runner.model.state_dict().values()]

    before, generator = state(), torch.get_rng_state()
    check_run(runner)
    assert state() == before
    assert torch.equal(torch.get_rng_state(), generator)


def test_scores_that_are_lists_are_results(tmp_path):
    """Where no best one is looked for."""
    options = {
        'val_evaluator': [dict(type='Accuracy'), dict(type='SingleLabelMetric', average=None)],
        'custom_hooks': [dict(type='ResultHook')],
    }
    make(tmp_path, **options).train()
    text = (tmp_path / 'result.json').read_text()
    assert '"single-label/precision_classwise": [' in text


def test_a_metric_may_have_nothing_to_say_of_a_batch(tmp_path):
    """As COCO's of a detector that finds nothing: which scores there are is not known then."""
    runner = make(tmp_path, val_evaluator=[dict(type='Listing', silent=True)])
    runner.train()
    assert runner.iter == 2


def test_a_hook_of_the_config_can_be_left_out(tmp_path):
    runner = make(tmp_path, **{'default_hooks.class_num_check': None})
    assert 'ClassNumCheckHook' not in runner.get_hooks_info()


def test_an_endless_sampler_trains_by_iteration_and_resumes(tmp_path):
    options = {
        'train_cfg': BY_ITER,
        'train_dataloader.sampler': ENDLESS,
        'train_dataloader.num_batch_per_epoch': None,
        'default_hooks.checkpoint.by_epoch': False,
        'default_hooks.checkpoint.interval': 1,
        'randomness.seed': 0,
        'param_scheduler': dict(type='PolyLR', by_epoch=False, _delete_=True),
    }
    whole = make(tmp_path, **options)
    whole.train()
    resumed = make(tmp_path, resume=True, load_from=str(tmp_path / 'iter_1.pth'), **options)
    resumed.train()
    expected = whole.model.state_dict()
    assert all(torch.equal(v, expected[name]) for name, v in resumed.model.state_dict().items())


@pytest.mark.slow
@pytest.mark.parametrize('color_type', ['ours', 'mmcv'])
def test_a_network_of_one_channel_trains_on_grey_images(tmp_path, color_type):
    """ImageNet's recipe on files, colour images included."""
    import cv2

    for split in ('train', 'val'):
        for name in ('a', 'b'):
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(2):
                image = np.random.RandomState(i).randint(0, 256, (40, 40, 3), np.uint8)
                cv2.imwrite(str(tmp_path / split / name / f'{i}.png'), image)
    loader = dict(type='LoadImage' if color_type == 'ours' else 'LoadImageFromFile')
    cfg = Config.fromfile(ROOT / 'configs/seresnet/seresnet18_8xb32_in1k.py')
    data = dict(data_root=str(tmp_path), metainfo=dict(classes=['a', 'b']))
    for part in (cfg.train_dataloader, cfg.val_dataloader):
        part.update(batch_size=2, num_workers=0)
        part.dataset.update(data)
        part.dataset.pipeline = [loader, *part.dataset.pipeline[1:]]
    cfg.merge_from_dict(
        {
            'work_dir': str(tmp_path / 'work_dir'),
            'in_channels': 1,
            'model.head.num_classes': 2,
            'data_preprocessor': dict(num_classes=2),
            'val_evaluator': [dict(type='Accuracy')],
            'train_cfg.max_epochs': 1,
        }
    )
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.model.backbone.conv1.in_channels == 1
    assert runner.model.data_preprocessor.mean.numel() == 1
    assert runner.iter == 2


def test_predictions_may_be_plain_tensors(tmp_path):
    runner = make(
        tmp_path,
        **{
            'model.type': 'Plain',
            'val_evaluator': [dict(type='PlainAccuracy')],
            'default_hooks.checkpoint.save_best': 'right',
            'default_hooks.checkpoint.rule': 'greater',
        },
    )
    runner.train()
    assert 0 <= runner.message_hub.get_scalar('val/right').current() <= 1


def test_another_size_than_input_shape_is_said(tmp_path, caplog, monkeypatch):
    runner = make(tmp_path, input_shape=(1, 16, 16))
    monkeypatch.setattr(runner.logger, 'handlers', [*runner.logger.handlers, caplog.handler])
    check_training_samples(runner)
    assert 'training images have the shape (1, 8, 8); FLOPs are counted' in caplog.text


def test_a_config_without_a_test_says_so(tmp_path):
    cfg = make(tmp_path).cfg
    cfg.test_dataloader = cfg.test_evaluator = None
    with pytest.raises(InputError, match='test_dataloader, test_evaluator=None; allowed: a config'):
        Runner.from_checkpoint(cfg, str(tmp_path / 'epoch_1.pth'))
