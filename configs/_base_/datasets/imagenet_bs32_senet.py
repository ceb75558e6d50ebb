# ImageNet with the augmentation of the released networks (README of hujie-frank/SENet): mirror,
# crop of 8-100 % with aspect 3/4-4/3, rotation +-10 degrees, pixel jitter +-20. Images are BGR.
_base_ = 'imagenet_bs32_mean.py'

train_pipeline = [
    dict(type='LoadImage'),
    dict(
        type='AntialiasedResizedCrop',
        scale=224,
        crop_ratio_range=(0.08, 1.0),
        aspect_ratio_range=(3 / 4, 4 / 3),
    ),
    # In this order; on the device where there is a GPU, else in the workers.
    dict(type='RandomAugment', mirror=0.5, angle=10, jitter=20, fill=(104, 117, 123)),
    dict(type='PackTensors'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
