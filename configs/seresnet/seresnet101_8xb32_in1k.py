# tools/dist_train.sh configs/seresnet/seresnet101_8xb32_in1k.py 8
# Hardware: 8 GPUs of 12 GB or more (the authors used 8 Titan X)
# Expected: 21.75 / 5.72 % top-1 / top-5 error, the Caffe net (README of hujie-frank/SENet)
_base_ = 'seresnet50_8xb32_in1k.py'

model = dict(backbone=dict(depth=101))
