# mmdet's RetinaNet on all of mmpretrain's MobileNetV2, with SE.
_base_ = 'mmdet::_base_/models/retinanet_r50_fpn.py'

plain = dict(
    type='mmpretrain.MobileNetV2', out_indices=(1, 2, 4, 7), frozen_stages=1, norm_eval=True
)
model = dict(
    backbone=dict(
        _delete_=True,
        type='senet_mm.with_se',
        backbone=plain,
        se=dict(layer=dict(type='SELayer', ratio=8)),
    ),
    neck=dict(in_channels=[24, 32, 96, 1280]),
)
