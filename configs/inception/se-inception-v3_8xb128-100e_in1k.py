# tools/dist_train.sh configs/inception/se-inception-v3_8xb128-100e_in1k.py 8
# Hardware: 8 GPUs of 40 GB or more
# Expected: no score was published for this network
_base_ = 'inception-v3_8xb128-100e_in1k.py'

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
