# The very deep CIFAR ResNets (He et al., arXiv:1512.03385, section 4.2, and arXiv:1603.05027): as
# the others, with lr 0.01 for the first 400 iterations, which is one epoch.
_base_ = 'cifar_bs128_164e.py'

param_scheduler = [
    # mmengine gives the learning rate back one step before `end`.
    dict(type='ConstantLR', by_epoch=True, factor=0.1, end=2),
    dict(type='MultiStepLR', by_epoch=True, milestones=[82, 123], gamma=0.1),
]
