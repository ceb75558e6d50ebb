# python tools/train.py configs/detection/faster-rcnn_seresnet18_fpn_sample.py
# Hardware: 2 CPU cores
# Expected: 38.4 and 39.6 AP (two runs); data by tools/dataset_tools/make_detection_sample.py
_base_ = ['../_base_/detection/faster-rcnn_seresnet18_fpn.py', '../_base_/detection/sample.py']
