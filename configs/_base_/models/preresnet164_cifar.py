model = dict(
    type='ImageClassifier',
    backbone=dict(type='PreActResNet', depth=164),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=256, topk=(1, 5)),
)
