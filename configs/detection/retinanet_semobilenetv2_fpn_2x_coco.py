# tools/dist_train.sh configs/detection/retinanet_semobilenetv2_fpn_2x_coco.py 8
# Hardware: 8 GPUs of 12 GB or more
# Expected: no score was published
_base_ = ['../_base_/detection/retinanet_semobilenetv2_fpn.py', '../_base_/detection/coco_2x.py']

optim_wrapper = dict(optimizer=dict(lr=0.01))
