# python tools/train.py configs/cifar/preresnet110_1xb128_cifar10.py
# Hardware: one GPU of 8 GB or more
# Published: 6.37 % top-1 error (paper, table 4; He et al., arXiv:1603.05027)
_base_ = [
    '../_base_/models/preresnet110_cifar.py',
    '../_base_/datasets/cifar10_bs128.py',
    '../_base_/schedules/cifar_bs128_164e_warmup.py',
    '../_base_/default_runtime.py',
]
