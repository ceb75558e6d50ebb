_base_ = 'resnet50.py'

model = dict(
    backbone=dict(_delete_=True, type='InceptionResNetV2'),
    head=dict(in_channels=1536),
)
