# taki0112/SENet-Tensorflow: batch 128, lr 0.1, /10 at the start of epochs 30, 60 and 90 of 100,
# counted from 1. All parameters decay, norms and biases too.
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True),
)
param_scheduler = dict(type='MultiStepLR', by_epoch=True, milestones=[29, 59, 89], gamma=0.1)
train_cfg = dict(by_epoch=True, max_epochs=100, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=128)
