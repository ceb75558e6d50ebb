# tools/dist_train.sh configs/detection/retinanet_semobilenetv2_fpn_2x_coco.py 8
# Hardware: 8 GPUs of 12 GB or more
# Expected: nothing published; SE put into mmpretrain's MobileNetV2 by with_se
_base_ = 'retinanet_mobilenetv2_fpn_2x_coco.py'
plain = dict(
    type='mmpretrain.MobileNetV2', out_indices=(1, 2, 4, 7), frozen_stages=1, norm_eval=True
)
model = dict(
    backbone=dict(
        _delete_=True,
        type='senet_mm.with_se',
        backbone=plain,
        se=dict(layer=dict(type='SELayer', ratio=8)),
    )
)
