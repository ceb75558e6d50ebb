# python tools/train.py configs/cifar/sewrn16-8_1xb128_cifar10.py
# Hardware: one GPU of 8 GB or more
# Published: 3.88 % error (paper, table 4)
_base_ = 'wrn16-8_1xb128_cifar10.py'

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
