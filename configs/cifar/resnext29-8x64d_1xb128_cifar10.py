# python tools/train.py configs/cifar/resnext29-8x64d_1xb128_cifar10.py
# Hardware: one GPU of 16 GB or more (the authors used 8)
# Published: 3.65 % top-1 error (Xie et al., arXiv:1611.05431, table 7)
_base_ = [
    '../_base_/models/resnext29-8x64d_cifar.py',
    '../_base_/datasets/cifar10_bs128.py',
    '../_base_/schedules/cifar_bs128_300e.py',
    '../_base_/default_runtime.py',
]
