# tools/dist_train.sh configs/resnet/resnet50_8xb128-100e_in1k.py 8
# Hardware: 8 GPUs of 24 GB or more; the authors used 4 servers
# Published: 24.80 / 7.48 % top-1 / top-5 error (paper, table 2)
_base_ = [
    '../_base_/models/resnet50_caffe.py',
    '../_base_/datasets/imagenet_bs128_mean.py',
    '../_base_/schedules/imagenet_bs1024_100e.py',
    '../_base_/default_runtime.py',
]
