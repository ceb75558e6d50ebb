model = dict(
    type='ImageClassifier',
    backbone=dict(type='InceptionV4'),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=1000, in_channels=1536, topk=(1, 5)),
)
