# "ResNeXt-34" of bruinxiong/SENet.mxnet: basic blocks, which have no groups there. It is ResNet-34
# with a projection in the first block of the first stage.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ResNet',
        depth=34,
        block=dict(project_first=True),
        norm_cfg=dict(type='BN', eps=2e-5),
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=1000, in_channels=512, topk=(1, 5)),
)
