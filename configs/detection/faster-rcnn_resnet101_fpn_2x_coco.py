# tools/dist_train.sh configs/detection/faster-rcnn_resnet101_fpn_2x_coco.py 8
# Hardware: 8 GPUs of 16 GB or more
# Published: 39.90 / 60.10 % AP / AP50 (paper, table 7)
_base_ = ['../_base_/detection/faster-rcnn_resnet50_fpn.py', '../_base_/detection/coco_2x.py']

model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='weights/resnet101_8xb32_in1k.pth')))
