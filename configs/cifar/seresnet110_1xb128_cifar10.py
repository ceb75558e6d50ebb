# python tools/train.py configs/cifar/seresnet110_1xb128_cifar10.py
# Hardware: one GPU of 8 GB or more
# Expected: no score was published; tables 4 and 5 of the paper have the pre-activation network
_base_ = 'resnet110_1xb128_cifar10.py'

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
