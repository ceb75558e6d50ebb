"""The memory that is computed is what torch's allocator counts."""

import pytest
import torch

from senet_mm.apis import get_config
from senet_mm.engine.classifier import build_classifier
from senet_mm.engine.memory_use import compute_memory
from senet_mm.utils.measure import peak_allocated
from senet_mm.utils.memory_meter import MemoryMeter

DIGITS = 'seresnet8_1xb64_digits'
with_avx512 = pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() != 'AVX512', reason='oneDNN takes other memory'
)
ADAM = dict(_delete_=True, type='AdamW', lr=0.1)


def compute(name, shape, batch_size, options=None, amp=False, measure=False):
    cfg = get_config(name, options or {})
    memory = compute_memory(build_classifier(cfg), cfg, [shape], [batch_size], amp, measure)
    return memory.weights, memory.batches[0]


def test_the_allocator_is_measured():
    """Three tensors, two of them at once."""

    def work():
        torch.zeros(1000)
        kept = torch.zeros(500)
        return kept + torch.zeros(500)

    assert peak_allocated(work) == 6000  # the two and their sum


CASES = {
    'one image': (DIGITS, (1, 8, 8), 1, {}, False),
    'a batch': (DIGITS, (1, 8, 8), 16, {}, False),
    'recomputed': (
        DIGITS, (1, 8, 8), 64, {'activation_checkpointing': ['backbone.layer1']}, False,
    ),
    'accumulated': (DIGITS, (1, 8, 8), 16, {'optim_wrapper.accumulative_counts': 2}, False),
    'adam': (DIGITS, (1, 8, 8), 1, {'optim_wrapper.optimizer': ADAM}, False),
    'a plain network': ('smallcnn_1xb64_digits', (1, 8, 8), 32, {}, False),
}  # fmt: skip
DEEP = {
    'SE-ResNet-50': ('seresnet50_8xb32_in1k', (3, 64, 64), 2, {}, False),
    'SE-MobileNet, bfloat16': ('semobilenetv1_8xb32_in1k', (3, 96, 64), 2, {}, True),
}


@with_avx512
@pytest.mark.parametrize(
    'case',
    [*CASES.values(), *(pytest.param(case, marks=pytest.mark.slow) for case in DEEP.values())],
    ids=[*CASES, *DEEP],
)
def test_peaks_are_those_of_the_allocator(case):
    _, batch = compute(*case, measure=True)
    assert (batch.inference_peak, batch.training_peak) == pytest.approx(batch.measured, rel=0.02)


SMOOTH = dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='classy_vision')
MANY = dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='multi_label', use_sigmoid=True)
LOSSES = {
    'smoothed labels': {'model.head.label_smooth': 0.1},
    'smoothed as in ClassyVision': {'model.head.loss': SMOOTH},
    'of many labels': {'model.head.loss': MANY},
    'weights of the classes': {'model.head.class_weight': [1.0] * 10},
    'accuracy': {'model.head.cal_acc': True, 'model.head.topk': (1, 5)},
    'recomputed': {
        'model.head.label_smooth': 0.1, 'activation_checkpointing': ['backbone.layer1'],
    },
    'a head of mmpretrain': {'model.head.type': 'mmpretrain.LinearClsHead'},
    'a head of mmpretrain, smoothed': {
        'model.head.type': 'mmpretrain.LinearClsHead', 'model.head.loss': SMOOTH,
    },
    'focal loss': {'model.head.type': 'mmpretrain.MultiLabelLinearClsHead'},
}  # fmt: skip


@with_avx512
@pytest.mark.parametrize('options', LOSSES.values(), ids=LOSSES)
def test_losses_that_read_labels(options):
    """A loss may read a value of a label, and a fake tensor has none."""
    _, batch = compute(DIGITS, (1, 8, 8), 16, options, measure=True)
    assert (batch.inference_peak, batch.training_peak) == pytest.approx(batch.measured, rel=0.02)


# Label smoothing; a head without layers; classes that follow from a folder.
RECIPES = {
    'resnet50_8xb32-300e_in1k': ((3, 32, 32), {}),
    'inception-v3_8xb128-100e_in1k': ((3, 96, 96), {}),
    'semobilenetv1_1xb32_folder': ((3, 32, 32), {'model.head.num_classes': 3}),
}


@pytest.mark.parametrize('name', RECIPES)
def test_recipes(name):
    shape, options = RECIPES[name]
    _, batch = compute(name, shape, 2, options)
    assert 0 < batch.inference_peak < batch.training_peak


def test_an_error_that_is_not_of_the_sizes_is_named():
    """The size of what ``nonzero`` returns follows from values."""
    cfg = get_config(DIGITS)
    model = build_classifier(cfg)
    model.head.loss_module.register_forward_pre_hook(
        lambda _, args: torch.nonzero(args[0]) and None
    )
    with pytest.raises(RuntimeError, match='images 1x8x8, batch 2: DynamicOutputShape') as error:
        compute_memory(model, cfg, [(1, 8, 8)], [2])
    assert 'allowed' not in str(error.value)


CONVOLUTIONS = {
    'filled blocks': (20, 24, 3, 1, 1),
    'few channels': (3, 24, 3, 1, 1),
    'groups': (64, 64, 3, 1, 8),
    'each channel': (32, 32, 3, 1, 32),
    'stride': (48, 32, 3, 2, 1),
    'one position': (216, 108, 1, 1, 1),
}


@with_avx512
@pytest.mark.parametrize('case', CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_a_convolution_takes_what_the_allocator_counts(case):
    """oneDNN copies input, weights and output to blocks of 16 channels, on a CPU with AVX-512."""
    inputs, outputs, kernel, stride, groups = case

    def convolve():
        layer = torch.nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)
        images = torch.zeros(16, inputs, 16, 16)
        with torch.no_grad():
            meter.add([*layer.parameters(), images])
            with meter:
                layer(images)

    meter = MemoryMeter()
    assert peak_allocated(convolve) == pytest.approx(meter.peak, abs=1024)


def test_weights():
    weights, _ = compute(DIGITS, (1, 8, 8), 1)
    model = build_classifier(get_config(DIGITS))
    size = 4 * sum(p.numel() for p in model.parameters())
    assert (weights.parameters, weights.gradients, weights.optimizer) == (size,) * 3
    frozen, _ = compute(DIGITS, (1, 8, 8), 1, {'model.backbone.frozen_stages': 2})
    trained = sum(p.numel() for p in model.backbone.layer3.parameters())
    trained += sum(p.numel() for p in model.head.parameters())
    assert frozen.gradients == frozen.optimizer == 4 * trained
    assert frozen.parameters == size


def test_what_changes_memory():
    _, one = compute(DIGITS, (1, 8, 8), 1)
    _, two = compute(DIGITS, (1, 8, 8), 2)
    _, large = compute(DIGITS, (1, 16, 16), 1)
    assert two.macs == 2 * one.macs
    assert two.written == pytest.approx(2 * one.written, rel=0.01)
    assert (one.last_map, large.last_map) == ((64, 2, 2), (64, 4, 4))
    assert large.kept == pytest.approx(4 * one.kept, rel=0.05)
    _, plain = compute('resnet8_1xb64_digits', (1, 8, 8), 2)
    assert plain.kept < two.kept
    recomputed = {'activation_checkpointing': ['backbone.layer1', 'backbone.layer2']}
    _, lean = compute(DIGITS, (1, 8, 8), 2, recomputed)
    assert lean.kept < 0.7 * two.kept
    assert lean.inference_peak == two.inference_peak
