# mmpretrain's SE-ResNet-101: batch 256, lr 0.1, /10 every 30 of 100 epochs.
_base_ = 'imagenet_bs256_140e.py'

param_scheduler = dict(milestones=[30, 60, 90])
train_cfg = dict(max_epochs=100)
