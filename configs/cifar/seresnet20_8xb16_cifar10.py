# tools/dist_train.sh configs/cifar/seresnet20_8xb16_cifar10.py 8
# Hardware: one GPU with batch 128 does as well
# Expected: no score was published
_base_ = [
    '../_base_/models/resnet20_cifar.py',
    '../_base_/datasets/cifar10_bs16.py',
    '../_base_/schedules/cifar_bs128_164e.py',
    '../_base_/default_runtime.py',
]

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
