# Mobile networks in the paper (section 4.1): batch 256, lr 0.1, /10 whenever the validation loss
# stops falling, about 400 epochs. The patience is ours; 4e-5 is the decay of an earlier version.
# The paper does not say how often: three times, to 1e-4, as in its other plateau schedule (section
# 6).
optim_wrapper = dict(
    type='Bf16OptimWrapper',
    when='fast',
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=4e-5, fused=True),
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
train_cfg = dict(by_epoch=True, max_epochs=400, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=256)
