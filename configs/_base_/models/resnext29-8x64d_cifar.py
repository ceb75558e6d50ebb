_base_ = 'resnet20_cifar.py'

model = dict(
    backbone=dict(_delete_=True, type='SEResNeXt', depth=29, groups=8, width_per_group=64, se=None),
    head=dict(in_channels=1024),
)
