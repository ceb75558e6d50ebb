# tools/dist_train.sh configs/resnet/resnext101-32x4d_8xb128-100e_in1k.py 8
# Hardware: 8 GPUs of 24 GB or more; the authors used 4 servers
# Published: 21.18 / 5.57 % top-1 / top-5 error (paper, table 2)
_base_ = 'resnext50-32x4d_8xb128-100e_in1k.py'

model = dict(backbone=dict(depth=101))
