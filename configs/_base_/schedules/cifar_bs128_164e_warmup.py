# The very deep CIFAR ResNets (He et al., arXiv:1512.03385, section 4.2, and arXiv:1603.05027): as
# the others (cifar_bs128_164e.py), with lr 0.01 for the first 400 iterations, which is one epoch.
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4),
)
param_scheduler = [
    # mmengine restores the learning rate one step before `end`.
    dict(type='ConstantLR', by_epoch=True, factor=0.1, end=2),
    dict(type='MultiStepLR', by_epoch=True, milestones=[82, 123], gamma=0.1),
]
train_cfg = dict(by_epoch=True, max_epochs=164, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=128)
