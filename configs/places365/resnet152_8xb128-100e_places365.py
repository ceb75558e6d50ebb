# tools/dist_train.sh configs/places365/resnet152_8xb128-100e_places365.py 8
# Hardware: 8 GPUs of 24 GB or more
# Published: 41.15 / 11.61 % top-1 / top-5 error (paper, table 6)
_base_ = [
    '../_base_/models/resnet152_caffe.py',
    '../_base_/datasets/places365_bs128.py',
    '../_base_/schedules/imagenet_bs1024_100e.py',
    '../_base_/default_runtime.py',
]

model = dict(head=dict(num_classes=365))
