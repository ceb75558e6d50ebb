# shicai/SENet-Caffe (solver in its issue 1): batch 256, lr 0.1 that falls linearly to 0 (Caffe's
# poly of power 1) in 500,000 iterations, which are 99.9 epochs. In his prototxt the biases of fully
# connected layers learn twice as fast and do not decay; batch norms do, Caffe's default.
optim_wrapper = dict(
    type='Bf16OptimWrapper',
    when='fast',
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4, fused=True),
    paramwise_cfg=dict(bias_lr_mult=2.0, bias_decay_mult=0.0, norm_decay_mult=1.0),
)
channels_last = 'fast'
param_scheduler = dict(
    type='PolyLR', by_epoch=True, power=1.0, eta_min=0.0, end=100, convert_to_iter_based=True
)
train_cfg = dict(by_epoch=True, max_epochs=100, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=256)
