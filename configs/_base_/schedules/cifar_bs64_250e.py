# nutszebra/SENets: batch 64, lr 0.1, /10 at epochs 150 and 200 of 250, lr 0.01 in the first epoch.
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4),
)
param_scheduler = [
    # mmengine restores the learning rate one step before `end`.
    dict(type='ConstantLR', by_epoch=True, factor=0.1, end=2),
    dict(type='MultiStepLR', by_epoch=True, milestones=[150, 200], gamma=0.1),
]
train_cfg = dict(by_epoch=True, max_epochs=250, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=64)
