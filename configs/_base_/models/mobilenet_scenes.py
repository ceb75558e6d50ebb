# A quarter of the width.
model = dict(
    type='ImageClassifier',
    backbone=dict(type='MobileNetV1', widen_factor=0.25, in_channels=1),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=21,
        in_channels=256,
        topk=(1, 5),
        label_smooth=0.1,
    ),
)
