# python tools/train.py configs/cifar/sepreresnet164-r8-nutszebra_1xb64_cifar10.py
# Hardware: one GPU of 8 GB or more
# Published: 95.69 % top-1 accuracy (README of nutszebra/SENets)
_base_ = [
    '../_base_/models/preresnet164_cifar.py',
    '../_base_/datasets/cifar10_bs64_nutszebra.py',
    '../_base_/schedules/cifar_bs64_250e.py',
    '../_base_/default_runtime.py',
]

local = dict(type='GN', num_groups=1, eps=10.0, affine=False)  # each image by itself
model = dict(backbone=dict(input_norm=local), se=dict(layer=dict(type='SELayer', ratio=8)))
