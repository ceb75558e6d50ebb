# tools/dist_train.sh configs/seresnet/scseresnet50-titu1994_8xb32_in1k.py 8
# Hardware: 8 GPUs of 12 GB or more
# Expected: no score was published
_base_ = [
    '../_base_/models/resnet50.py',
    '../_base_/datasets/imagenet_bs32.py',
    '../_base_/schedules/imagenet_bs256_100e.py',
    '../_base_/default_runtime.py',
]

model = dict(se=dict(layer=dict(type='SCSELayer', ratio=16, bias=False)))
