# tools/dist_train.sh configs/vgg/vgg16_8xb128-100e_in1k.py 8
# Hardware: 8 GPUs of 24 GB or more; the authors used 4 servers
# Published: 27.02 / 8.81 % top-1 / top-5 error (paper, table 2)
_base_ = [
    '../_base_/models/vgg16_bn.py',
    '../_base_/datasets/imagenet_bs128_mean.py',
    '../_base_/schedules/imagenet_bs1024_100e.py',
    '../_base_/default_runtime.py',
]

# VGG's own weight decay (arXiv:1409.1556, section 3.1), see issue 37 of hujie-frank/SENet.
optim_wrapper = dict(optimizer=dict(weight_decay=5e-4))
