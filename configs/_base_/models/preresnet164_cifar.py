_base_ = 'resnet20_cifar.py'

model = dict(
    backbone=dict(_delete_=True, type='PreActResNet', depth=164),
    head=dict(in_channels=256),
)
