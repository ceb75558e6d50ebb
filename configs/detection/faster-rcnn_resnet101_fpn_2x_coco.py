# tools/dist_train.sh configs/detection/faster-rcnn_resnet101_fpn_2x_coco.py 8
# Hardware: 8 GPUs of 16 GB or more
# Published: 39.9 AP, 60.1 AP50 on COCO minival (paper, table 7)
_base_ = 'faster-rcnn_resnet50_fpn_2x_coco.py'

model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='weights/resnet101_8xb32_in1k.pth')))
