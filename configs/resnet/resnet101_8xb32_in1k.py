# tools/dist_train.sh configs/resnet/resnet101_8xb32_in1k.py 8
# Hardware: 8 GPUs of 12 GB or more (the authors used 8 Titan X)
# Expected: no score was published for this network and recipe
_base_ = 'resnet50_8xb32_in1k.py'

model = dict(backbone=dict(depth=101))
