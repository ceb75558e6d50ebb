# tools/dist_train.sh configs/seresnet/seresnet101_8xb32-100e_in1k.py 8
# Hardware: 8 GPUs of 12 GB or more
# Published: 78.26 / 94.07 % top-1 / top-5 accuracy (mmpretrain model zoo, seresnet101_8xb32_in1k)
_base_ = [
    '../_base_/models/resnet101_mmpretrain.py',
    '../_base_/datasets/imagenet_bs32.py',
    '../_base_/schedules/imagenet_bs256_100e.py',
    '../_base_/default_runtime.py',
]

fan_out = dict(type='Kaiming', layer='Conv2d')  # as the backbone
model = dict(se=dict(layer=dict(type='SELayer', ratio=16, init_cfg=fan_out)))
