# python tools/train.py configs/cifar/sesmallcnn_1xb128_cifar10.py
# Hardware: one GPU of 4 GB or more, or a CPU and patience
# Expected: no score was published for this network
_base_ = 'smallcnn_1xb128_cifar10.py'

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
