# tools/dist_train.sh configs/seresnet/seresnext101-32x4d_8xb128-100e_in1k.py 8
# Hardware: 8 GPUs of 24 GB or more; the authors used 4 servers
# Published: 20.70 / 5.01 % top-1 / top-5 error (paper, table 2)
_base_ = '../resnet/resnext101-32x4d_8xb128-100e_in1k.py'

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
