# tools/dist_train.sh configs/senet/senet154_8xb32_in1k.py 8
# Hardware: 8 GPUs of 24 GB or more
# Expected: no score was published
_base_ = [
    '../_base_/models/senet154.py',
    '../_base_/datasets/imagenet_bs32_senet.py',
    '../_base_/schedules/imagenet_bs256_270e.py',
    '../_base_/default_runtime.py',
]

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
