_base_ = 'resnet20_cifar.py'

model = dict(
    backbone=dict(_delete_=True, type='ShakeShake', depth=26, width=96),
    head=dict(in_channels=384),
)
