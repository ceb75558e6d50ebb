# SENet-154 (paper, appendix): 64 GPUs, batch 2048, lr 1.0, /10 every 30 of 100 epochs as in section
# 4.1; batch norms are frozen in the last epochs, whose number the paper does not give. The decay is
# that of ResNets.
optim_wrapper = dict(
    type='Bf16OptimWrapper',
    when='fast',
    optimizer=dict(type='SGD', lr=1.0, momentum=0.9, weight_decay=1e-4, fused=True),
)
channels_last = 'fast'
param_scheduler = dict(type='StepLR', by_epoch=True, step_size=30, gamma=0.1)
train_cfg = dict(by_epoch=True, max_epochs=100, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=2048)
custom_hooks = [dict(type='FreezeNormHook', last_epochs=5)]
