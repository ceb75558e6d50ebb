_base_ = 'resnet50.py'

# mmpretrain initialises with fan-out, and the last gain of every block with zero.
init_cfg = [
    dict(type='Kaiming', layer='Conv2d'),
    dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm']),
]
model = dict(backbone=dict(init_cfg=init_cfg, block=dict(zero_init_residual=True)))
