# tools/dist_train.sh configs/seresnet/seresnext101-32x4d_8xb128-100e_in1k.py 8
# Hardware: 8 GPUs of 24 GB or more; the authors used 4 servers
# Published: 20.70 / 5.01 % top-1 / top-5 error (paper, table 2)
_base_ = [
    '../_base_/models/resnext101-32x4d_caffe.py',
    '../_base_/datasets/imagenet_bs128_mean.py',
    '../_base_/schedules/imagenet_bs1024_100e.py',
    '../_base_/default_runtime.py',
]

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
