# mmpretrain's SE-ResNet-50: batch 256, lr 0.1, /10 at epochs 40, 80 and 120 of 140.
optim_wrapper = dict(
    type='Bf16OptimWrapper',
    when='fast',
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4, fused=True),
)
channels_last = 'fast'
param_scheduler = dict(type='MultiStepLR', by_epoch=True, milestones=[40, 80, 120], gamma=0.1)
train_cfg = dict(by_epoch=True, max_epochs=140, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=256)
