# tools/dist_train.sh configs/mobilenet/semobilenetv1_8xb32_in1k.py 8
# Hardware: 8 GPUs of 8 GB or more (the authors used 8)
# Published: 25.3 / 7.7 % top-1 / top-5 error (paper, table 3)
_base_ = 'mobilenetv1_8xb32_in1k.py'

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
