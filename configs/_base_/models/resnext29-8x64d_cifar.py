model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNeXt', depth=29),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=1024, topk=(1, 5)),
)
