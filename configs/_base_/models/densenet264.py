# Huang et al., arXiv:1608.06993v5, table 1.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='DenseNet',
        arch=dict(growth_rate=32, depths=[6, 12, 64, 48], init_channels=64),
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=1000, in_channels=2688, topk=(1, 5)),
)
