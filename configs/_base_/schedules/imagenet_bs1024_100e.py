# The paper (section 4.1): batch 1024, lr 0.6, /10 every 30 of 100 epochs. The paper gives no weight
# decay: it is that of the network without SE, 1e-4 for ResNets (author in issue 37 of
# hujie-frank/SENet).
optim_wrapper = dict(
    type='Bf16OptimWrapper',
    when='fast',
    optimizer=dict(type='SGD', lr=0.6, momentum=0.9, weight_decay=1e-4, fused=True),
)
channels_last = 'fast'
param_scheduler = dict(type='StepLR', by_epoch=True, step_size=30, gamma=0.1)
train_cfg = dict(by_epoch=True, max_epochs=100, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=1024)
