# Shake-Shake on CIFAR-10 (Gastaldi, arXiv:1705.07485, and his scripts): batch 128, lr 0.2, a cosine
# over 1800 epochs. The weight decay of 1e-4 is that of the code it extends.
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.2, momentum=0.9, weight_decay=1e-4, nesterov=True),
)
param_scheduler = dict(
    type='CosineAnnealingLR', by_epoch=True, T_max=1800, convert_to_iter_based=True
)
train_cfg = dict(by_epoch=True, max_epochs=1800, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=128)
