# tools/dist_train.sh configs/detection/faster-rcnn_seresnet50_fpn_2x_coco.py 8
# Hardware: 8 GPUs of 12 GB or more
# Published: 40.4 AP, 61.0 AP50 on COCO minival (paper, table 7)
_base_ = 'faster-rcnn_resnet50_fpn_2x_coco.py'

model = dict(
    backbone=dict(
        se=dict(_delete_=True, type='SELayer', ratio=16),
        init_cfg=dict(checkpoint='weights/seresnet50_8xb32_in1k.pth'),
    )
)
