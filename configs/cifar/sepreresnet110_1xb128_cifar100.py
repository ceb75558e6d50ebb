# python tools/train.py configs/cifar/sepreresnet110_1xb128_cifar100.py
# Hardware: one GPU of 8 GB or more
# Published: 23.85 % error (paper, table 5)
_base_ = 'preresnet110_1xb128_cifar100.py'

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
