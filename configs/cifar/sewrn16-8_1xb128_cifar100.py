# python tools/train.py configs/cifar/sewrn16-8_1xb128_cifar100.py
# Hardware: one GPU of 8 GB or more
# Published: 19.14 % top-1 error (paper, table 5)
_base_ = [
    '../_base_/models/wrn16-8_cifar.py',
    '../_base_/datasets/cifar100_bs128.py',
    '../_base_/schedules/cifar_bs128_200e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    head=dict(num_classes=100),
    se=dict(layer=dict(type='SELayer', ratio=16)),
)
