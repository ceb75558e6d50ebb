_base_ = 'resnet20_cifar.py'

model = dict(
    backbone=dict(_delete_=True, type='ResNeXt', depth=29),
    head=dict(in_channels=1024),
)
