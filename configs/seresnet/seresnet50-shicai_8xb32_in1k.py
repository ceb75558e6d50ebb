# tools/dist_train.sh configs/seresnet/seresnet50-shicai_8xb32_in1k.py 8
# Hardware: 8 GPUs of 12 GB or more
# Published: 78.01 / 94.21 % top-1 / top-5 accuracy (README of shicai/SENet-Caffe)
_base_ = [
    '../_base_/models/resnet50_shicai.py',
    '../_base_/datasets/imagenet_bs32_shicai.py',
    '../_base_/schedules/imagenet_bs256_poly_100e.py',
    '../_base_/default_runtime.py',
]

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
