# python tools/train.py configs/densenet/densenet-bc100-k12_1xb64_cifar10.py
# Hardware: one GPU of 8 GB or more
# Published: 4.51 % top-1 error (Huang et al., arXiv:1608.06993, table 2)
_base_ = [
    '../_base_/models/densenet-bc100-k12_cifar.py',
    '../_base_/datasets/cifar10_bs64.py',
    '../_base_/schedules/cifar_bs64_300e.py',
    '../_base_/default_runtime.py',
]
