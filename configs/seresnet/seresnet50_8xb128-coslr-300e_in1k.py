# tools/dist_train.sh configs/seresnet/seresnet50_8xb128-coslr-300e_in1k.py 8
# Hardware: 8 GPUs of 24 GB or more
# Expected: no score was published
_base_ = [
    '../_base_/models/resnet50_modern.py',
    '../_base_/datasets/imagenet_bs32.py',
    '../_base_/schedules/imagenet_bs1024_coslr_300e.py',
    '../_base_/default_runtime.py',
]

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
train_dataloader = dict(batch_size=128)
