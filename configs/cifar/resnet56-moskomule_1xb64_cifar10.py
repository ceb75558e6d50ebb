# python tools/train.py configs/cifar/resnet56-moskomule_1xb64_cifar10.py
# Hardware: one GPU of 4 GB or more
# Expected: no score was published
_base_ = [
    '../_base_/models/resnet56_moskomule.py',
    '../_base_/datasets/cifar10_bs64_moskomule.py',
    '../_base_/schedules/cifar_bs64_200e.py',
    '../_base_/default_runtime.py',
]
