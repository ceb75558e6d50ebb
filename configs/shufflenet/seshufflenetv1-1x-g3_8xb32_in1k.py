# tools/dist_train.sh configs/shufflenet/seshufflenetv1-1x-g3_8xb32_in1k.py 8
# Hardware: 8 GPUs of 8 GB or more (the authors used 8)
# Published: 31.00 / 11.10 % top-1 / top-5 error (paper, table 3)
_base_ = [
    '../_base_/models/shufflenet_v1.py',
    '../_base_/datasets/imagenet_bs32_mobile.py',
    '../_base_/schedules/imagenet_bs256_plateau_400e.py',
    '../_base_/default_runtime.py',
]

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
