# The paper's ablations (section 6): 8 GPUs, lr 0.1, /10 whenever the validation loss stops falling,
# three times, to 1e-4, about 300 epochs. The patience is ours. Batch and decay are not given: those
# usual for ResNets.
optim_wrapper = dict(
    type='Bf16OptimWrapper',
    when='fast',
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4, fused=True),
)
channels_last = 'fast'
param_scheduler = dict(
    type='ReduceOnPlateauLR',
    by_epoch=True,
    monitor='loss/cross_entropy',
    rule='less',
    factor=0.1,
    patience=10,
    min_value=1e-4,
)
train_cfg = dict(by_epoch=True, max_epochs=300, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=256)
