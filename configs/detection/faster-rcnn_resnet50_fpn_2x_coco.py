# tools/dist_train.sh configs/detection/faster-rcnn_resnet50_fpn_2x_coco.py 8
# Hardware: 8 GPUs of 12 GB or more
# Published: 38.0 AP, 57.9 AP50 on COCO minival (paper, table 7)
_base_ = ['mmdet::_base_/models/faster-rcnn_r50_fpn.py', '../_base_/detection/coco_2x.py']

# Weights of configs/resnet/resnet50_8xb32_in1k.py, or torchvision's by convert.py.
model = dict(
    backbone=dict(
        _delete_=True,
        type='senet_mm.SEResNet',
        depth=50,
        se=None,
        out_indices=(0, 1, 2, 3),
        frozen_stages=1,
        norm_eval=True,
        init_cfg=dict(
            type='Pretrained', checkpoint='weights/resnet50_8xb32_in1k.pth', prefix='backbone.'
        ),
    )
)
