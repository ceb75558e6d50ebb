# tools/dist_train.sh configs/detection/faster-rcnn_seresnet50_fpn_2x_coco.py 8
# Hardware: 8 GPUs of 12 GB or more
# Published: 40.40 / 61.00 % AP / AP50 (paper, table 7)
_base_ = ['../_base_/detection/faster-rcnn_resnet50_fpn.py', '../_base_/detection/coco_2x.py']

model = dict(
    backbone=dict(
        type='senet_mm.SEResNet', init_cfg=dict(checkpoint='weights/seresnet50_8xb32_in1k.pth')
    )
)
