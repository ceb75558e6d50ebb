_base_ = 'shakeshake26-2x96d_cifar.py'

model = dict(
    backbone=dict(depth=29, width=64, groups=4, backward_mode='even'),
    head=dict(in_channels=1024),
)
