model = dict(
    type='ImageClassifier',
    backbone=dict(type='ShakeShake', depth=29, width=64, groups=4, backward_mode='even'),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=1024, topk=(1, 5)),
)
