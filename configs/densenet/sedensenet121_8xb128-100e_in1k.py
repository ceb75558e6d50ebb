# tools/dist_train.sh configs/densenet/sedensenet121_8xb128-100e_in1k.py 8
# Hardware: 8 GPUs of 24 GB or more
# Expected: no score was published for this network
_base_ = 'densenet121_8xb128-100e_in1k.py'

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
