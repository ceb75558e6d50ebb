# python tools/train.py configs/cifar/resnet20-moskomule_1xb64_cifar10.py
# Hardware: one GPU of 4 GB or more
# Published: 92.00 % top-1 accuracy (README of moskomule/senet.pytorch)
_base_ = [
    '../_base_/models/resnet20_moskomule.py',
    '../_base_/datasets/cifar10_bs64_moskomule.py',
    '../_base_/schedules/cifar_bs64_200e.py',
    '../_base_/default_runtime.py',
]
