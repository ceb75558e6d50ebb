model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNet', depth=110),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=64, topk=(1, 5)),
)
