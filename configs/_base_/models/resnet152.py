model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNet', depth=152),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=1000, in_channels=2048, topk=(1, 5)),
)
