# Training and fine-tuning on a set of any size: the learning rate is that of a batch of 32, and is
# scaled to the batch; epochs follow from the data set (docs/own-pictures.md).
layer_decay = None  # 0.7: the learning rate of each stage is 0.7 times that of the next one
optim_wrapper = dict(
    type='Bf16OptimWrapper',
    when='fast',
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=1e-4, fused=True),
)
if layer_decay is not None:
    optim_wrapper.update(
        constructor='LearningRateDecayOptimWrapperConstructor',
        paramwise_cfg=dict(layer_decay_rate=layer_decay),
    )
channels_last = 'fast'
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end='auto'),
    dict(type='CosineAnnealingLR', by_epoch=True, T_max='auto', convert_to_iter_based=True),
]
train_cfg = dict(by_epoch=True, max_epochs='auto', val_interval='auto')
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=32, enable=True)
