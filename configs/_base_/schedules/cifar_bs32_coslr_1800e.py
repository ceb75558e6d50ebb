# Shake-Even on CIFAR-100 (Gastaldi's scripts): batch 32, lr 0.025, a cosine over 1800 epochs.
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.025, momentum=0.9, weight_decay=5e-4, nesterov=True),
)
param_scheduler = dict(
    type='CosineAnnealingLR', by_epoch=True, T_max=1800, convert_to_iter_based=True
)
train_cfg = dict(by_epoch=True, max_epochs=1800, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=32)
