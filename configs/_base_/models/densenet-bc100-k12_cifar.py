model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='SmallDenseNet',
        depth=100,
        growth_rate=12,
        bottleneck=True,
        compression=0.5,
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=342, topk=(1, 5)),
)
