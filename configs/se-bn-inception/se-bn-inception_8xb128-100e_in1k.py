# tools/dist_train.sh configs/se-bn-inception/se-bn-inception_8xb128-100e_in1k.py 8
# Hardware: 8 GPUs of 24 GB or more; the authors used 4 servers
# Published: 24.23 / 7.14 % top-1 / top-5 error (paper, table 2)
_base_ = [
    '../_base_/models/bn_inception.py',
    '../_base_/datasets/imagenet_bs128_mean.py',
    '../_base_/schedules/imagenet_bs1024_100e.py',
    '../_base_/default_runtime.py',
]

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
# The author's weight decay for this network (issue 37 of hujie-frank/SENet).
optim_wrapper = dict(optimizer=dict(weight_decay=2e-4))
