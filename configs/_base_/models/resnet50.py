model = dict(
    type='ImageClassifier',
    backbone=dict(type='SEResNet', depth=50, se=None),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=1000,
        in_channels=2048,
        topk=(1, 5),
    ),
)
