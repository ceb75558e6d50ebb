# tools/dist_train.sh configs/places365/seresnet152_8xb128-100e_places365.py 8
# Hardware: 8 GPUs of 24 GB or more
# Published: 40.37 / 11.01 % top-1 / top-5 error (paper, table 6)
_base_ = 'resnet152_8xb128-100e_places365.py'

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
