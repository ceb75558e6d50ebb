# SE-ResNeXt of taki0112/SENet-Tensorflow without its SE: ResNeXt-29 (8x64d) whose 3x3 convolutions
# have 512 channels in all stages and whose blocks end with 64, 128 and 256. His classifier has no
# bias.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ResNeXt',
        depth=29,
        block=dict(constant_width=True, expansion=1, downsample='avg_pool_pad'),
        norm_cfg=dict(type='BN', eps=1e-3),
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=256, topk=(1, 5)),
)
