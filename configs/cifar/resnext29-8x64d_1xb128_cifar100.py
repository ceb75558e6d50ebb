# python tools/train.py configs/cifar/resnext29-8x64d_1xb128_cifar100.py
# Hardware: one GPU of 16 GB or more (the authors used 8)
# Published: 17.77 % top-1 error (Xie et al., arXiv:1611.05431, table 7)
_base_ = [
    '../_base_/models/resnext29-8x64d_cifar.py',
    '../_base_/datasets/cifar100_bs128.py',
    '../_base_/schedules/cifar_bs128_300e.py',
    '../_base_/default_runtime.py',
]

model = dict(head=dict(num_classes=100))
