_base_ = 'resnet20_cifar.py'

model = dict(
    backbone=dict(_delete_=True, type='SmallCNN', widths=(64, 128, 256)),
    head=dict(in_channels=256),
)
