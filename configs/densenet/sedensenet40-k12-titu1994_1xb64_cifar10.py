# python tools/train.py configs/densenet/sedensenet40-k12-titu1994_1xb64_cifar10.py
# Hardware: one GPU of 8 GB or more
# Expected: no score was published
_base_ = [
    '../_base_/models/densenet40-k12_titu1994.py',
    '../_base_/datasets/cifar10_bs64.py',
    '../_base_/schedules/cifar_bs64_300e.py',
    '../_base_/default_runtime.py',
]

model = dict(se=dict(layer=dict(type='SELayer', ratio=16, bias=False), position='stage'))
