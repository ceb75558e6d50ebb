# python tools/train.py configs/cifar/seresnet110_1xb128_cifar10.py
# Hardware: one GPU of 8 GB or more
# Expected: no score was published; tables 4 and 5 of the paper have the pre-activation network
_base_ = [
    '../_base_/models/resnet110_cifar.py',
    '../_base_/datasets/cifar10_bs128.py',
    '../_base_/schedules/cifar_bs128_164e_warmup.py',
    '../_base_/default_runtime.py',
]

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
