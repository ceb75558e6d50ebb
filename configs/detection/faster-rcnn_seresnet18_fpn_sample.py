# python tools/train.py configs/detection/faster-rcnn_seresnet18_fpn_sample.py
# Hardware: 2 CPU cores
# Expected: 38.4 and 39.6 AP (two runs); data by tools/dataset_tools/make_detection_sample.py
_base_ = ['../_base_/detection/faster-rcnn_seresnet50_fpn.py', '../_base_/detection/sample.py']

model = dict(
    backbone=dict(
        depth=18,
        se=dict(layer=dict(type='SELayer', ratio=16)),
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
