# tools/dist_train.sh configs/seresnet/seresnext101-32x4d-caffe_in1k.py 8
# Hardware: 8 GPUs of 12 GB or more (the authors used 8 Titan X)
# Published: 19.81 / 4.96 % top-1 / top-5 error, single crop (README of hujie-frank/SENet)
_base_ = 'seresnext50-32x4d-caffe_in1k.py'

model = dict(backbone=dict(depth=101))
