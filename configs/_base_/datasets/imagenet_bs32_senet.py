# ImageNet with the augmentation of the released networks (README of hujie-frank/SENet): mirror,
# crop of 8-100 % with aspect 3/4-4/3, rotation +-10 degrees, pixel jitter +-20. Images are BGR.
_base_ = 'imagenet_bs32_mean.py'

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='RandomResizedCrop',
        scale=224,
        crop_ratio_range=(0.08, 1.0),
        aspect_ratio_range=(3 / 4, 4 / 3),
    ),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    # magnitude_std='inf': uniform in the range, then negative with probability 1/2.
    dict(
        type='Rotate',
        magnitude_range=(0, 10),
        magnitude_std='inf',
        random_negative_prob=0.5,
        prob=1.0,
        interpolation='bilinear',
        pad_val=(104, 117, 123),
    ),
    dict(type='PixelJitter', magnitude=20, per='pixel'),
    dict(type='PackInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
