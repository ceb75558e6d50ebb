# mmdet's Faster R-CNN with a feature pyramid, on our SE-ResNet-18, for the data of sample.py.
_base_ = 'mmdet::_base_/models/faster-rcnn_r50_fpn.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='senet_mm.SEResNet',
        depth=18,
        se=dict(layer=dict(type='SELayer', ratio=16)),
        out_indices=(0, 1, 2, 3),
        frozen_stages=-1,
        norm_eval=False,
        zero_init_residual=False,
        init_cfg=None,
    ),
    neck=dict(in_channels=[64, 128, 256, 512], out_channels=64),
    rpn_head=dict(in_channels=64, feat_channels=64, anchor_generator=dict(scales=[4])),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64),
        bbox_head=dict(num_classes=3, in_channels=64, fc_out_channels=256),
    ),
    train_cfg=dict(rcnn=dict(sampler=dict(num=64))),
)
