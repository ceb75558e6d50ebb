model = dict(
    type='ImageClassifier',
    backbone=dict(type='ShakeShake', depth=26, width=96),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=384, topk=(1, 5)),
)
