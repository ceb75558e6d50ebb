# ImageNet tested at 320 pixels. The paper (table 8) does not give the short side; 366 keeps the
# ratio of 224 to 256.
_base_ = 'imagenet_bs32_mean.py'

input_shape = (3, 320, 320)
# Weights that were trained at 224 pixels say so; here they are tested at 320 all the same.
keep_resolution = True
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='ResizeEdge', scale=366, edge='short', backend='pillow'),
    dict(type='CenterCrop', crop_size=320),
    dict(type='PackInputs'),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
