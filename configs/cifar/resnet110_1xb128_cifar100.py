# python tools/train.py configs/cifar/resnet110_1xb128_cifar100.py
# Hardware: one GPU of 8 GB or more
# Expected: no score was published
_base_ = [
    '../_base_/models/resnet110_cifar.py',
    '../_base_/datasets/cifar100_bs128.py',
    '../_base_/schedules/cifar_bs128_164e_warmup.py',
    '../_base_/default_runtime.py',
]

model = dict(head=dict(num_classes=100))
