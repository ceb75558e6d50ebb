# CIFAR-100 with Cutout (DeVries and Taylor, arXiv:1708.04552): a square of 8 pixels gets the mean.
_base_ = 'cifar100_bs16.py'

train_pipeline = [
    dict(type='RandomCrop', crop_size=32, padding=4, pad_val=(129, 124, 112)),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='SquareCutout', side=8, fill=(129, 124, 112)),
    dict(type='PackInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
