# python tools/train.py configs/cifar/sepreresnet164_1xb128_cifar100.py
# Hardware: one GPU of 8 GB or more
# Published: 21.31 % top-1 error (paper, table 5)
_base_ = [
    '../_base_/models/preresnet164_cifar.py',
    '../_base_/datasets/cifar100_bs128.py',
    '../_base_/schedules/cifar_bs128_164e_warmup.py',
    '../_base_/default_runtime.py',
]

model = dict(
    head=dict(num_classes=100),
    se=dict(layer=dict(type='SELayer', ratio=16)),
)
