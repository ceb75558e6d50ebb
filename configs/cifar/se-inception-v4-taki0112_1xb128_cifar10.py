# python tools/train.py configs/cifar/se-inception-v4-taki0112_1xb128_cifar10.py
# Hardware: one GPU of 16 GB or more
# Expected: no score was published
_base_ = [
    '../_base_/models/inception_v4_taki0112.py',
    '../_base_/datasets/cifar10_bs128.py',
    '../_base_/schedules/cifar_bs128_100e.py',
    '../_base_/default_runtime.py',
]

# After every module, not after the reductions.
model = dict(
    se=dict(layer=dict(type='SELayer', ratio=4), port=dict(block=r'layer1\.\d|layer[23]\.[1-9]')),
)
