# ImageNet trained and tested at 320 pixels.
_base_ = 'imagenet_bs32_test320.py'

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='AntialiasedResizedCrop', scale=320),
    dict(type='RandomAugment', mirror=0.5),
    dict(type='PackTensors'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
