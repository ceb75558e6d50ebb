# tools/dist_train.sh configs/inception/inception-resnet-v2_8xb128-100e_in1k.py 8
# Hardware: 8 GPUs of 40 GB or more; the authors used 4 servers
# Published: 20.37 / 5.21 % top-1 / top-5 error (paper, table 2)
_base_ = [
    '../_base_/models/inception_resnet_v2.py',
    '../_base_/datasets/imagenet_bs128_299.py',
    '../_base_/schedules/imagenet_bs1024_100e.py',
    '../_base_/default_runtime.py',
]
