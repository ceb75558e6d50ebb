# python tools/train.py configs/cifar/seresnext29-8x64d-taki0112_1xb128_cifar10.py
# Hardware: one GPU of 16 GB or more
# Expected: no score was published
_base_ = [
    '../_base_/models/resnext29-8x64d_taki0112.py',
    '../_base_/datasets/cifar10_bs128.py',
    '../_base_/schedules/cifar_bs128_100e.py',
    '../_base_/default_runtime.py',
]

model = dict(se=dict(layer=dict(type='SELayer', ratio=4, bias=False)))
