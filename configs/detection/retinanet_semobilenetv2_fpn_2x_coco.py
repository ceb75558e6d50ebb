# tools/dist_train.sh configs/detection/retinanet_semobilenetv2_fpn_2x_coco.py 8
# Hardware: 8 GPUs of 12 GB or more
# Expected: nothing published; SE put into mmpretrain's MobileNetV2 by with_se
_base_ = ['mmdet::_base_/models/retinanet_r50_fpn.py', '../_base_/detection/coco_2x.py']

# `init_cfg` takes a classifier's checkpoint, with SE in it or without.
model = dict(
    backbone=dict(
        _delete_=True,
        type='senet_mm.with_se',
        backbone=dict(
            type='mmpretrain.MobileNetV2',
            out_indices=(1, 2, 4, 7),
            frozen_stages=1,
            norm_eval=True,
        ),
        se=dict(layer=dict(type='SELayer', ratio=8)),
    ),
    neck=dict(in_channels=[24, 32, 96, 1280]),
)
optim_wrapper = dict(optimizer=dict(lr=0.01))
