# bruinxiong/SENet.mxnet (train_se_resnext_w_d.py): batch 256, lr 0.1, /10 at epochs 30, 60, 90, 95,
# 110 and 120 of 125, Nesterov. By default MXNet lets no bias decay, those of batch norms included.
optim_wrapper = dict(
    type='Bf16OptimWrapper',
    when='fast',
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4, nesterov=True, fused=True),
    paramwise_cfg=dict(bias_decay_mult=0.0),
)
channels_last = 'fast'
param_scheduler = dict(
    type='MultiStepLR', by_epoch=True, milestones=[30, 60, 90, 95, 110, 120], gamma=0.1
)
train_cfg = dict(by_epoch=True, max_epochs=125, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=256)
