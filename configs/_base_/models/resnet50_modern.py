_base_ = 'resnet50.py'

# For a modern recipe: zero-initialised residuals, stochastic depth, label smoothing, mixup.
model = dict(
    backbone=dict(block=dict(zero_init_residual=True), drop_path_rate=0.05),
    head=dict(label_smooth=0.1),
    train_cfg=dict(augments=dict(type='Mixup', alpha=0.2)),
)
