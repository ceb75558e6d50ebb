# tools/dist_train.sh configs/seresnet/seresnet50_8xb128-100e_in1k.py 8
# Hardware: 8 GPUs of 24 GB or more; the authors used 4 servers
# Published: 23.29 / 6.62 % top-1 / top-5 error (paper, table 2)
_base_ = '../resnet/resnet50_8xb128-100e_in1k.py'

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
