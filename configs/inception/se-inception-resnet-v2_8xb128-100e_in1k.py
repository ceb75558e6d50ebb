# tools/dist_train.sh configs/inception/se-inception-resnet-v2_8xb128-100e_in1k.py 8
# Hardware: 8 GPUs of 40 GB or more; the authors used 4 servers
# Published: 19.80 / 4.79 % top-1 / top-5 error (paper, table 2)
_base_ = [
    '../_base_/models/inception_resnet_v2.py',
    '../_base_/datasets/imagenet_bs128_299.py',
    '../_base_/schedules/imagenet_bs1024_100e.py',
    '../_base_/default_runtime.py',
]

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
