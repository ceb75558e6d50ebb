# The released networks: batch 256, lr 0.1, /10 at epochs 125, 200 and 250 of 270 (author in issue
# 62 of hujie-frank/SENet). The gains of batch norms decay, their biases do not (author in issue 8),
# nor do other biases, as is usual in Caffe. All learn at the same rate.
optim_wrapper = dict(
    type='Bf16OptimWrapper',
    when='fast',
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4, fused=True),
    paramwise_cfg=dict(bias_decay_mult=0.0),
)
channels_last = 'fast'
param_scheduler = dict(type='MultiStepLR', by_epoch=True, milestones=[125, 200, 250], gamma=0.1)
train_cfg = dict(by_epoch=True, max_epochs=270, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=256)
