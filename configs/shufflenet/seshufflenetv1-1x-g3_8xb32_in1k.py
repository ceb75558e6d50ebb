# tools/dist_train.sh configs/shufflenet/seshufflenetv1-1x-g3_8xb32_in1k.py 8
# Hardware: 8 GPUs of 8 GB or more (the authors used 8)
# Published: 31.0 / 11.1 % top-1 / top-5 error (paper, table 3)
_base_ = 'shufflenetv1-1x-g3_8xb32_in1k.py'

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
