# Shake-Even on CIFAR-100 (Gastaldi's scripts): batch 32, lr 0.025, a cosine over 1800 epochs.
_base_ = 'cifar_bs128_coslr_1800e.py'

optim_wrapper = dict(optimizer=dict(lr=0.025, weight_decay=5e-4))
auto_scale_lr = dict(base_batch_size=32)
