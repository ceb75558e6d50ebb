# Thirty epochs of 19 iterations: half a minute on one CPU core.
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=5e-4),
)
param_scheduler = dict(
    type='CosineAnnealingLR', by_epoch=True, T_max=30, convert_to_iter_based=True
)
train_cfg = dict(by_epoch=True, max_epochs=30, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=64)
