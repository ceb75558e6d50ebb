model = dict(
    type='ImageClassifier',
    backbone=dict(type='SmallDenseNet', depth=40, growth_rate=12),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=448, topk=(1, 5)),
)
