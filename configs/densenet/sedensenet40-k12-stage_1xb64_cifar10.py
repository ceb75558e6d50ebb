# python tools/train.py configs/densenet/sedensenet40-k12-stage_1xb64_cifar10.py
# Hardware: one GPU of 8 GB or more
# Expected: no score was published
_base_ = [
    '../_base_/models/densenet40-k12_cifar.py',
    '../_base_/datasets/cifar10_bs64.py',
    '../_base_/schedules/cifar_bs64_300e.py',
    '../_base_/default_runtime.py',
]

# That of titu1994/keras-squeeze-excite-network, which starts with 24 channels (16 in the paper).
model = dict(
    backbone=dict(stem_channels=24),
    head=dict(in_channels=456),
    se=dict(layer=dict(type='SELayer', ratio=16, bias=False), position='stage'),
)
