# python tools/train.py configs/cifar/sepreresnet110_1xb128_cifar10.py
# Hardware: one GPU of 8 GB or more
# Published: 5.21 % error (paper, table 4)
_base_ = 'preresnet110_1xb128_cifar10.py'

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
