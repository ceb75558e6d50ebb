# python tools/train.py configs/cifar/resnet110_1xb128_cifar10.py
# Hardware: one GPU of 8 GB or more
# Published: 6.43 % top-1 error (He et al., arXiv:1512.03385, table 6, best of five)
_base_ = [
    '../_base_/models/resnet110_cifar.py',
    '../_base_/datasets/cifar10_bs128.py',
    '../_base_/schedules/cifar_bs128_164e_warmup.py',
    '../_base_/default_runtime.py',
]
