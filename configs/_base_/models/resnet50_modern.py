# For a modern recipe: zero-initialised residuals, stochastic depth, label smoothing, mixup.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ResNet',
        depth=50,
        block=dict(zero_init_residual=True),
        drop_path_rate=0.05,
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=1000,
        in_channels=2048,
        label_smooth=0.1,
        topk=(1, 5),
    ),
    train_cfg=dict(augments=dict(type='Mixup', alpha=0.2)),
)
