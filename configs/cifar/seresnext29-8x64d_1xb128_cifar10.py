# python tools/train.py configs/cifar/seresnext29-8x64d_1xb128_cifar10.py
# Hardware: one GPU of 16 GB or more (the authors used 8)
# Expected: no score was published
_base_ = [
    '../_base_/models/resnext29-8x64d_cifar.py',
    '../_base_/datasets/cifar10_bs128.py',
    '../_base_/schedules/cifar_bs128_300e.py',
    '../_base_/default_runtime.py',
]

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
