model = dict(
    type='ImageClassifier',
    backbone=dict(type='SmallCNN', widths=(64, 128, 256)),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=256, topk=(1, 5)),
)
