# tools/dist_train.sh configs/vgg/sevgg16_8xb128-100e_in1k.py 8
# Hardware: 8 GPUs of 24 GB or more; the authors used 4 servers
# Published: 25.22 / 7.70 % top-1 / top-5 error (paper, table 2)
_base_ = 'vgg16_8xb128-100e_in1k.py'

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
