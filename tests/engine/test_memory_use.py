"""The memory that is computed is what torch's allocator counts."""

import pytest
import torch

from senet_mm.apis import get_config
from senet_mm.engine.classifier import build_classifier
from senet_mm.engine.memory_use import compute_memory
from senet_mm.utils.measure import peak_allocated

DIGITS = 'seresnet8_1xb64_digits'
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


@pytest.mark.parametrize(
    'case',
    [*CASES.values(), *(pytest.param(case, marks=pytest.mark.slow) for case in DEEP.values())],
    ids=[*CASES, *DEEP],
)
def test_peaks_are_those_of_the_allocator(case):
    _, batch = compute(*case, measure=True)
    assert (batch.inference_peak, batch.training_peak) == pytest.approx(batch.measured, rel=0.02)


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
