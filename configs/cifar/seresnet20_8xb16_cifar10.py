# tools/dist_train.sh configs/cifar/seresnet20_8xb16_cifar10.py 8
# Hardware: one GPU with batch 128 does as well
# Expected: no score was published for this depth
_base_ = 'resnet20_8xb16_cifar10.py'

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
