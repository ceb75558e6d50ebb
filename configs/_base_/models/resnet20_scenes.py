# A stem of stride 2: a quarter of the time.
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNet', depth=20, in_channels=1, stem=dict(stride=2)),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=21,
        in_channels=64,
        topk=(1, 5),
        label_smooth=0.1,
    ),
)
