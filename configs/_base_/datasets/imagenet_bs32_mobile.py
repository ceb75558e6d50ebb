# ImageNet for mobile networks. The paper (section 4.1) augments less aggressively, as ShuffleNet
# does, and neither says by how much: here crops have 25 % of the image or more.
_base_ = 'imagenet_bs32_mean.py'

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=224, crop_ratio_range=(0.25, 1.0)),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
