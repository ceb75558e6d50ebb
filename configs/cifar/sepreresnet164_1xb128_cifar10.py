# python tools/train.py configs/cifar/sepreresnet164_1xb128_cifar10.py
# Hardware: one GPU of 8 GB or more
# Published: 4.39 % top-1 error (paper, table 4)
_base_ = [
    '../_base_/models/preresnet164_cifar.py',
    '../_base_/datasets/cifar10_bs128.py',
    '../_base_/schedules/cifar_bs128_164e_warmup.py',
    '../_base_/default_runtime.py',
]

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
