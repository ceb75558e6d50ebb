# tensorpack (examples/ResNet): batch 256, lr 0.1, /10 at epochs 30, 60, 90 and 100 of 105,
# Nesterov; weights of convolutions and of fully connected layers decay, nothing else.
optim_wrapper = dict(
    type='Bf16OptimWrapper',
    when='fast',
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4, nesterov=True, fused=True),
    paramwise_cfg=dict(bias_decay_mult=0.0, norm_decay_mult=0.0),
)
channels_last = 'fast'
param_scheduler = dict(type='MultiStepLR', by_epoch=True, milestones=[30, 60, 90, 100], gamma=0.1)
train_cfg = dict(by_epoch=True, max_epochs=105, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=256)
