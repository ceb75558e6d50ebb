# tools/dist_train.sh configs/seresnet/seresnext200-32x4d-bruinxiong_8xb32_in1k.py 8
# Hardware: 8 GPUs of 24 GB or more
# Expected: no score was published
_base_ = [
    '../_base_/models/resnext200-32x4d_bruinxiong.py',
    '../_base_/datasets/imagenet_bs32_bruinxiong.py',
    '../_base_/schedules/imagenet_bs256_125e.py',
    '../_base_/default_runtime.py',
]

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
