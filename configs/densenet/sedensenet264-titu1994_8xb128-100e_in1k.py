# tools/dist_train.sh configs/densenet/sedensenet264-titu1994_8xb128-100e_in1k.py 8
# Hardware: 8 GPUs of 40 GB or more
# Expected: no score was published
_base_ = [
    '../_base_/models/densenet264.py',
    '../_base_/datasets/imagenet_bs128_mean.py',
    '../_base_/schedules/imagenet_bs1024_100e.py',
    '../_base_/default_runtime.py',
]

model = dict(se=dict(layer=dict(type='SELayer', ratio=16, bias=False), position='stage'))
