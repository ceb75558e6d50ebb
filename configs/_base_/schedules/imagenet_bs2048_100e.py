# SENet-154 (paper, appendix): 64 GPUs, batch 2048, lr 1.0, /10 every 30 of 100 epochs as in section
# 4.1; batch norms are frozen in the last epochs, whose number the paper does not give.
_base_ = 'imagenet_bs1024_100e.py'

optim_wrapper = dict(optimizer=dict(lr=1.0))
auto_scale_lr = dict(base_batch_size=2048)
custom_hooks = [dict(type='FreezeNormHook', last_epochs=5)]
