# mmdet's Faster R-CNN with a feature pyramid, on our ResNet-50.
_base_ = 'mmdet::_base_/models/faster-rcnn_r50_fpn.py'

model = dict(
    # For weights that our recipes train. Those of torchvision and timm (by convert.py) want mmdet's
    # mean and std.
    data_preprocessor=dict(mean=[123, 117, 104], std=[1, 1, 1]),
    backbone=dict(
        _delete_=True,
        type='senet_mm.ResNet',
        depth=50,
        out_indices=(0, 1, 2, 3),
        frozen_stages=1,
        norm_eval=True,
        init_cfg=dict(type='Pretrained', prefix='backbone.'),
    ),
)
