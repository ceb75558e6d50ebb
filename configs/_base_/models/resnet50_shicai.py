# shicai/SENet-Caffe: the stride in the 3x3, pooling that rounds up, batch norms with eps 1e-4.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ResNet', depth=50, stem=dict(pool='ceil'), norm_cfg=dict(type='BN', eps=1e-4)
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=1000, in_channels=2048, topk=(1, 5)),
)
