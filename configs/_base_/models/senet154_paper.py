# SENet-154 without SE as the paper trains it (appendix): Caffe's pooling, label smoothing.
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNeXt', depth=154, stem=dict(pool='ceil')),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=1000,
        in_channels=2048,
        dropout=0.2,
        label_smooth=0.1,
        topk=(1, 5),
    ),
)
