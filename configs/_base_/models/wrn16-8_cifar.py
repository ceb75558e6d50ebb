_base_ = 'resnet20_cifar.py'

model = dict(
    backbone=dict(_delete_=True, type='WideResNet', depth=16, widen_factor=8),
    head=dict(in_channels=512),
)
