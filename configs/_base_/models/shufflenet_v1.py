_base_ = 'resnet50.py'

# ShuffleNet 1x with three groups.
model = dict(
    backbone=dict(_delete_=True, type='ShuffleNetV1', groups=3),
    head=dict(in_channels=960),
)
