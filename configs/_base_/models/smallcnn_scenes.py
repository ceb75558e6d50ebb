model = dict(
    type='ImageClassifier',
    backbone=dict(type='SmallCNN', widths=(16, 32, 64), in_channels=1),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=21,
        in_channels=64,
        topk=(1, 5),
        label_smooth=0.1,
    ),
)
