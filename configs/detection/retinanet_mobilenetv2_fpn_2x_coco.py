# tools/dist_train.sh configs/detection/retinanet_mobilenetv2_fpn_2x_coco.py 8
# Hardware: 8 GPUs of 12 GB or more
# Expected: nothing published; the plain network beside the one with SE
_base_ = ['mmdet::_base_/models/retinanet_r50_fpn.py', '../_base_/detection/coco_2x.py']

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmpretrain.MobileNetV2',
        out_indices=(1, 2, 4, 7),
        frozen_stages=1,
        norm_eval=True,
    ),
    neck=dict(in_channels=[24, 32, 96, 1280]),
)
optim_wrapper = dict(optimizer=dict(lr=0.01))
