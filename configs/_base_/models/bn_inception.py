_base_ = 'resnet50.py'

model = dict(
    backbone=dict(_delete_=True, type='BNInception'),
    head=dict(in_channels=1024),
)
