# python tools/train.py configs/cifar/sewrn16-8_1xb128_cifar100.py
# Hardware: one GPU of 8 GB or more
# Published: 19.14 % error (paper, table 5)
_base_ = 'wrn16-8_1xb128_cifar100.py'

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
