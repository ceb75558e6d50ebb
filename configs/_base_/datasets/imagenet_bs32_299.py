# ImageNet for the Inception networks of 299 pixels as in the paper (section 4.1): random crop,
# mirror, mean subtraction; the centre of a short side of 352 in validation.
_base_ = 'imagenet_bs32_mean.py'

input_shape = (3, 299, 299)
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='AntialiasedResizedCrop', scale=299),
    dict(type='RandomAugment', mirror=0.5),
    dict(type='PackTensors'),
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='ResizeEdge', scale=352, edge='short', backend='pillow'),
    dict(type='CenterCrop', crop_size=299),
    dict(type='PackInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
