# ImageNet for mobile networks. The paper (section 4.1) augments less aggressively, as ShuffleNet
# does, and neither says by how much: here crops have 25 % of the image or more.
_base_ = 'imagenet_bs32_mean.py'

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='AntialiasedResizedCrop', scale=224, crop_ratio_range=(0.25, 1.0)),
    dict(type='RandomAugment', mirror=0.5),
    dict(type='PackTensors'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
