"""mmdet's detectors on the project's backbones; run where mmdet is installed."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from senet_mm import get_model
from senet_mm.detection import torchvision_backbone
from senet_mm.registry import MODELS
from senet_mm.utils.complexity import count_params
from tests.test_config_keys import DETECTION, dead_keys

from .conftest import CONFIGS, ROOT

# What SE adds to the classifiers.
OVERHEAD = {
    'faster-rcnn_{}resnet50_fpn_2x_coco.py': 28_088_024 - 25_557_032,
    'faster-rcnn_{}resnet101_fpn_2x_coco.py': 49_326_872 - 44_549_160,
}


def build(name, **backbone):
    """The detector of a config, and the config."""
    cfg = Config.fromfile(ROOT / 'configs/detection' / name)
    if 'init_cfg' in cfg.model.backbone:
        cfg.model.backbone.update(init_cfg=None, **backbone)
    with DefaultScope.overwrite_default_scope('mmdet'):
        return MODELS.build(cfg.model), cfg


@pytest.mark.parametrize('name', DETECTION)
def test_every_key_changes_what_is_inherited(name):
    assert dead_keys(name) == []


@pytest.mark.parametrize('name', CONFIGS)
def test_freezes_and_learns(name):
    """One step on a picture: a loss, gradients where nothing is frozen, boxes afterwards."""
    model, cfg = build(name)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model.init_weights()
        data = dict(
            inputs=[torch.randint(256, (3, 128, 128), dtype=torch.uint8)],
            data_samples=[_sample()],
        )
        model.train()
        losses = model(**model.data_preprocessor(data, training=True), mode='loss')
        loss, _ = model.parse_losses(losses)
        loss.backward()
        [found] = model.eval().test_step(data)
    assert torch.isfinite(loss)
    frozen = cfg.model.backbone.get('frozen_stages', 1)
    parameters = list(model.backbone.parameters())
    assert parameters[0].requires_grad == (frozen < 0)
    assert all(value.grad is not None for value in parameters if value.requires_grad)
    assert found.pred_instances.bboxes.shape[1] == 4


def _sample():
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    boxes = torch.tensor([[10.0, 20, 70, 90]])
    sample = DetDataSample(
        metainfo=dict(img_shape=(128, 128), ori_shape=(128, 128), scale_factor=(1.0, 1.0), img_id=1)
    )
    sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.tensor([1]))
    return sample


def test_plain_parameters_are_those_of_mmdet():
    name = 'faster-rcnn_resnet50_fpn_2x_coco.py'
    theirs = Config.fromfile(ROOT / 'configs/detection' / name)
    theirs.model.backbone = dict(type='ResNet', depth=50, out_indices=(0, 1, 2, 3))
    with DefaultScope.overwrite_default_scope('mmdet'):
        expected = count_params(MODELS.build(theirs.model))
    assert count_params(build(name)[0]) == expected


@pytest.mark.parametrize('pattern', OVERHEAD)
def test_se_costs_what_it_costs_a_classifier(pattern):
    se, plain = (count_params(build(pattern.format(kind))[0]) for kind in ('se', ''))
    assert se - plain == OVERHEAD[pattern]


@torch.no_grad()
def test_features_are_the_same_everywhere(tmp_path):
    """To the bit: classifier, torchvision's detectors, mmdet's; weights by ``init_cfg``."""
    classifier = get_model('seresnet50_8xb32_in1k')
    checkpoint = tmp_path / 'classifier.pth'
    torch.save(dict(state_dict=classifier.state_dict()), checkpoint)
    init_cfg = dict(type='Pretrained', checkpoint=str(checkpoint), prefix='backbone.')
    cfg = Config.fromfile(ROOT / 'configs/detection/faster-rcnn_seresnet50_fpn_2x_coco.py')
    cfg.model.backbone.init_cfg = init_cfg
    with DefaultScope.overwrite_default_scope('mmdet'):
        detector = MODELS.build(cfg.model)
        detector.init_weights()
    image = torch.randn(1, 3, 96, 64)
    of_mmdet = detector.eval().backbone(image)
    of_torchvision = torchvision_backbone('seresnet50_8xb32_in1k', checkpoint).eval().body(image)
    assert all(map(torch.equal, of_mmdet, of_torchvision))
    assert torch.equal(of_mmdet[-1], classifier.backbone(image)[0])


def test_missing_weights_are_said():
    cfg = Config.fromfile(ROOT / 'configs/detection/faster-rcnn_seresnet50_fpn_2x_coco.py')
    with DefaultScope.overwrite_default_scope('mmdet'):
        detector = MODELS.build(cfg.model)
        with pytest.raises(FileNotFoundError, match=r'seresnet50_8xb32_in1k\.pth does not exist'):
            detector.init_weights()
