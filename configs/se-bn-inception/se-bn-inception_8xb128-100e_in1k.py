# tools/dist_train.sh configs/se-bn-inception/se-bn-inception_8xb128-100e_in1k.py 8
# Hardware: 8 GPUs of 24 GB or more; the authors used 4 servers
# Published: 24.23 / 7.14 % top-1 / top-5 error (paper, table 2)
_base_ = 'bn-inception_8xb128-100e_in1k.py'

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
