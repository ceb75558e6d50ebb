# tools/dist_train.sh configs/seresnet/seresnet50-tensorpack_8xb32_in1k.py 8
# Hardware: 8 GPUs of 12 GB or more
# Published: 22.64 / 6.24 % top-1 / top-5 error (README of tensorpack, examples/ResNet)
_base_ = [
    '../_base_/models/resnet50_mmpretrain.py',
    '../_base_/datasets/imagenet_bs32_tensorpack.py',
    '../_base_/schedules/imagenet_bs256_105e.py',
    '../_base_/default_runtime.py',
]

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
