# python tools/train.py configs/cifar/se-inception-resnet-v2-taki0112_1xb128_cifar10.py
# Hardware: one GPU of 16 GB or more
# Expected: no score was published
_base_ = [
    '../_base_/models/inception_resnet_v2_taki0112.py',
    '../_base_/datasets/cifar10_bs128.py',
    '../_base_/schedules/cifar_bs128_100e.py',
    '../_base_/default_runtime.py',
]

# After every module, reductions included; in the paper it is on the residual.
model = dict(se=dict(layer=dict(type='SELayer', ratio=4), port=dict(block=r'layer\d\.\d+')))
