# python tools/train.py configs/cifar/sesmallcnn_1xb128_cifar10.py
# Hardware: one GPU of 4 GB or more, or a CPU and patience
# Expected: no score was published
_base_ = [
    '../_base_/models/smallcnn_cifar.py',
    '../_base_/datasets/cifar10_bs128.py',
    '../_base_/schedules/cifar_bs128_164e.py',
    '../_base_/default_runtime.py',
]

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
